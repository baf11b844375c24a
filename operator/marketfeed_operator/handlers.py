"""kopf as the informer: it watches, and what it tells goes to the store and from there to the queue.

Only event handlers: any other kind would write to the objects. They decide nothing and are never retried, so nothing is lost
with one: what they tell is compared with a list of everything now and then, which also finds what went while a watch was down.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Protocol

import kopf
from kubernetes.aio.client import Configuration

from marketfeed_operator.errors import ClusterError
from marketfeed_operator.kinds import FEED, POD, Kind
from marketfeed_operator.manifests import FEED_LABEL
from marketfeed_operator.store import WATCHED, Store
from marketfeed_operator.workqueue import Key, Lane, WorkQueue

log = logging.getLogger("marketfeed.operator")

RELIST_S: Final = 30.0
"""Between two comparisons with what the API server has."""
RESYNC_S: Final = 300.0
"""Between two looks at feeds to which nothing has happened."""
_BACKOFFS_S: Final = (1, 1, 2, 3, 5, 8, 13, 21, 30, 30, 30, 30)


class Api(Protocol):
    """What is asked of the cluster."""

    async def list(self, kind: Kind, namespace: str | None, labels: str | None = None) -> list[dict[str, Any]]: ...


class Dispatcher:
    """From what is seen to what is done about it."""

    def __init__(self, store: Store, queue: WorkQueue, soon: Callable[[Key], None]) -> None:
        """`soon`: a feed whose pods have changed is to be asked how it is."""
        self._store = store
        self._queue = queue
        self._soon = soon

    def told(self, kind: Kind, event: Mapping[str, Any]) -> None:
        """One event of a watch."""
        key = self._store.told(kind, event["object"], gone=event["type"] == "DELETED")
        if key is not None:
            self._dispatch(kind, key)

    async def relist(self, api: Api, kind: Kind, namespaces: Collection[str | None]) -> None:
        """Compare what is known with all objects of a kind. Raises `ClusterError`."""
        before = self._store.names(kind)
        labels = None if kind is FEED else FEED_LABEL
        found = [obj for namespace in namespaces for obj in await api.list(kind, namespace, labels)]
        for key in self._store.relisted(kind, before, found):
            self._dispatch(kind, key)

    def resync(self) -> None:
        """Look at every feed."""
        for key in self._store.feeds():
            self._queue.add(Lane.RECONCILE, key)

    def _dispatch(self, kind: Kind, key: Key) -> None:
        if kind is POD:
            self._soon(key)
        else:
            self._queue.add(Lane.RECONCILE, key)


class Relister:
    """Compares the store with the API server, until cancelled."""

    def __init__(self, api: Api, dispatcher: Dispatcher, namespaces: Collection[str]) -> None:
        """`namespaces`: those that are watched; none: all."""
        self._api = api
        self._dispatcher = dispatcher
        self._namespaces: Collection[str | None] = namespaces or (None,)

    async def run(self) -> None:
        """What cannot be listed now is listed next time."""
        loop = asyncio.get_running_loop()
        resync_s = loop.time() + RESYNC_S
        while True:
            await asyncio.sleep(RELIST_S)
            try:
                for kind in WATCHED:
                    await self._dispatcher.relist(self._api, kind, self._namespaces)
            except ClusterError as error:
                log.warning("what there is could not be compared with what was told: %s", error)
            if loop.time() >= resync_s:
                self._dispatcher.resync()
                resync_s = loop.time() + RESYNC_S


def registry(dispatcher: Dispatcher, config: Configuration) -> kopf.OperatorRegistry:
    """What kopf is to do: log in as we do, and tell of each event."""
    found = kopf.OperatorRegistry()

    @kopf.on.login(id="login", registry=found)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return await _connection(config)

    for kind in WATCHED:
        group, _, version = kind.api_version.rpartition("/")
        _watch(found, dispatcher, kind, group, version)
    return found


def _watch(found: kopf.OperatorRegistry, dispatcher: Dispatcher, kind: Kind, group: str, version: str) -> None:
    @kopf.on.event(group=group, version=version, plural=kind.plural, id=kind.plural, registry=found)
    async def event(event: Mapping[str, Any], **_: Any) -> None:
        dispatcher.told(kind, event)


async def _connection(config: Configuration) -> kopf.ConnectionInfo:
    header = await config.get_api_key_with_prefix("BearerToken", alias="authorization")
    scheme, _, token = (header or "").rpartition(" ")
    return kopf.ConnectionInfo(
        server=config.host,
        ca_path=config.ssl_ca_cert,
        insecure=not config.verify_ssl,
        scheme=scheme or None,
        token=token or None,
        certificate_path=config.cert_file,
        private_key_path=config.key_file,
        proxy_url=config.proxy,
    )


def settings() -> kopf.OperatorSettings:
    """Watching by label, resumed when it is silent; nothing posted, nothing scanned, nothing stored in objects."""
    found = kopf.OperatorSettings()
    for kind in WATCHED:
        if kind is not FEED:
            group, _, version = kind.api_version.rpartition("/")
            found.watching.label_selectors[group, version, kind.plural] = FEED_LABEL
    found.watching.inactivity_timeout = 70.0
    found.watching.connect_timeout = 10.0
    found.networking.connect_timeout = 10.0
    found.networking.request_timeout = 30.0
    found.networking.error_backoffs = _BACKOFFS_S
    found.scanning.disabled = True
    found.posting.enabled = False
    found.posting.loggers = False
    found.peering.standalone = True
    return found


async def watch(
    dispatcher: Dispatcher, config: Configuration, namespaces: Collection[str], spawned: Callable[[], None]
) -> None:
    """Watch until cancelled. Raises `WatchError` when kopf cannot go on.

    `spawned`: called when kopf has taken the process's signals, to take them back.
    """
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("kopf._cogs.clients").setLevel(logging.CRITICAL)  # each attempt of each watch; the Lease tells it once
    others = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry(dispatcher, config),
        settings=settings(),
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        standalone=True,
    )
    spawned()
    try:
        await kopf.run_tasks(tasks, ignored=others)
    except Exception as error:
        raise WatchError("watch", f"{type(error).__name__} {error}") from error
    raise WatchError("watch", "kopf has ended by itself")


class WatchError(ClusterError):
    """The watches have ended, and nothing is seen any more."""

    reason = "Watch"
