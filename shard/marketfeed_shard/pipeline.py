"""One message's way: frame → event → bytes → batch → publishers.

Here is the one place where a stream is held, dropped or added to. The compiled engine does the common case by itself and
asks here for what is rare; a frame that it declines goes through the plain normalizer, by the same rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from marketfeed.clock import Clock
from marketfeed.encoding import encode, own_fields
from marketfeed.events import GapReason
from marketfeed.exchanges.exchange import Control, Market
from marketfeed.exchanges.message import Numbering
from marketfeed.normalizer import Ignored, Malformed, Normalizer, NotData, Row
from marketfeed_shard.batch import DATA
from marketfeed_shard.batch import GAP as GAP_EVENT
from marketfeed_shard.joining import Joining
from marketfeed_shard.kept import Frame, Kept
from marketfeed_shard.kernel import compiled_engine
from marketfeed_shard.plain import Engine, PlainEngine
from marketfeed_shard.progress import Mark, Progress
from marketfeed_shard.publishers.publisher import Loss, Publisher
from marketfeed_shard.streams import ANY_CONNECTION, DROPPED, HELD, INTERRUPTED, JOINING, STARTED, UNKNOWN, Stream, StreamTable

LATENCY_BOUNDS_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0)
RENUMBERED_NS = 1_000_000_000
"""After an interruption, numbers that a stream passed so long ago are no late copies: the exchange began anew."""
REPEATING_NS = 10_000_000_000
"""A stream that brought nothing but repetitions for so long is looked at as an interrupted one."""


Hook: TypeAlias = Callable[[Stream, bytes, tuple[str | None, ...]], bool]
"""(stream, own fields of its event as they stand after `n`, values that the declaration asks for) → whether it goes out."""


@dataclass(slots=True)
class Counts:
    """What happened, for the metrics."""

    gaps: Counter[str] = field(default_factory=Counter)
    """By reason."""
    malformed: int = 0
    ignored: int = 0
    last_malformed: str = ""


class Pipeline:
    """All streams of one shard."""

    def __init__(
        self,
        market: Market,
        publishers: Sequence[Publisher],
        progress: Progress,
        on_control: Callable[[int, Control], None],
        clock: Clock,
        hooks: Mapping[str, Hook] = MappingProxyType({}),
    ) -> None:
        """`hooks`: a function for each name that the market's declarations give to a hook. Raises `LookupError` without one."""
        for message in market.wire.messages:
            if message.hook is not None and message.hook.name not in hooks:
                raise LookupError(f"{market.exchange} {market.name} needs a function for the hook {message.hook.name!r}")
        self._hooks = hooks
        self.market = market
        self._clock = clock
        self.table = StreamTable()
        self.counts = Counts()
        self._symbols: dict[str, str] = {}
        self._normalizer = Normalizer(market, self._symbols.get, merge=True)
        self.engine: Engine = compiled_engine(market, self._normalizer, self, LATENCY_BOUNDS_MS) or PlainEngine(
            LATENCY_BOUNDS_MS
        )
        self._publishers = publishers
        self._progress = progress
        self._known: dict[str, Mark] = dict(progress.known)
        self._held: dict[int, Kept] = {}
        """Streams that another owner still publishes."""
        self._joining = Joining(self.table)
        self._passed = self._recent = self.table.position[:]
        """How far the streams were between one and two seconds ago, and less than one."""
        self._on_control = on_control
        self._repeated = self.table.repeated[:]
        self._decoded = 0
        """Messages that the plain normalizer was given."""

    # ---- streams -----------------------------------------------------------------------------------------------------

    def add(self, streams: Iterable[Stream]) -> list[int]:
        """Give streams their slots; each begins with a gap of reason `started` before its first event."""
        slots = []
        for stream in streams:
            known = self.table.slot(stream.channel, stream.symbol)
            if known is not None and self.table.position[known] != UNKNOWN:
                mark = Mark(self.table.position[known], self.table.received_ns[known])
                self._known[stream.name] = mark
            slot = self.table.add(stream)
            self._symbols[stream.native] = stream.symbol
            self.engine.define(slot, *self._normalizer.stream_head(stream.channel, stream.symbol))
            slots.append(slot)
        self.engine.bind(self.table)
        self._progress.resize([s.name for s in self.table.streams])
        return slots

    def remove(self, slots: Iterable[int]) -> None:
        """From now on nothing of these streams goes out."""
        for slot in slots:
            self.table.flags[slot] = DROPPED
            self._held.pop(slot, None)
            self._joining.forget(slot)

    def interrupted(self, slots: Iterable[int]) -> None:
        """These streams lost their connection: a gap is due before their next event, unless nothing is missing."""
        for slot in slots:
            self.table.flags[slot] |= INTERRUPTED

    def remember_positions(self) -> None:
        """Note how far the streams are: to be called once a second."""
        self._passed, self._recent = self._recent, self.table.position[:]

    def suspect_repetitions(self, now_ns: int) -> None:
        """Look at every stream of which only repetitions come: it may have been numbered anew. To be called now and then."""
        table = self.table
        for slot, repeated in enumerate(table.repeated):
            before = self._repeated[slot] if slot < len(self._repeated) else 0
            if repeated != before and now_ns - table.received_ns[slot] > REPEATING_NS:
                table.flags[slot] |= INTERRUPTED
        self._repeated = table.repeated[:]

    def messages(self, slot: int) -> int:
        """Messages of a stream so far, repetitions included."""
        return self.table.messages[slot]

    def own(self, slot: int, connection: int) -> None:
        """From now on events that the exchange does not number count from this connection only.

        A stream that was joining does so now: what came in between, the owner before can no longer bring.
        """
        self.table.owner[slot] = connection
        if self.table.flags[slot] & JOINING:
            if self._joining.keeps(slot):
                self.table.flags[slot] |= INTERRUPTED
            self._replay(slot, self._joining.end(slot))

    def joining(self, slots: Iterable[int]) -> None:
        """Another connection is about to bring these streams, too, perhaps ahead of their owner."""
        self._joining.begin(slots)

    def joined(self, slot: int) -> bool:
        """Whether nothing that the other connection brought waits for the owner to come as far."""
        return not self._joining.keeps(slot)

    def hold(self, slot: int) -> None:
        """Keep a stream's latest frames back until `release`."""
        self.table.flags[slot] |= HELD
        self._held.setdefault(slot, Kept())

    def release(self, slot: int) -> None:
        """Publish what was held of a stream, and from now on what comes."""
        self.table.flags[slot] &= ~HELD
        self._replay(slot, self._held.pop(slot, None))

    # ---- frames ------------------------------------------------------------------------------------------------------

    def decode(self, frame: bytes, connection: int, received_ns: int, only: int = -1) -> list[int]:
        """One frame through the plain normalizer. Returns the slots that it brought data of."""
        self._decoded += 1
        self.engine.mark_read(received_ns)
        try:
            decoded = self._normalizer.decode(frame)
        except Malformed as problem:
            self.counts.malformed += 1
            self.counts.last_malformed = str(problem)
            return []
        if isinstance(decoded, Ignored):
            self.counts.ignored += 1
            return []
        if isinstance(decoded, NotData):
            control = self.market.control(decoded.body)
            if control is not None:
                self._on_control(connection, control)
            return []
        slots: list[int] = []
        for row in decoded.rows:
            slot = self.table.slot(row.channel, row.symbol)
            if slot is None:
                self.counts.ignored += 1
            elif only < 0 or slot == only:
                if slot not in slots[-1:]:  # a message may bring several records
                    self.table.messages[slot] += 1
                slots.append(slot)
                self._row(row, slot, connection, received_ns, frame)
        return slots

    def _row(self, row: Row, slot: int, connection: int, received_ns: int, frame: bytes) -> None:
        """The compiled engine's `_publish`, for one record of the plain normalizer."""
        table = self.table
        ts_ns = row.event["ts"]
        if isinstance(ts_ns, int):
            self.engine.observe(ts_ns)
        position = UNKNOWN if row.position is None else row.position
        if table.flags[slot] and not self._gate(slot, position, received_ns, connection, frame):
            return
        if row.message.numbering is not Numbering.NONE and position != UNKNOWN:
            last = table.position[slot]
            if last != UNKNOWN:
                if position <= last:
                    table.repeated[slot] += 1
                    return
                if row.message.numbering is Numbering.CONSECUTIVE and position != last + 1:
                    self.hole(slot, last, position, received_ns)
            table.position[slot] = position
        elif table.owner[slot] not in {ANY_CONNECTION, connection}:
            table.repeated[slot] += 1
            return
        hook = row.message.hook
        if hook is not None and not self._hooks[hook.name](table.streams[slot], own_fields(row.event), row.extras):
            return
        table.received_ns[slot] = received_ns
        table.n[slot] += 1
        row.event["recv"], row.event["n"] = received_ns, table.n[slot]
        self.engine.append(slot, encode(row.event), position, DATA)

    def flush(self) -> None:
        """A socket read is over: what it brought goes to every publisher."""
        self._deliver()
        for slot in self._joining.met():
            self._replay(slot, self._joining.end(slot))

    def _deliver(self) -> None:
        batch = self.engine.flush(self._progress.commit)
        if batch is None:
            return
        batch.hold()
        for publisher in self._publishers:
            publisher.put(batch)
        batch.release()

    def _replay(self, slot: int, kept: Kept | None) -> None:
        """Kept frames of a stream have their turn; they were counted when they came."""
        for frame in kept.frames if kept else ():
            self.table.messages[slot] -= 1
            self.engine.mark_read(frame.received_ns)
            if not self.engine.feed(frame.content, frame.connection, frame.received_ns, slot):
                self.decode(frame.content, frame.connection, frame.received_ns, only=slot)
        self._deliver()

    # ---- what is rare ------------------------------------------------------------------------------------------------

    def gate(self, slot: int, position: int, received_ns: int, connection: int) -> bool:
        """For the compiled engine: whether an event of a flagged stream goes out."""
        return self._gate(slot, position, received_ns, connection, None)

    def _gate(self, slot: int, position: int, received_ns: int, connection: int, frame: bytes | None) -> bool:
        table = self.table
        flags = table.flags[slot]
        if flags & DROPPED:
            return False
        if flags & HELD:
            self._keep(self._held[slot], frame, connection, received_ns, position)
            return False
        if position == UNKNOWN and table.owner[slot] not in {ANY_CONNECTION, connection}:
            table.repeated[slot] += 1
            return False
        if flags & JOINING:
            if self._joining.waits(slot, position, connection):
                self._keep(self._joining.waiting(slot), frame, connection, received_ns, position)
                return False
            flags = table.flags[slot]
        if flags & STARTED:
            stream = table.streams[slot]
            mark = self._known.pop(stream.name, Mark(UNKNOWN, 0))
            table.n[slot] = 0
            self._gap(slot, GapReason.STARTED, mark.position, position, mark.received_ns, received_ns)
            table.position[slot] = UNKNOWN
            table.flags[slot] = flags & ~(STARTED | INTERRUPTED)
            return True
        if not flags & INTERRUPTED:
            return True
        last = table.position[slot]
        if position != UNKNOWN and last != UNKNOWN and position <= last:
            passed = self._passed[slot] if slot < len(self._passed) else UNKNOWN
            if position > passed and received_ns - table.received_ns[slot] < RENUMBERED_NS:
                return True  # a repetition, left out as such; what is missing is known when a new one comes
            for column in (self._passed, self._recent):
                if slot < len(column):
                    column[slot] = UNKNOWN  # of the old numbers, which count no more
            table.flags[slot] = flags & ~INTERRUPTED
            self._gap(slot, GapReason.DISCONNECTED, last, UNKNOWN, table.received_ns[slot], received_ns)
            table.position[slot] = UNKNOWN
            return True
        table.flags[slot] = flags & ~INTERRUPTED
        if position == UNKNOWN or last == UNKNOWN or position != last + 1:
            self._gap(slot, GapReason.DISCONNECTED, last, position, table.received_ns[slot], received_ns)
            if position != UNKNOWN:
                table.position[slot] = position - 1
        return True

    def hole(self, slot: int, last: int, position: int, received_ns: int) -> None:
        """The exchange's numbers jumped from `last` to `position`."""
        self._gap(slot, GapReason.SEQUENCE, last, position, self.table.received_ns[slot], received_ns)

    def announce(self, losses: Iterable[Loss]) -> None:
        """A publisher delivers again: what its consumers can no longer get is announced to all."""
        now_ns = self._clock.time_ns()
        self.engine.mark_read(now_ns)
        for loss in losses:
            first = UNKNOWN if loss.first_position == UNKNOWN else loss.first_position - 1
            last = UNKNOWN if loss.last_position == UNKNOWN else loss.last_position + 1
            self._gap(loss.slot, GapReason.DROPPED, first, last, loss.before_ns, now_ns)
        self.flush()

    def hook(self, slot: int, message: int, extras: tuple[str | None, ...], tail: bytes) -> bool:
        """For the compiled engine: whether an event goes out that a function has to see first."""
        hook = self.market.wire.messages[message].hook
        return hook is None or self._hooks[hook.name](self.table.streams[slot], tail, extras)

    def _gap(self, slot: int, reason: GapReason, last: int, first: int, from_ns: int, to_ns: int) -> None:
        """Events after `last` and before `first` are missing; both may be UNKNOWN, `from_ns` may be 0.

        A `first` that is not above `last` is numbered anew: how far the old numbers went is not known.
        """
        table = self.table
        stream = table.streams[slot]
        table.n[slot] += 1
        event = {
            "type": "gap",
            "exchange": self.market.exchange,
            "market": self.market.name,
            "channel": stream.channel,
            "symbol": stream.symbol,
            "ts": None,
            "recv": to_ns,
            "n": table.n[slot],
            "reason": reason.value,
            "from_seq": None if last == UNKNOWN else last + 1,
            "to_seq": None if first == UNKNOWN or first <= last else first - 1,
            "from_ts": from_ns or None,
            "to_ts": to_ns,
        }
        self.counts.gaps[reason.value] += 1
        self.engine.append(slot, encode(event), UNKNOWN if first == UNKNOWN else first - 1, GAP_EVENT)

    def _keep(self, kept: Kept, frame: bytes | None, connection: int, received_ns: int, position: int) -> None:
        """Keep a message at its first record; `frame`: None where the compiled engine has it."""
        number = self.engine.frames + self._decoded
        if number != kept.latest:
            kept.add(Frame(self.engine.frame() if frame is None else frame, connection, received_ns, position, number))
