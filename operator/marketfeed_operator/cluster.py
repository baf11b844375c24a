"""The Kubernetes API as far as the operator needs it: objects as dicts, a deadline on each call, few kinds of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp
import orjson
from kubernetes.aio.client import ApiClient, Configuration

from marketfeed.assignment import HTTP_PORT
from marketfeed_operator import errors, kinds
from marketfeed_operator.errors import ClusterError, NoReportError, NotFoundError, SlowError, UnreachableError
from marketfeed_operator.kinds import Kind

CHILDREN_MANAGER: Final = "marketfeed-operator"
STATUS_MANAGER: Final = "marketfeed-operator-status"
TIMEOUT_S: Final = 10.0
STATUS_TIMEOUT_S: Final = 2.0
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_CONNECTION: Final = (aiohttp.ClientError, TimeoutError, OSError)


class Cluster:
    """One API server. Objects are dicts as the API has them; every method raises `ClusterError`."""

    def __init__(self, config: Configuration, *, in_cluster: bool) -> None:
        self.config = config
        self._in_cluster = in_cluster
        self._api = ApiClient(config)
        self._pods = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=STATUS_TIMEOUT_S))

    @property
    def address(self) -> str:
        """Of the API server."""
        return str(self.config.host)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]
        await self._pods.close()

    async def version(self) -> str:
        """The API server's version, which any account may ask."""
        return str((await self._json("GET", "/version"))["gitVersion"])

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any]:
        return await self._json("GET", kind.path(namespace, name))

    async def list(self, kind: Kind, namespace: str | None, labels: str | None = None) -> list[dict[str, Any]]:
        """Those of a namespace or of the whole cluster, whose labels a selector picks."""
        query = [("labelSelector", labels)] if labels else []
        return list((await self._json("GET", kind.path(namespace), query))["items"])

    async def apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply of a child."""
        return await self._apply(manifest, None, CHILDREN_MANAGER)

    async def apply_status(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply of the status alone."""
        return await self._apply(manifest, "status", STATUS_MANAGER)

    async def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create what must not be there: `ConflictError` where it is."""
        query = [("fieldManager", CHILDREN_MANAGER), ("fieldValidation", "Strict")]
        path = kinds.of(manifest).path(manifest["metadata"]["namespace"])
        return await self._json("POST", path, query, manifest)

    async def replace(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Write an object as a whole; with a `resourceVersion`, only if nobody else was faster."""
        metadata = manifest["metadata"]
        path = kinds.of(manifest).path(metadata["namespace"], metadata["name"])
        return await self._json("PUT", path, [("fieldManager", CHILDREN_MANAGER)], manifest)

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete this very object and, later, what it owns; one that is gone is no error."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._json("DELETE", kind.path(namespace, name), (), body)
        except NotFoundError:
            return

    async def annotate(self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations; an object that is gone is no error."""
        body = {"metadata": {"annotations": dict(annotations)}}
        try:
            await self._json("PATCH", kind.path(namespace, name), [("fieldManager", CHILDREN_MANAGER)], body, _MERGE)
        except NotFoundError:
            return

    async def report(self, pod: Mapping[str, Any]) -> dict[str, Any]:
        """A shard's `/status`: from the pod itself, or through the API server where pods cannot be reached from here.

        Raises `NoReportError`, and `UnreachableError` where nothing is known because the API server does not answer.
        """
        metadata = pod["metadata"]
        try:
            if self._in_cluster:
                body = await self._direct(pod["status"]["podIP"])
            else:
                name = f"http:{metadata['name']}:{HTTP_PORT}"
                path = kinds.POD.path(metadata["namespace"], name, "proxy") + "/status"
                body = await self._call("GET", path, timeout_s=STATUS_TIMEOUT_S)
            found = orjson.loads(body)
        except SlowError:
            raise NoReportError("its /status did not answer in time") from None
        except UnreachableError:
            raise
        except ClusterError as error:
            raise NoReportError(f"its /status cannot be read: {error.told}") from None
        except orjson.JSONDecodeError:
            raise NoReportError("its /status is no JSON") from None
        if not isinstance(found, dict):
            raise NoReportError("its /status is no object")
        return found

    async def _direct(self, host: str) -> bytes:
        place = f"[{host}]" if ":" in host else host
        try:
            async with self._pods.get(f"http://{place}:{HTTP_PORT}/status") as answer:
                if answer.status != 200:
                    raise NoReportError(f"its /status answered {answer.status}")
                return await answer.read()
        except TimeoutError:
            raise NoReportError("its /status did not answer in time") from None
        except _CONNECTION as error:
            raise NoReportError(f"its /status cannot be reached: {type(error).__name__}") from None

    async def _apply(self, manifest: Mapping[str, Any], subresource: str | None, manager: str) -> dict[str, Any]:
        metadata = manifest["metadata"]
        query = [("fieldManager", manager), ("force", "true"), ("fieldValidation", "Strict")]
        path = kinds.of(manifest).path(metadata["namespace"], metadata["name"], subresource)
        return await self._json("PATCH", path, query, manifest, _APPLY)

    async def _json(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(await self._call(method, path, query, body, content_type))
        return found

    async def _call(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        timeout_s: float = TIMEOUT_S,
    ) -> bytes:
        call = f"{method} {path}"
        headers = {"Accept": "application/json", "Content-Type": content_type}
        request = await self._api.param_serialize(
            method, path, query_params=list(query), header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            answer = await self._api.call_api(*request, _request_timeout=aiohttp.ClientTimeout(total=timeout_s))
            content: bytes = await answer.read()  # type: ignore[no-untyped-call]
        except TimeoutError:
            raise SlowError(call, f"no answer within {timeout_s:g} s") from None
        except _CONNECTION as error:
            raise UnreachableError(call, str(error) or type(error).__name__) from None
        if answer.status >= 300:
            raise errors.of(call, answer.status, _message(content))
        return content


def _message(content: bytes) -> str:
    """What the API server says of an error, in one line."""
    try:
        told = orjson.loads(content)
    except orjson.JSONDecodeError:
        told = content.decode(errors="replace")
    text = told.get("message", "") if isinstance(told, dict) else str(told)
    return " ".join(text.split())[:500]
