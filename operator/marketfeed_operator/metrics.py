"""The operator's own metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """Counts what the operator does; `registry` is for the page of `/metrics`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._took = Histogram(
            "marketfeed_operator_work_seconds", "Time of one piece of work on a feed.", ["lane"], registry=self.registry
        )
        self._errors = Counter(
            "marketfeed_operator_errors", "Pieces of work that failed.", ["lane", "reason"], registry=self.registry
        )
        self._writes = Counter(
            "marketfeed_operator_writes", "Objects written or deleted.", ["kind", "verb"], registry=self.registry
        )
        self._depth = Gauge("marketfeed_operator_queue_depth", "Feeds that are due and wait.", ["lane"], registry=self.registry)
        self._leader = Gauge("marketfeed_operator_leader", "1: this one acts.", registry=self.registry)
        self._feeds = Gauge("marketfeed_operator_feeds", "Feeds that are known.", registry=self.registry)

    def took(self, lane: str, seconds: float) -> None:
        """A piece of work took so long."""
        self._took.labels(lane).observe(seconds)

    def failed(self, lane: str, reason: str) -> None:
        """A piece of work failed."""
        self._errors.labels(lane, reason).inc()

    def wrote(self, kind: str, verb: str) -> None:
        """An object was written or deleted."""
        self._writes.labels(kind, verb).inc()

    def leads(self, leads: bool) -> None:
        """Whether this operator acts."""
        self._leader.set(leads)

    def follow(self, depth: Callable[[str], int], lanes: tuple[str, ...], feeds: Callable[[], int]) -> None:
        """Where queue depth and number of feeds are read when they are asked for."""
        for lane in lanes:
            self._depth.labels(lane).set_function(partial(depth, lane))
        self._feeds.set_function(lambda: float(feeds()))
