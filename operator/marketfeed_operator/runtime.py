"""The operator put together: who acts is settled first, then informer, queue, health and lists run until one of them ends."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import signal
import socket
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from marketfeed.clock import SystemClock
from marketfeed_operator import access, handlers
from marketfeed_operator.cluster import Cluster
from marketfeed_operator.errors import ClusterError, NotFoundError
from marketfeed_operator.handlers import Dispatcher, Relister
from marketfeed_operator.health import Health
from marketfeed_operator.http import HttpServer
from marketfeed_operator.instruments import Lists
from marketfeed_operator.kinds import FEED
from marketfeed_operator.lease import Election, LostError, TakenError
from marketfeed_operator.manifests import Options
from marketfeed_operator.metrics import Metrics
from marketfeed_operator.reconcile import Parts, Reconciler
from marketfeed_operator.statuses import Statuses
from marketfeed_operator.store import Store
from marketfeed_operator.workqueue import Key, Lane, Workers, WorkQueue

log = logging.getLogger("marketfeed.operator")

DEFAULT_HTTP: Final = ("0.0.0.0", 8080)  # noqa: S104 - probes and metrics are asked from outside the pod
LEASE_NAME: Final = "marketfeed-operator"
WAIT_S: Final = 2.0
"""Between attempts at an API server that cannot be reached, or that has no MarketFeeds yet."""
_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class AddressError(Exception):
    """The operator's own server cannot listen; one sentence."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command was asked for."""

    namespaces: tuple[str, ...]
    """Those that are watched, sorted; none: all."""
    shard_image: str
    shard_image_pull_policy: str | None = None
    lease_namespace: str | None = None
    http: tuple[str, int] | None = None
    """Null: the usual address, if it is free."""


class _Stopped(Exception):  # noqa: N818 - no error
    """The process is to end."""


async def operate(settings: Settings) -> None:
    """Act or stand by until SIGTERM. Raises `NoClusterError`, `AddressError`, and `TakenError` when another one took over."""
    config, in_cluster = await access.configuration()
    stop = asyncio.Event()
    cluster = Cluster(config, in_cluster=in_cluster)
    operator = Operator(settings, cluster, stop, _NAMESPACE_FILE.read_text().strip() if in_cluster else None)
    server = HttpServer(operator.metrics, operator.unready)
    try:
        await _listen(server, settings.http)
        await operator.run()
    except _Stopped:
        log.info("ends")
    finally:
        await server.close()
        await cluster.close()


async def _listen(server: HttpServer, wanted: tuple[str, int] | None) -> None:
    host, port = wanted or DEFAULT_HTTP
    try:
        await server.start(host, port)
    except OSError as error:
        told = f"--http {host}:{port}: {error.strerror or error}"
        if wanted is not None:
            raise AddressError(f"{told}; choose another one") from None
        log.warning("no metrics and probes are served: %s; give another one", told)


class Operator:
    """One candidate for one cluster, or for some namespaces of it."""

    def __init__(self, settings: Settings, cluster: Cluster, stop: asyncio.Event, own_namespace: str | None) -> None:
        self.metrics = Metrics()
        self._settings = settings
        self._cluster = cluster
        self._stop = stop
        self._options = Options(
            shard_image=settings.shard_image,
            shard_image_pull_policy=settings.shard_image_pull_policy,
            operator_namespace=own_namespace,
        )
        self._clock = SystemClock()
        self._identity = f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
        namespaces = settings.namespaces
        of_these = f"-{hashlib.sha256(','.join(namespaces).encode()).hexdigest()[:6]}" if namespaces else ""
        self._lease = (
            settings.lease_namespace or own_namespace or (namespaces[0] if namespaces else "default"),
            f"{LEASE_NAME}{of_these}",
        )
        self._queue = WorkQueue(self._clock)
        self._store = Store()
        self.metrics.follow(lambda lane: self._queue.depth(Lane(lane)), tuple(Lane), lambda: len(self._store.feeds()))
        self._hindrance = "has not begun"

    def unready(self) -> str:
        """Why it neither acts nor stands by; empty: it does."""
        return self._hindrance

    async def run(self) -> None:
        """Until SIGTERM (raises `_Stopped`), or until another one has taken over (raises `TakenError`).

        Where the API server goes away for so long that nobody knows who may act, it drops everything and begins anew.
        """
        while True:
            try:
                await self._together(self._term())
            except TakenError:
                raise
            except LostError as error:
                log.warning("begins anew: %s", error)
            except ClusterError as error:
                log.warning("begins anew: %s", error)
                await asyncio.sleep(WAIT_S)

    async def _term(self) -> None:
        """Become the one that acts, and act until that is over."""
        await self._cluster_ready()
        election = Election(self._cluster, *self._lease, self._identity, self._clock, random.SystemRandom().random)
        self._hindrance = ""
        await election.acquire()
        log.info("acts: %s, for %s", self._identity, ", ".join(self._settings.namespaces) or "all namespaces")
        self.metrics.leads(True)
        try:
            await self._together(election.hold(), self._act())
        finally:
            self.metrics.leads(False)
            self._hindrance = "begins anew"
            await election.release()

    async def _cluster_ready(self) -> None:
        """Wait for the API server and for the CRD; what is missing is said once."""
        told = ""
        while True:
            try:
                await self._cluster.version()
                for namespace in self._settings.namespaces or (None,):
                    await self._cluster.list(FEED, namespace)
            except NotFoundError:
                missing = "the API server knows no MarketFeeds: apply crds/marketfeeds.yaml; waiting for it"
            except ClusterError as error:
                missing = f"{self._cluster.address}: {error}; waiting for it"
            else:
                return
            self._hindrance = missing
            if missing != told:
                log.warning("%s", missing)
                told = missing
            await asyncio.sleep(WAIT_S)

    async def _act(self) -> None:
        queue, store = self._queue, self._store = WorkQueue(self._clock), Store()
        statuses = Statuses(self._cluster, self._clock, self.metrics, self._identity)
        health = Health(self._cluster, store, statuses, queue, self._clock)
        lists = Lists(self._clock, lambda key: queue.add(Lane.RECONCILE, key))
        reconciler = Reconciler(Parts(self._cluster, lists, statuses, self._options, self.metrics, self._clock))

        async def status(key: Key) -> None:
            await statuses.update(key)

        lanes = {Lane.RECONCILE: reconciler.reconcile, Lane.STATUS: status}
        dispatcher = Dispatcher(store, queue, health.soon)
        namespaces = self._settings.namespaces
        await self._together(
            Workers(queue, lanes, self._clock, self.metrics).run(),
            health.run(),
            lists.run(),
            Relister(self._cluster, dispatcher, namespaces).run(),
            handlers.watch(dispatcher, self._cluster.config, namespaces, self._catch_signals),
        )

    async def _together(self, *parts: Coroutine[Any, Any, None]) -> None:
        """Run these until one ends; none outlives the others. Raises what the one raised."""
        tasks = [asyncio.create_task(part) for part in parts]
        stopped = asyncio.create_task(self._stop.wait())
        self._catch_signals()
        try:
            done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, stopped):
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)
        if stopped in done:
            raise _Stopped
        for task in done:
            task.result()

    def _catch_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
