"""One run of a container: a local process that sees the file system of this machine with the pod's volumes mounted into it.

It has the pod's network, and process and mount namespaces of its own: all that it starts ends with it, all that is mounted
goes with it. Its image is this checkout: the command's first word is looked for among the checkout's programs.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubelet.api import Object
from kubelet.sandbox import TETHERED, Sandbox
from kubelet.volumes import Volumes, field

PROGRAMS = Path(sys.executable).parent
SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def timestamp() -> str:
    """Now, as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Run:
    """A started container."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.started = timestamp()
        self.finished: str | None = None
        self._process = process
        self._folder = folder

    @property
    def pid(self) -> int:
        """Of the container's first process, as this machine counts; 0 before it runs."""
        file = self._folder / "pid"
        return int(file.read_text()) if file.exists() else 0

    @property
    def exit_code(self) -> int:
        """128 and the signal where one ended it."""
        code = self._process.returncode
        assert code is not None
        return code if code >= 0 else 128 - code

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> None:
        """Returns when it has ended."""
        await self._process.wait()
        self.finished = self.finished or timestamp()

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL where it has not ended by then."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await self.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.wait()

    def _signal(self, number: int) -> None:
        if self.running and self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
        elif self.running:
            self._process.kill()


@dataclass(frozen=True)
class Place:
    """Where a container runs."""

    volumes: Volumes
    sandbox: Sandbox
    api: tuple[str, int]
    """Host and port of the API server, as programs in pods look for it."""
    as_user: bool
    """As the user that the pod names, else as root."""


async def start(pod: Object, container: Object, place: Place, folder: Path) -> Run:
    """Start it; its output goes to `log` in the folder. Raises `VolumeError` and what `UNREACHABLE` names."""
    command = [*container["command"], *container.get("args", ())]
    variables = await _environment(pod, container, place)
    script = _script(pod, container, place, folder, [_expanded(word, variables) for word in command])
    # The outer shell's first child is the new namespace's first process; `unshare --fork` may forget which signal ended it.
    outer = ["sh", "-c", f'{shlex.join(TETHERED)} sh -euc "$0" sh $$; exit $?', script]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *TETHERED, "nsenter", f"--net={place.sandbox.namespace}", "unshare", "--mount", "--pid", *outer,
            env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    run = Run(process, folder)
    while run.running and not run.pid:  # noqa: ASYNC110 - no event tells of the file
        await asyncio.sleep(0.002)
    return run


async def _environment(pod: Object, container: Object, place: Place) -> dict[str, str]:
    host, port = place.api
    variables = {"PATH": f"{PROGRAMS}:{SYSTEM}", "HOSTNAME": pod["metadata"]["name"], "HOME": "/"}
    variables |= {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port)}
    for entry in container.get("env", ()):
        source = entry.get("valueFrom", {})
        value: str | None
        if "fieldRef" in source:
            value = field(pod, source["fieldRef"]["fieldPath"])
        elif "secretKeyRef" in source:
            value = await place.volumes.variable("secrets", source["secretKeyRef"])
        elif "configMapKeyRef" in source:
            value = await place.volumes.variable("configmaps", source["configMapKeyRef"])
        else:
            value = _expanded(entry.get("value", ""), variables)
        if value is not None:
            variables[entry["name"]] = value
    return variables


def _expanded(text: str, variables: dict[str, str]) -> str:
    """`$(NAME)` replaced where there is such a variable; `$$` is a `$`."""
    found = re.compile(r"\$\$|\$\(([^)]+)\)")
    return found.sub(lambda m: "$" if m[0] == "$$" else variables.get(m[1], m[0]), text)


def _script(pod: Object, container: Object, place: Place, folder: Path, command: list[str]) -> str:
    """What runs first in the new namespaces, and becomes the container's process in the end."""
    folder.mkdir(parents=True)
    quote = shlex.quote
    # The host's number of this process, as long as /proc is still the host's. Its parent may be gone since: then so is this.
    lines = ["read -r pid name state parent rest </proc/self/stat", '[ "$parent" = "$1" ]']
    lines += [f"echo $pid >{quote(f'{folder}/pid.new')}", f"mv {quote(f'{folder}/pid.new')} {quote(f'{folder}/pid')}"]
    lines += ["mount -t proc proc /proc"]
    mounts = sorted(container.get("volumeMounts", ()), key=lambda mount: str(mount["mountPath"]))
    lines += _places([Path(mount["mountPath"]) for mount in mounts], folder / "places")
    for mount in mounts:
        target = quote(mount["mountPath"])
        lines.append(f"mount --bind {quote(str(place.volumes.path(mount['name'])))} {target}")
        if mount.get("readOnly") or not _is_empty_dir(pod, mount["name"]):
            lines.append(f"mount -o remount,bind,ro {target}")
    security = {**pod["spec"].get("securityContext", {}), **container.get("securityContext", {})}
    if security.get("readOnlyRootFilesystem"):
        lines.append("mount -o remount,bind,ro /")
    lines.append(f"cd {quote(container.get('workingDir', '/'))}")
    lines.append(f"exec setpriv {shlex.join(_privileges(security, place.as_user))} --pdeathsig KILL -- {shlex.join(command)}")
    return "\n".join(lines) + "\n"


def _places(targets: list[Path], folder: Path) -> list[str]:
    """Mount points that this machine lacks, laid over the nearest folder above them that it has."""
    over: dict[Path, list[Path]] = {}
    for target in targets:
        if not target.is_dir():
            parent = next(parent for parent in target.parents if parent.is_dir())
            over.setdefault(parent, []).append(target.relative_to(parent))
    lines = []
    for number, (parent, missing) in enumerate(over.items()):
        layer = folder / str(number)
        for place in missing:
            (layer / place).mkdir(parents=True, exist_ok=True)
        lines.append(f"mount -t overlay -o ro,lowerdir={shlex.quote(f'{layer}:{parent}')} overlay {shlex.quote(str(parent))}")
    return lines


def _privileges(security: dict[str, Any], user: bool) -> list[str]:
    options = []
    if user and "runAsUser" in security:
        uid = security["runAsUser"]
        options += ["--reuid", str(uid), "--regid", str(security.get("runAsGroup", uid))]
        options += ["--groups", str(security["fsGroup"])] if "fsGroup" in security else ["--clear-groups"]
    if "ALL" in security.get("capabilities", {}).get("drop", ()):
        options += ["--bounding-set=-all", "--inh-caps=-all"]
    if security.get("allowPrivilegeEscalation") is False:
        options.append("--no-new-privs")
    return options


def _is_empty_dir(pod: Object, name: str) -> bool:
    return any(volume["name"] == name and "emptyDir" in volume for volume in pod["spec"].get("volumes", ()))
