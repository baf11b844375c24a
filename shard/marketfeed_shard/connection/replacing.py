"""Make before break: a connection goes only when others have proven that they carry all its streams. Without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.leading import Leading
from marketfeed_shard.connection.pool import Pool
from marketfeed_shard.connection.takeover import Takeover
from marketfeed_shard.connection.topics import Urgency

LOOK_S = 0.25
"""How often is looked at connections that are to prove themselves."""
JOINING_S = 15.0
"""How long that is done for one that joins another leg."""
MOVING_S = 120.0
"""A connection stays when its streams were not proven elsewhere after so long, where nothing but room was to be gained."""


class Replacing:
    """The takeovers that are under way in a pool, and the legs that join others."""

    def __init__(self, pool: Pool, leading: Leading) -> None:
        self._pool = pool
        self._leading = leading
        self._takeovers: list[Takeover] = []
        self._joining: dict[Connection, float] = {}
        """Connections that opened beside others → until when they are looked at often."""

    def __len__(self) -> int:
        """Takeovers that are under way."""
        return len(self._takeovers)

    @property
    def watches(self) -> bool:
        """Whether `look` wants to be called."""
        return bool(self._takeovers or self._joining)

    def begin(self, old: Connection, now_s: float) -> None:
        """Open another one for the same streams; the old one goes when the new one has proven itself."""
        new = self._pool.new(old.url, old.leg, now_s)
        new.replaces, new.patience_s = old, old.patience_s
        self._take_over(old, dict.fromkeys(old.subscriptions.slots, new), now_s)

    def move(self, old: Connection, streams: Mapping[int, Connection], now_s: float) -> None:
        """Have its streams on other connections that are there; the old one goes when each is proven on its new one."""
        self._take_over(old, streams, now_s)
        for new, slots in self._takeovers[-1].parts():
            self._leading.opened(new, slots)

    def opened(self, connection: Connection, now_s: float) -> None:
        """A connection is there: it leads its streams, or joins those who do."""
        self._leading.opened(connection, connection.subscriptions.slots)
        if any(not self._leading.leads(connection, slot) for slot in connection.subscriptions.slots):
            self._joining[connection] = now_s + JOINING_S

    def lost(self, connection: Connection, now_s: float) -> None:
        """A connection's socket is gone; it will have another one. What was only moved there for room stays where it was."""
        self._joining.pop(connection, None)
        for takeover in list(self._takeovers):
            if takeover.replacement is None and takeover.concerns(connection):
                self._cancel(takeover, now_s)

    def forget(self, slot: int) -> None:
        """A stream is wanted no more."""
        for takeover in self._takeovers:
            takeover.forget(slot)

    def look(self, now_s: float) -> None:
        """Whether new connections have proven themselves, or have streams to take over, or to ask for again."""
        for takeover in list(self._takeovers):
            missing = takeover.missing(now_s)
            if not missing:
                self.relieve(takeover.old)
            elif takeover.replacement is None and now_s - takeover.began_s >= MOVING_S:
                self._cancel(takeover, now_s)
            else:
                for new, slots in missing.items():
                    self._press(new, slots, now_s)
        self._joining = {connection: until_s for connection, until_s in self._joining.items() if now_s < until_s}
        self.check(self._joining, now_s)

    def check(self, connections: Iterable[Connection], now_s: float) -> None:
        """Whether these carry what others lead: to be called now and then for all of them."""
        for connection in connections:
            followed = [slot for slot in connection.subscriptions.slots if not self._leading.leads(connection, slot)]
            if followed and connection.replaces is None:
                self._press(connection, connection.proof.missing(followed, now_s), now_s)

    def relieve(self, old: Connection) -> None:
        """Those that take over from this connection stand in for it from now on."""
        takeover = next(t for t in self._takeovers if t.old is old)
        self._takeovers.remove(takeover)
        for other in self._takeovers:
            other.redirect(old, takeover.streams)
        new = takeover.replacement
        if new is not None:
            new.reconnects += old.reconnects
            new.replaces = (
                old.replaces
            )  # where the old one was on its way to take over itself, the new one does so in its place
            if new.replaces is None:
                new.id = old.id
        for slot, heir in takeover.streams.items():
            if self._leading.leads(old, slot):
                self._leading.give(slot, heir)
        self.drop(old)

    def drop(self, connection: Connection) -> None:
        """Let go of a connection, whatever part it has in a takeover."""
        self._joining.pop(connection, None)
        self._takeovers = [takeover for takeover in self._takeovers if takeover.old is not connection]
        for other in self._pool:
            if other.replaces is connection:
                other.replaces = None
        self._pool.drop(connection)

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _take_over(self, old: Connection, streams: Mapping[int, Connection], now_s: float) -> None:
        for slot, new in streams.items():
            self._pool.put(slot, new, now_s)
        old.draining(now_s)
        self._takeovers.append(Takeover(old, streams, now_s))

    def _cancel(self, takeover: Takeover, now_s: float) -> None:
        self._takeovers.remove(takeover)
        takeover.old.kept(now_s)
        for slot, new in takeover.streams.items():
            if self._leading.leads(new, slot):
                self._leading.give(slot, takeover.old)
            self._pool.take(slot, new)

    def _press(self, connection: Connection, missing: list[int], now_s: float) -> None:
        """Have what a connection has not proven: from its leader, if that one lags behind, else by another subscription."""
        if connection.is_open:
            for slot in connection.proof.parted(missing, now_s):
                self._leading.pass_on(slot, connection)
            connection.subscriptions.renew(connection.proof.overdue(missing, now_s), Urgency.CARE, now_s)
