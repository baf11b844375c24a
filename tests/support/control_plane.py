"""A real control plane: etcd, API server, controller manager and scheduler as processes of a test's own."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import trustme
import yaml
from bridge import Bridge
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from redis_server import free_port
from waiting import wait_until

ROOT = Path(__file__).parents[2]
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
SERVICES = "10.96.0.0/24"
START_S = 60.0
NODE_GRACE_S = 14
"""After so long without a heartbeat a node counts as lost; its pods are evicted `EVICTION_S` later."""
EVICTION_S = 6


def programs() -> dict[str, Path]:
    """The programs that are here: those of KUBEBUILDER_ASSETS, else what `make cluster` brought; etcd also from the PATH."""
    built = subprocess.run([ROOT / "scripts/cluster.sh", "path"], check=True, capture_output=True, text=True).stdout.strip()
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    folders = [*([Path(assets)] if assets else []), Path(built), Path(built).parent / "etcd"]
    found = {p: folder / p for p in PROGRAMS for folder in reversed(folders) if os.access(folder / p, os.X_OK)}
    if "etcd" not in found and (etcd := shutil.which("etcd")) is not None:
        found["etcd"] = Path(etcd)
    return found


_STARTER = ThreadPoolExecutor(1)
"""A process is told when the thread ends that started it: this one lives as long as this process, the test's may not."""


class Server:
    """A process that does not outlive this one; its output is in a file."""

    def __init__(self, command: Sequence[str | Path], log: Path, env: dict[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = _STARTER.submit(
                subprocess.Popen[bytes],
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
            ).result()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()

    def stop(self, grace_s: float = 20.0) -> None:
        """End it with SIGTERM, or as a crash does where it takes too long."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def tail(self) -> str:
        """The end of what it wrote."""
        return "".join(self.log.read_text(errors="replace").splitlines(keepends=True)[-20:])


class ControlPlane:
    """Its API server listens on the bridge's address, so that pods reach it as the test does."""

    def __init__(self, folder: Path, bridge: Bridge, programs: dict[str, Path]) -> None:
        self.host = str(bridge.host)
        self.port = free_port(self.host)
        self.url = f"https://{self.host}:{self.port}"
        self._folder = folder
        self._programs = programs
        self._etcd = f"http://127.0.0.1:{free_port()}"
        self._ca = trustme.CA()
        self._servers: dict[str, Server] = {}
        self._write_keys()
        self.admin = self.user("admin", "system:masters")
        """The kubeconfig of one who may do everything."""

    @property
    def ca_file(self) -> Path:
        return self._folder / "ca.crt"

    def user(self, name: str, group: str = "people") -> Path:
        """A kubeconfig of a user, with a client certificate; nobody but the group `system:masters` may do anything at first."""
        folder = self._folder / "users" / name.replace(":", "_")
        folder.mkdir(parents=True, exist_ok=True)
        certificate = self._ca.issue_cert("user.invalid", common_name=name, organization_name=group)
        certificate.private_key_pem.write_to_path(folder / "key")
        certificate.cert_chain_pems[0].write_to_path(folder / "crt")
        user = {"client-certificate": str(folder / "crt"), "client-key": str(folder / "key")}
        return self.kubeconfig(folder / "kubeconfig", user)

    def kubeconfig(self, path: Path, user: dict[str, str], namespace: str = "default") -> Path:
        """Write a kubeconfig for this control plane."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bed", "cluster": cluster}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "bed", "context": {"cluster": "bed", "user": "user", "namespace": namespace}}],
            "current-context": "bed",
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def tls(self) -> ssl.SSLContext:
        """The administrator's, for calls without kubectl."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.load_cert_chain(self.admin.parent / "crt", self.admin.parent / "key")
        return context

    # ---- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Returns when the API server is ready."""
        data = self._folder / "etcd"
        peers = "http://127.0.0.1:0"
        options = ["--listen-client-urls", self._etcd, "--advertise-client-urls", self._etcd, "--listen-peer-urls", peers]
        self._run("etcd", "--data-dir", str(data), *options)
        self.start_apiserver()

    def start_apiserver(self) -> None:
        """On the same port, with what etcd holds; returns when it is ready.

        Controller manager and scheduler are started anew, as those of a real cluster are that have lost their leases meanwhile.
        """
        self._run("kube-apiserver", *self._apiserver())
        wait_until(self.ready, "the API server is ready", START_S)
        self._run("kube-controller-manager", *self._controller_manager())
        self._run("kube-scheduler", "--kubeconfig", str(self.user("system:kube-scheduler")), *_ALONE)

    def stop_apiserver(self) -> None:
        """As a crash does: every connection is cut, new ones are refused. Nothing where it is stopped already."""
        if (server := self._servers.pop("kube-apiserver", None)) is not None:
            server.kill()

    def ready(self) -> bool:
        for name, server in self._servers.items():
            assert server.running, f"{name} ended by itself: {server.tail()}"
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5, context=self.tls()) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def stop(self) -> None:
        """Whatever state it is in."""
        for server in reversed(self._servers.values()):
            server.kill()
        self._servers.clear()

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _run(self, program: str, *options: str) -> None:
        if program in self._servers:
            self._servers.pop(program).kill()
        self._servers[program] = Server([self._programs[program], *options], self._folder / f"{program}.log")

    def _apiserver(self) -> list[str]:
        kubelet_user = self.user("kube-apiserver-kubelet-client", "system:masters").parent
        flags = {
            "etcd-servers": self._etcd,
            "bind-address": self.host,
            "advertise-address": self.host,
            "secure-port": self.port,
            "tls-cert-file": self._folder / "server.crt",
            "tls-private-key-file": self._folder / "server.key",
            "client-ca-file": self.ca_file,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self._folder / "accounts.pub",
            "service-account-signing-key-file": self._folder / "accounts.key",
            "service-cluster-ip-range": SERVICES,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "default-not-ready-toleration-seconds": EVICTION_S,
            "default-unreachable-toleration-seconds": EVICTION_S,
            "kubelet-client-certificate": kubelet_user / "crt",
            "kubelet-client-key": kubelet_user / "key",
            "kubelet-preferred-address-types": "InternalIP",
        }
        return [f"--{name}={value}" for name, value in flags.items()]

    def _controller_manager(self) -> list[str]:
        flags = {
            "kubeconfig": self.user("system:kube-controller-manager"),
            "root-ca-file": self.ca_file,
            "service-account-private-key-file": self._folder / "accounts.key",
            "use-service-account-credentials": "true",
            "node-monitor-grace-period": f"{NODE_GRACE_S}s",
            "node-monitor-period": "1s",
            "kube-api-qps": 500,  # it keeps itself to 20 otherwise, and takes 5 s to start
            "kube-api-burst": 1000,
        }
        return [*(f"--{name}={value}" for name, value in flags.items()), *_ALONE]

    def _write_keys(self) -> None:
        names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.96.0.1", "127.0.0.1", self.host)
        server = self._ca.issue_cert(*names)
        server.private_key_pem.write_to_path(self._folder / "server.key")
        server.cert_chain_pems[0].write_to_path(self._folder / "server.crt")
        self._ca.cert_pem.write_to_path(self.ca_file)
        accounts = generate_private_key(SECP256R1())
        private = accounts.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self._folder / "accounts.key").write_bytes(private)
        public = accounts.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self._folder / "accounts.pub").write_bytes(public)


_ALONE = ("--leader-elect=false", "--secure-port=0")
