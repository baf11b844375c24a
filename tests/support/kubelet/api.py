"""The few calls of the Kubernetes API that a kubelet needs."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml
from yarl import URL

log = logging.getLogger("kubelet")

Object = dict[str, Any]
CALL_S = 10.0
WATCH_S = 300.0
RETRY_S = 0.5


class ApiError(Exception):
    """The API server refused."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


UNREACHABLE = (aiohttp.ClientError, ConnectionError, TimeoutError)
"""What a call raises while the API server is away."""


class Api:
    """Calls as the user of a kubeconfig with a client certificate."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        url = URL(cluster["server"])
        self.address = str(url.host), int(url.port or 443)
        """Host and port of the API server."""
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        context.load_cert_chain(user["client-certificate"], user["client-key"])
        self._session = aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(ssl=context, limit=0))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, body: Object | None = None, content_type: str = "application/json") -> Object:
        """The answer. Raises `ApiError` and what `UNREACHABLE` names."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        timeout = aiohttp.ClientTimeout(total=CALL_S)
        async with self._session.request(method, path, data=data, headers=headers, timeout=timeout) as reply:
            answer: Object = await reply.json()
            if reply.status >= 400:
                raise ApiError(reply.status, str(answer.get("message")))
            return answer

    async def get(self, path: str) -> Object:
        return await self.call("GET", path)

    async def patch(self, path: str, body: Object) -> Object:
        """A strategic merge: lists of conditions and the like are merged by their keys."""
        return await self.call("PATCH", path, body, "application/strategic-merge-patch+json")

    async def follow(self, path: str, selector: str) -> AsyncIterator[list[Object] | tuple[str, Object]]:
        """All objects as a list, then (event type, object) one by one; a new list whenever the watch had to begin anew.

        Never ends: while the API server is away it is asked again and again.
        """
        while True:
            try:
                listed = await self.get(f"{path}?{selector}")
                yield listed["items"]
                async for event in self._watch(f"{path}?{selector}", listed["metadata"]["resourceVersion"]):
                    yield event
            except (*UNREACHABLE, ApiError) as error:
                log.info("watching %s: %s", path, error or type(error).__name__)
                await asyncio.sleep(RETRY_S)

    async def _watch(self, path: str, version: str) -> AsyncIterator[tuple[str, Object]]:
        """Events until the server ends the watch."""
        query = f"{path}&watch=1&resourceVersion={version}&timeoutSeconds={WATCH_S:.0f}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CALL_S, sock_read=WATCH_S + CALL_S)
        async with self._session.get(query, timeout=timeout) as reply:
            if reply.status >= 400:
                raise ApiError(reply.status, await reply.text())
            rest = b""
            async for chunk in reply.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return
                    yield event["type"], event["object"]
