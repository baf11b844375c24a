"""Missed trades between the pipeline, which sees that they are missing, and the backfill, which has them fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from marketfeed.clock import Clock
from marketfeed.events import GapReason
from marketfeed.exchanges.message import Message
from marketfeed.grammar import position
from marketfeed.normalizer import Row
from marketfeed_shard.pipeline.gaps import Gap
from marketfeed_shard.pipeline.pipeline import Pipeline
from marketfeed_shard.recovery.backfill import Backfill, Missing
from marketfeed_shard.recovery.calls import Calls
from marketfeed_shard.recovery.pages import Lost, Outcome
from marketfeed_shard.streams.table import UNKNOWN


@dataclass(slots=True)
class MissedTrades:
    """The `Fills` of a pipeline, and the `Streams` of its backfill."""

    pipeline: Pipeline
    clock: Clock
    wake: Callable[[], None]
    """To be called when a tick is due."""
    backfill: Backfill = field(init=False)
    _gaps: dict[int, Gap] = field(default_factory=dict)
    """Slot → what is being filled."""

    def attach(self, calls: Calls) -> None:
        """From now on what the pipeline misses is fetched by these calls."""
        self.backfill = Backfill(self.pipeline.market, calls, self)
        self.pipeline.fills = self

    # ---- for the pipeline --------------------------------------------------------------------------------------------

    def wants(self, slot: int, gap: Gap) -> bool:
        missing = Missing(
            _known(gap.last),
            _known(gap.first),
            gap.from_ns,
            gap.to_ns,
            max(0.0, (self.clock.time_ns() - gap.to_ns) / 1e9),
            max(0.0, (gap.to_ns - gap.cut_ns) / 1e9) if gap.cut_ns else 0.0,
        )
        channel = self.pipeline.table.streams[slot].channel
        if not self.backfill.wants(slot, channel, missing, self.clock.monotonic()):
            return False
        self._gaps[slot] = gap
        self.wake()
        return True

    def full(self, slot: int) -> None:
        self.backfill.full(slot)
        self.wake()

    # ---- for the backfill --------------------------------------------------------------------------------------------

    def native(self, slot: int) -> str:
        return self.pipeline.table.streams[slot].native

    def rows(self, slot: int, message: Message, body: bytes) -> list[Row]:
        return self.pipeline.supply.answer(slot, message, body)

    def waiting(self, slot: int) -> list[Row]:
        return self.pipeline.supply.waiting(slot)

    def published(self, slot: int, identifier: str) -> bool:
        return self.pipeline.supply.published(slot, identifier)

    def publish(self, slot: int, outcome: Outcome, received_ns: int) -> None:
        gap = self._gaps.pop(slot)
        numbered = gap.last != UNKNOWN
        self.pipeline.supply.fill(slot, [_part(part, gap, numbered) for part in outcome], received_ns)


def _known(number: int) -> int | None:
    return None if number == UNKNOWN else number


def _part(part: Row | Lost, gap: Gap, numbered: bool) -> Row | Gap:
    """A trade with its number, or the loss of some: it happened between the same two receipts, wherever in the hole it is."""
    if isinstance(part, Row):
        part.position = position(str(part.event["id"])) if numbered else None
        return part
    last = UNKNOWN if part.last is None else part.last
    first = UNKNOWN if part.first is None else part.first
    return Gap(GapReason.BACKFILL, last, first, gap.from_ns, gap.to_ns, gap.cut_ns)
