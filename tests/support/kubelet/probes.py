"""Probes of one run of a container, as its spec has them: who is alive, and who is ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn

import aiohttp

Probe = dict[str, Any]


class Verdict:
    """What a series of attempts comes to."""

    def __init__(self, probe: Probe, value: bool | None) -> None:
        """`value`: what holds before the first attempts have shown anything."""
        self.value = value
        self._thresholds = {True: probe.get("successThreshold", 1), False: probe.get("failureThreshold", 3)}
        self._last: bool | None = None
        self._streak = 0

    def add(self, success: bool) -> bool | None:
        """The verdict after one more attempt."""
        self._streak = self._streak + 1 if success == self._last else 1
        self._last = success
        if self._streak >= self._thresholds[success]:
            self.value = success
        return self.value


async def watch(container: dict[str, Any], address: str, started: Callable[[], None], ready: Callable[[bool], None]) -> str:
    """Probe until the container has to be killed; the name of the probe that failed.

    `started` is called once when the startup probe has succeeded, `ready` with each verdict on readiness.
    """
    async with aiohttp.ClientSession() as session:
        prober = _Prober(session, container, address)
        if (startup := container.get("startupProbe")) is not None:
            async for verdict in prober.verdicts(startup, None):
                if verdict is False:
                    return "startupProbe"
                if verdict:
                    break
        started()
        tasks = [asyncio.create_task(_liveness(prober)), asyncio.create_task(_readiness(prober, ready))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _liveness(prober: _Prober) -> str:
    if (probe := prober.container.get("livenessProbe")) is not None:
        async for alive in prober.verdicts(probe, True):
            if not alive:
                return "livenessProbe"
    return await _forever()


async def _readiness(prober: _Prober, ready: Callable[[bool], None]) -> str:
    if (probe := prober.container.get("readinessProbe")) is None:
        ready(True)
    else:
        async for verdict in prober.verdicts(probe, False):
            ready(bool(verdict))
    return await _forever()


async def _forever() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


class _Prober:
    def __init__(self, session: aiohttp.ClientSession, container: dict[str, Any], address: str) -> None:
        self.container = container
        self._session = session
        self._address = address

    async def verdicts(self, probe: Probe, value: bool | None) -> AsyncIterator[bool | None]:
        """After each attempt; never ends."""
        verdict = Verdict(probe, value)
        clock = asyncio.get_running_loop().time
        due_s = clock() + probe.get("initialDelaySeconds", 0)
        while True:
            await asyncio.sleep(due_s - clock())
            yield verdict.add(await self._attempt(probe))
            due_s = max(clock(), due_s + probe.get("periodSeconds", 10))

    async def _attempt(self, probe: Probe) -> bool:
        try:
            async with asyncio.timeout(probe.get("timeoutSeconds", 1)):
                if "tcpSocket" in probe:
                    _, writer = await asyncio.open_connection(self._address, self._port(probe["tcpSocket"]["port"]))
                    writer.close()
                    return True
                return await self._get(probe["httpGet"])
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def _get(self, wanted: dict[str, Any]) -> bool:
        scheme = wanted.get("scheme", "HTTP").lower()
        url = f"{scheme}://{wanted.get('host', self._address)}:{self._port(wanted['port'])}{wanted.get('path', '/')}"
        headers = {header["name"]: header["value"] for header in wanted.get("httpHeaders", ())}
        async with self._session.get(url, headers=headers, allow_redirects=False, ssl=False) as reply:
            return 200 <= reply.status < 400

    def _port(self, port: int | str) -> int:
        named = {entry.get("name"): entry["containerPort"] for entry in self.container.get("ports", ())}
        return port if isinstance(port, int) else int(named[port])
