"""Which operator acts: the one that holds the Lease. It is renewed while it is held, and given back at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from marketfeed.clock import Clock
from marketfeed_operator.errors import ClusterError, ConflictError, NotFoundError
from marketfeed_operator.kinds import LEASE, Kind

log = logging.getLogger("marketfeed.operator")

DURATION_S: Final = 10
"""Without a renewal for so long others may take it."""
RENEW_S: Final = 2.5
GIVE_UP_S: Final = 7.5
"""The holder stops by itself after so long without a renewal: well before anyone else begins."""
CALL_S: Final = 2.5
"""For one call to the API server."""


class LostError(Exception):
    """The Lease is no longer ours; one sentence."""


class TakenError(LostError):
    """Another operator holds it."""


class Api(Protocol):
    """What is asked of the cluster."""

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any]: ...

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]: ...

    async def replace(self, manifest: dict[str, Any]) -> dict[str, Any]: ...


class Election:
    """One candidate for one Lease.

    Others' clocks are not trusted: a Lease has expired when it was seen unchanged for its duration on the clock here.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        identity: str,
        clock: Clock,
        rng: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`identity`: of this process alone. `rng`: 0.0 to 1.0."""
        self._api = api
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._clock = clock
        self._rng = rng
        self._sleep = sleep
        self._lease: dict[str, Any] | None = None
        """As last seen."""
        self._seen_s = 0.0
        """When it was last seen to change."""
        self._renewed_s: float | None = None
        """When the last renewal that succeeded was begun; null: it is not ours."""

    @property
    def holds(self) -> bool:
        """Whether it is ours for certain."""
        return self._renewed_s is not None and self._clock.monotonic() - self._renewed_s < GIVE_UP_S

    async def acquire(self) -> None:
        """Wait until it is ours. What hinders is said once."""
        told = ""
        while True:
            try:
                if await self._attempt():
                    return
                hindrance = f"standing by: {self._holder()} acts"
            except (ClusterError, TimeoutError) as error:
                hindrance = f"the Lease {self._namespace}/{self._name} cannot be had, and is tried again: {_words(error)}"
            if hindrance != told:
                log.info("%s", hindrance)
                told = hindrance
            await self._pause()

    async def hold(self) -> None:
        """Renew it until it is lost. Raises `TakenError`, or `LostError` where it could not be renewed in time."""
        reason = "no answer"
        while True:
            await self._pause()
            try:
                if not await self._attempt():
                    raise TakenError(f"{self._holder()} has taken the Lease {self._namespace}/{self._name}")
            except (ClusterError, TimeoutError) as error:
                reason = _words(error)
            if not self.holds:
                raise LostError(f"the Lease {self._namespace}/{self._name} could not be renewed in time: {reason}")

    async def release(self) -> None:
        """Give it back, so that another need not wait; what hinders that is only said."""
        if not self.holds or self._lease is None:
            return
        self._renewed_s = None
        spec = {**self._lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": self._now()}
        try:
            async with asyncio.timeout(CALL_S):
                await self._api.replace({**self._lease, "spec": spec})
        except (ClusterError, TimeoutError) as error:
            log.warning("the Lease could not be given back; it expires: %s", _words(error))

    async def _pause(self) -> None:
        await self._sleep(RENEW_S * (0.8 + 0.4 * self._rng()))

    async def _attempt(self) -> bool:
        """Take or renew it; whether it is ours now. Raises `ClusterError` or `TimeoutError` where that is not known."""
        begun_s = self._clock.monotonic()
        try:
            async with asyncio.timeout(CALL_S):
                ours = await self._take()
        except ConflictError:  # somebody was faster, or only touched it: who has it now?
            self._lease = None
            async with asyncio.timeout(CALL_S):
                ours = await self._take()
        self._renewed_s = begun_s if ours else None
        return ours

    async def _take(self) -> bool:
        held = self._renewed_s is not None and self._lease is not None
        if not held:
            try:
                self._see(await self._api.get(LEASE, self._namespace, self._name))
            except NotFoundError:
                self._see(await self._api.create(self._manifest({}, {})))
                return True
        assert self._lease is not None  # seen just now, or before
        spec = self._lease["spec"]
        holder = spec.get("holderIdentity")
        if holder and holder != self._identity and not self._expired(spec):
            return False
        self._see(await self._api.replace(self._manifest(self._lease["metadata"], spec)))
        return True

    def _see(self, lease: dict[str, Any]) -> None:
        before = self._lease
        if before is None or before["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"]:
            if before is None or before["spec"] != lease["spec"]:
                self._seen_s = self._clock.monotonic()
            self._lease = lease

    def _expired(self, spec: dict[str, Any]) -> bool:
        return self._clock.monotonic() - self._seen_s >= float(spec.get("leaseDurationSeconds") or DURATION_S)

    def _manifest(self, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
        """The Lease as ours, now; `metadata` and `spec` as they were."""
        again = spec.get("holderIdentity") == self._identity
        now = self._now()
        version = {"resourceVersion": metadata["resourceVersion"]} if metadata else {}
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {"name": self._name, "namespace": self._namespace, **version},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": DURATION_S,
                "acquireTime": spec["acquireTime"] if again else now,
                "renewTime": now,
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (0 if again or not spec else 1),
            },
        }

    def _holder(self) -> str:
        return str(self._lease["spec"].get("holderIdentity") or "nobody") if self._lease else "another operator"

    def _now(self) -> str:
        """The wall clock as a MicroTime, in UTC."""
        return datetime.fromtimestamp(self._clock.time_ns() / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _words(error: Exception) -> str:
    return str(error) or "no answer in time"
