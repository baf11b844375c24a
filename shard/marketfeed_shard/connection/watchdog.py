"""Which streams are fresh, and which connections carry nothing. Decisions only; the manager acts on them.

The two are kept apart: a connection may be open and silent, and a stream may be silent on a connection that is well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum, auto

from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.ports import Streams
from marketfeed_shard.connection.pulse import LONGEST_PERIOD_S, Pulse

LONGEST_PATIENCE_S = 600.0


class Verdict(Enum):
    """What the watchdog finds of an open connection."""

    WELL = auto()
    SILENT = auto()
    """It brought nothing for longer than it may: another one is to take over."""
    EXPIRED = auto()
    """The exchange is about to end it: another one is to take over."""
    USELESS = auto()
    """It was to take over, and brings neither data nor acknowledgements."""


class Watchdog:
    """Looks at every stream and connection of a shard."""

    def __init__(self, streams: Streams, stale_after_s: float) -> None:
        self._streams = streams
        self._pulses: dict[int, Pulse] = {}
        self.stale_after_s = stale_after_s
        """How long a connection may be silent that was not replaced for it just before."""

    # ---- streams -----------------------------------------------------------------------------------------------------

    @property
    def slots(self) -> Collection[int]:
        """The streams that it watches."""
        return self._pulses.keys()

    def begin(self, slot: int, channel: str, now_s: float) -> None:
        """A stream is wanted: it has to prove itself."""
        self._pulses[slot] = Pulse.subscribed(channel, self._streams.messages(slot), now_s)

    def forget(self, slot: int) -> None:
        """A stream is wanted no more."""
        del self._pulses[slot]

    def reconnected(self, slots: Iterable[int], now_s: float) -> None:
        """These are subscribed on a new socket."""
        for slot in slots:
            self._pulses[slot].reconnected(now_s)

    def reopened(self, slots: Iterable[int], now_s: float) -> None:
        """The symbols of these are traded again."""
        for slot in slots:
            self._pulses[slot].reopened(now_s)

    def look(self, now_s: float) -> None:
        """Take every stream's pulse."""
        for slot, pulse in self._pulses.items():
            pulse.look(self._streams.messages(slot), now_s)

    def stale(self) -> list[int]:
        """Streams that are silent for longer than their nature explains."""
        return [slot for slot, pulse in self._pulses.items() if pulse.stale]

    def unproven(self) -> list[int]:
        """Streams that delivered nothing since they were first subscribed."""
        return [slot for slot, pulse in self._pulses.items() if self._streams.messages(slot) == pulse.began_count]

    def silent(self, connection: Connection, now_s: float) -> list[int]:
        """Streams of a connection that are acknowledged, silent, and worth another subscription now.

        None where the connection itself is silent, or is to take over: then it is replaced, or its takeover asks again.
        """
        heard_s = max(connection.quiet_since_s, connection.heartbeat_s)
        if connection.replaces is not None or now_s - heard_s >= self.stale_after_s:
            return []
        return [
            slot
            for slot in connection.subscriptions.slots
            if self._pulses[slot].wants_renewal(now_s) and connection.live(slot) and not self._only_quiet(connection, slot)
        ]

    def period_s(self, slot: int) -> float:
        """How long a stream may be silent on one connection while another one brings it."""
        return min(self._pulses[slot].period_s(), LONGEST_PERIOD_S)

    def attempts(self, slot: int) -> int:
        """How many subscriptions of a stream brought nothing, one after the other."""
        return self._pulses[slot].attempts

    def renewed(self, slots: Iterable[int], now_s: float) -> None:
        """These are subscribed again."""
        for slot in slots:
            self._pulses[slot].renewed(now_s)

    # ---- connections -------------------------------------------------------------------------------------------------

    def judge(self, connection: Connection, messages: int, now_s: float) -> Verdict:
        """An open connection, which delivered so many messages. One that is found wanting has more patience from then on."""
        if messages != connection.counted:
            connection.counted, connection.quiet_since_s = messages, now_s
            connection.patience_s = self.stale_after_s
        impatient = now_s - connection.quiet_since_s >= connection.patience_s
        if connection.replaces is not None:  # a heartbeat is no sign that it will take over
            verdict = Verdict.USELESS if impatient else Verdict.WELL
        elif impatient and now_s - connection.heartbeat_s >= connection.patience_s and connection.subscriptions.slots:
            verdict = Verdict.SILENT
        else:
            verdict = Verdict.EXPIRED if now_s >= connection.expires_s else Verdict.WELL
        if verdict in {Verdict.USELESS, Verdict.SILENT}:
            connection.patience_s = min(2.0 * connection.patience_s, LONGEST_PATIENCE_S)
        return verdict

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _only_quiet(self, connection: Connection, slot: int) -> bool:
        """Whether all that a stream needs delivers for others: nothing happens on its symbol, and that is all."""
        others = [s.slots - {slot} for s in connection.subscriptions.of(slot)]
        return all(any(self._pulses[other].delivers for other in slots) for slots in others)
