"""One message's way: frame → event → bytes → batch → publishers.

Here is the one place where a stream is held, dropped or added to. The compiled engine does the common case by itself and
asks here for what is rare; a frame that it declines goes through the plain normalizer, by the same rules. What is missing
before an event that follows on an interruption is decided in `gaps`, what waits while two connections bring one stream in
`joining`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from marketfeed.clock import Clock
from marketfeed.encoding import encode, own_fields
from marketfeed.events import GapReason
from marketfeed.exchanges.exchange import Control, Market
from marketfeed.exchanges.message import Message, Numbering
from marketfeed.normalizer import Data, Ignored, Malformed, Normalizer, NotData, Row
from marketfeed_shard.batch import DATA, GAP
from marketfeed_shard.counts import LATENCY_BOUNDS_MS, Counts
from marketfeed_shard.filling import Filling, Fills
from marketfeed_shard.gaps import Continuity, Gap
from marketfeed_shard.joining import Joining
from marketfeed_shard.kept import Frame, Kept
from marketfeed_shard.kernel import compiled_engine
from marketfeed_shard.plain import Engine, PlainEngine
from marketfeed_shard.progress import Progress
from marketfeed_shard.publishers.publisher import Loss, Publisher
from marketfeed_shard.recent import Recent, recent
from marketfeed_shard.streams import (
    ANY_CONNECTION,
    DROPPED,
    FILLING,
    HELD,
    INTERRUPTED,
    JOINING,
    STARTED,
    UNKNOWN,
    Stream,
    StreamTable,
)

Hook: TypeAlias = Callable[[Stream, bytes, tuple[str | None, ...]], bool]
"""(stream, own fields of its event as they stand after `n`, values that the declaration asks for) → whether it goes out."""


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
        self._followers: dict[str, list[str]] = {}
        """By index, the symbols whose price follows it."""
        self._of_index = {message.channel for message in market.wire.messages if message.of_index}
        self._normalizer = Normalizer(market, self._symbols.get, merge=True, followers=lambda i: self._followers.get(i, ()))
        self.engine: Engine = compiled_engine(market, self._normalizer, self, LATENCY_BOUNDS_MS) or PlainEngine(
            LATENCY_BOUNDS_MS
        )
        self._publishers = publishers
        self._progress = progress
        self.continuity = Continuity(self.table, progress.known)
        self._held: dict[int, Kept] = {}
        """Streams that another owner still publishes."""
        self._joining = Joining(self.table)
        self._filling = Filling(self.table)
        self._recents: dict[int, Recent] = {}
        self._unique = {m.channel for m in market.wire.messages if m.numbering is Numbering.UNIQUE}
        self.fills: Fills | None = None
        """Who fetches what is missing, or None: then all of it is announced."""
        self._on_control = on_control
        self._decoded = 0
        """Messages that the plain normalizer was given."""

    # ---- streams -----------------------------------------------------------------------------------------------------

    def add(self, streams: Iterable[Stream]) -> list[int]:
        """Give streams their slots; each begins with a gap of reason `started` before its first event."""
        slots = []
        for stream in streams:
            known = self.table.slot(stream.channel, stream.symbol)
            if known is not None:
                self.continuity.know(known)
            slot = self.table.add(stream)
            self._symbols[stream.native] = stream.symbol
            self._follow(stream)
            self.engine.define(slot, *self._normalizer.stream_head(stream.channel, stream.symbol))
            slots.append(slot)
        self.engine.bind(self.table)
        for slot in slots:
            if self.table.streams[slot].channel in self._unique and slot not in self._recents:
                self._recents[slot] = recent()
                self.engine.guard(slot, self._recents[slot])
        self._progress.resize([s.name for s in self.table.streams])
        return slots

    def _follow(self, stream: Stream) -> None:
        """Hand a stream what comes about its index."""
        index = self.market.index(stream.native) if stream.channel in self._of_index else None
        if index is not None and stream.symbol not in (followers := self._followers.setdefault(index, [])):
            followers.append(stream.symbol)

    def remove(self, slots: Iterable[int]) -> None:
        """From now on nothing of these streams goes out."""
        for slot in slots:
            self.table.flags[slot] = DROPPED
            self._held.pop(slot, None)
            self._joining.forget(slot)
            self._filling.end(slot)

    def interrupted(self, slots: Iterable[int]) -> None:
        """These streams lost their connection: a gap is due before their next event, unless nothing is missing."""
        slots = list(slots)
        for slot in set(slots).difference(self._filling.interrupted(slots)):
            self.table.flags[slot] |= INTERRUPTED

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

    # ---- what was missed ---------------------------------------------------------------------------------------------

    def fill(self, slot: int, parts: Iterable[Row | Gap], received_ns: int) -> int:
        """Publish missed events of a stream that waits for them, in the order given, and gaps where some are lost.

        Returns how many events were no copies.
        """
        published = 0
        self.engine.mark_read(received_ns)
        for part in parts:
            if isinstance(part, Gap):
                self._announce(slot, part)
            elif slot not in self._recents or self._recents[slot].add(str(part.event["id"]).encode(), received_ns):
                part.event["backfill"] = True
                self._publish(part, slot, received_ns)
                published += 1
        return published

    def go_on(self, slot: int, gap: Gap | None) -> None:
        """Publish what waited of a stream, after a gap where something is still missing; from now on it waits no more."""
        kept = self._filling.end(slot)
        if gap is not None:
            self.engine.mark_read(gap.to_ns)
            self._announce(slot, gap)
        self._replay(slot, kept)
        if self._filling.broken(slot):
            self.table.flags[slot] |= INTERRUPTED

    def waiting(self, slot: int) -> list[Row]:
        """The events of the first message that waits for a stream's missed ones."""
        stream, first = self.table.streams[slot], next(iter(self._filling.waiting(slot)))
        decoded = self._normalizer.decode(first.content)
        rows = decoded.rows if isinstance(decoded, Data) else ()
        return [row for row in rows if (row.channel, row.symbol) == (stream.channel, stream.symbol)]

    def published(self, slot: int, identifier: str) -> bool:
        """Whether an event went out not long ago, of a stream that only tells its events apart by their ids."""
        return identifier.encode() in self._recents[slot]

    def answer(self, slot: int, declared: Message, body: bytes) -> list[Row]:
        """The events of an answer over REST about a stream's symbol. Raises `Malformed`."""
        return self._normalizer.body(declared, self.table.streams[slot].symbol, body)

    def tell(self, slot: int, event: dict[str, Any], received_ns: int) -> bool:
        """Publish an event that no connection brought and the exchange does not number; False: not while its stream is held.

        Nor while it is interrupted: what is missing is only known when its connection brings something again.
        """
        flags = self.table.flags[slot]
        if flags & ~STARTED:
            return False
        self.engine.mark_read(received_ns)
        gap = self.continuity.gap(slot, UNKNOWN, received_ns)
        if gap is not None:
            self._announce(slot, gap)
        self.table.received_ns[slot] = received_ns
        self.table.n[slot] += 1
        event["recv"], event["n"] = received_ns, self.table.n[slot]
        self.engine.append(slot, encode(event), UNKNOWN, DATA)
        self.flush()
        return True

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
                jumps = row.message.numbering is Numbering.CONSECUTIVE and position != last + 1
                if jumps and not self._hole(slot, last, position, received_ns, connection, frame):
                    return
            table.position[slot] = position
        elif slot in self._recents:
            if not self._recents[slot].add(str(row.event["id"]).encode(), received_ns):
                table.repeated[slot] += 1
                return
        elif table.owner[slot] not in {ANY_CONNECTION, connection}:
            table.repeated[slot] += 1
            return
        hook = row.message.hook
        if hook is not None and not self._hooks[hook.name](table.streams[slot], own_fields(row.event), row.extras):
            return
        table.received_ns[slot] = received_ns
        self._publish(row, slot, received_ns)

    def _publish(self, row: Row, slot: int, received_ns: int) -> None:
        """Number an event and add it to the batch."""
        self.table.n[slot] += 1
        row.event["recv"], row.event["n"] = received_ns, self.table.n[slot]
        position = UNKNOWN if row.position is None else row.position
        self.engine.append(slot, encode(row.event), position, DATA)

    def flush(self) -> None:
        """A socket read is over: what it brought goes to every publisher."""
        self._deliver()
        for slot in self._joining.met():
            self._replay(slot, self._joining.end(slot))
        if self.fills is not None:
            for slot in self._filling.full():
                self.fills.full(slot)

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
            if frame.interrupted:
                self.table.flags[slot] |= INTERRUPTED
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
        if flags & FILLING:
            self._wait(slot, frame, connection, received_ns, position)
            return False
        if position == UNKNOWN and slot not in self._recents and table.owner[slot] not in {ANY_CONNECTION, connection}:
            table.repeated[slot] += 1
            return False
        if flags & JOINING and self._joining.waits(slot, position, connection):
            self._keep(self._joining.waiting(slot), frame, connection, received_ns, position)
            return False
        gap = self.continuity.gap(slot, position, received_ns)
        if gap is not None and self._filled(slot, gap):
            self._wait(slot, frame, connection, received_ns, position)
            return False
        return True

    def hole(self, slot: int, last: int, position: int, received_ns: int, connection: int) -> bool:
        """For the compiled engine: the exchange's numbers jumped from `last` to `position`; whether the event goes out now."""
        return self._hole(slot, last, position, received_ns, connection, None)

    def _hole(self, slot: int, last: int, position: int, received_ns: int, connection: int, frame: bytes | None) -> bool:
        gap = Gap(GapReason.SEQUENCE, last, position, self.table.received_ns[slot], received_ns)
        if not self._filled(slot, gap):
            return True
        self.table.position[slot] = position - 1
        self._wait(slot, frame, connection, received_ns, position)
        return False

    def _filled(self, slot: int, gap: Gap) -> bool:
        """Whether a gap is being filled; else it is announced."""
        if self.fills is not None and gap.reason is not GapReason.STARTED and self.fills.wants(slot, gap):
            self._filling.begin(slot)
            return True
        self._announce(slot, gap)
        return False

    def announce(self, losses: Iterable[Loss]) -> None:
        """A publisher delivers again: what its consumers can no longer get is announced to all."""
        now_ns = self._clock.time_ns()
        self.engine.mark_read(now_ns)
        for loss in losses:
            self._announce(loss.slot, Gap.of(loss, now_ns))
        self.flush()

    def hook(self, slot: int, message: int, extras: tuple[str | None, ...], tail: bytes) -> bool:
        """For the compiled engine: whether an event goes out that a function has to see first."""
        hook = self.market.wire.messages[message].hook
        return hook is None or self._hooks[hook.name](self.table.streams[slot], tail, extras)

    def _announce(self, slot: int, gap: Gap) -> None:
        """Write a gap in its place among the events."""
        table = self.table
        table.n[slot] += 1
        self.counts.gaps[gap.reason.value] += 1
        self.engine.append(slot, encode(gap.event(self.market, table.streams[slot], table.n[slot])), gap.position, GAP)

    def _keep(self, kept: Kept, frame: bytes | None, connection: int, received_ns: int, position: int) -> None:
        """Keep a message at its first record, within the bound; `frame`: None where the compiled engine has it."""
        number = self.engine.frames + self._decoded
        if number != kept.latest:
            kept.add(Frame(self.engine.frame() if frame is None else frame, connection, received_ns, position, number))
            kept.trim()

    def _wait(self, slot: int, frame: bytes | None, connection: int, received_ns: int, position: int) -> None:
        """Keep a message of a stream that is being filled, whatever the bound: nothing of it may be lost."""
        number = self.engine.frames + self._decoded
        if number != self._filling.waiting(slot).latest:
            content = self.engine.frame() if frame is None else frame
            interrupted = self._filling.broken(slot)
            self._filling.keep(slot, Frame(content, connection, received_ns, position, number, interrupted=interrupted))
