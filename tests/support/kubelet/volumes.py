"""The volumes of a pod as folders: ConfigMaps and Secrets are swapped whole by the link `..data`, as a kubelet does it."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

from kubelet.api import Api, ApiError, Object

TOKEN_S = 3607


class VolumeError(Exception):
    """A volume cannot be had, for now or at all; the message is for the pod's status."""


Files = dict[str, tuple[bytes, int]]
"""Path inside the volume → content and mode."""


class Volumes:
    """All volumes of one pod, in a folder."""

    def __init__(self, api: Api, pod: Object, folder: Path) -> None:
        self._api = api
        self._pod = pod
        self._folder = folder
        self._namespace: str = pod["metadata"]["namespace"]
        self._group: int = pod["spec"].get("securityContext", {}).get("fsGroup", -1)
        self._tokens: dict[str, tuple[bytes, float]] = {}
        """Path → token, and when it wants renewal."""

    def path(self, name: str) -> Path:
        return self._folder / name

    async def sync(self) -> None:
        """Make them as the cluster has them now. Raises `VolumeError`, and what `UNREACHABLE` names."""
        for volume in self._pod["spec"].get("volumes", ()):
            path = self.path(volume["name"])
            path.mkdir(parents=True, exist_ok=True)
            if "emptyDir" in volume:
                path.chmod(0o777)
                os.chown(path, -1, self._group)
            else:
                self._write(path, await self._files(volume))

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, folder: Path, files: Files) -> None:
        data = folder / "..data"
        if data.is_symlink() and _read(data) == files:
            return
        fresh = folder / f"..{secrets.token_hex(4)}"
        for name, (content, mode) in files.items():
            file = fresh / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(mode)
            os.chown(file, -1, self._group)
        fresh.mkdir(exist_ok=True)
        old = folder / data.readlink() if data.is_symlink() else None
        (folder / "..data_new").symlink_to(fresh.name)
        (folder / "..data_new").rename(data)
        names = {Path(name).parts[0] for name in files}
        for name in names:
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(Path("..data") / name)
        for link in folder.iterdir():
            if not link.name.startswith("..") and link.name not in names:
                link.unlink()
        if old is not None:
            shutil.rmtree(old)

    async def _files(self, volume: Object) -> Files:
        source: Object = next((value for key, value in volume.items() if key != "name"), {})
        mode = source.get("defaultMode", 0o644)
        if "configMap" in volume:
            return await self._of_config_map(volume["configMap"], mode)
        if "secret" in volume:
            return await self._of_secret({**source, "name": source["secretName"]}, mode)
        files: Files = {}
        for part in source["sources"]:
            files |= await self._projected(part, mode)
        return files

    async def _projected(self, part: Object, mode: int) -> Files:
        if "configMap" in part:
            return await self._of_config_map(part["configMap"], mode)
        if "secret" in part:
            return await self._of_secret(part["secret"], mode)
        if "downwardAPI" in part:
            items = part["downwardAPI"]["items"]
            return {item["path"]: (field(self._pod, item["fieldRef"]["fieldPath"]).encode(), mode) for item in items}
        return await self._token(part["serviceAccountToken"], mode)

    async def _token(self, wanted: Object, mode: int) -> Files:
        token, renewal = self._tokens.get(wanted["path"], (b"", 0.0))
        if time.monotonic() < renewal:
            return {wanted["path"]: (token, mode)}
        meta = self._pod["metadata"]
        seconds = wanted.get("expirationSeconds", TOKEN_S)
        path = f"/api/v1/namespaces/{self._namespace}/serviceaccounts/{self._pod['spec']['serviceAccountName']}/token"
        spec: Object = {
            "expirationSeconds": seconds,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]},
        }
        if "audience" in wanted:
            spec["audiences"] = [wanted["audience"]]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        reply = await self._api.call("POST", path, body)
        token = reply["status"]["token"].encode()
        self._tokens[wanted["path"]] = token, time.monotonic() + 0.8 * seconds
        return {wanted["path"]: (token, mode)}

    async def _of_config_map(self, source: Object, mode: int) -> Files:
        found = await self._object("configmaps", source)
        content = {key: text.encode() for key, text in found.get("data", {}).items()}
        content |= {key: base64.b64decode(text) for key, text in found.get("binaryData", {}).items()}
        return _chosen(content, source, mode)

    async def _of_secret(self, source: Object, mode: int) -> Files:
        found = await self._object("secrets", source)
        return _chosen({key: base64.b64decode(text) for key, text in found.get("data", {}).items()}, source, mode)

    async def _object(self, kind: str, source: Object) -> Object:
        try:
            return await self._api.get(f"/api/v1/namespaces/{self._namespace}/{kind}/{source['name']}")
        except ApiError as error:
            if error.status == 404 and source.get("optional"):
                return {}
            raise VolumeError(f"{kind} {source['name']}: {error}") from error

    async def variable(self, kind: str, reference: Object) -> str | None:
        """The text of one key of a ConfigMap or Secret, for the environment. Raises `VolumeError`."""
        read = self._of_config_map if kind == "configmaps" else self._of_secret
        found = (await read({"name": reference["name"], "optional": reference.get("optional")}, 0)).get(reference["key"])
        if found is None and not reference.get("optional"):
            raise VolumeError(f"{kind} {reference['name']} has no key {reference['key']}")
        return None if found is None else found[0].decode()


def field(pod: Object, path: str) -> str:
    """The text of a pod's field as the downward API has it. Raises `VolumeError`."""
    value: Any = pod
    for part in path.removesuffix("]").replace("['", ".").replace("'", "").split(".", 2):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None and not path.endswith("]"):
        raise VolumeError(f"the pod has no field {path}")
    return str(value or "")


def _chosen(content: dict[str, bytes], source: Object, mode: int) -> Files:
    if "items" not in source:
        return {key: (value, mode) for key, value in content.items()}
    missing = [item["key"] for item in source["items"] if item["key"] not in content]
    if missing and not source.get("optional"):
        raise VolumeError(f"{source['name']} has no key {missing[0]}")
    return {i["path"]: (content[i["key"]], i.get("mode", mode)) for i in source["items"] if i["key"] in content}


def _read(folder: Path) -> Files:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o7777) for path in files}
