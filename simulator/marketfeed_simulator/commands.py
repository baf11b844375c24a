"""What a simulator is ordered to do: the flow of its data, and the ends of its connections."""

from __future__ import annotations

from marketfeed.clock import Clock
from marketfeed_simulator.exchange import Exchange
from marketfeed_simulator.faults import Faults
from marketfeed_simulator.hub import Hub
from marketfeed_simulator.peer import Peer
from marketfeed_simulator.pumps import MarketPump
from marketfeed_simulator.reception import Reception
from marketfeed_simulator.replay import ReplayPump


class Commands:
    """The part of `Simulator` that is commanded; faults of data are in `faults`, the list of symbols is on `board`."""

    exchange: Exchange
    faults: Faults
    pump: MarketPump | ReplayPump
    _hub: Hub
    _clock: Clock
    _reception: Reception

    # ---- the flow ----------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Send nothing more; the market stands still, the recording waits."""
        self.pump.running.clear()

    def resume(self) -> None:
        """Go on."""
        self.pump.running.set()

    async def emit(self, messages: int) -> int:
        """So many messages of live feeds at once, paused or not; how many there were: none where nobody is subscribed."""
        return await self._market().emit(messages)

    def tell(self) -> int:
        """At once what feeds with a period have not told yet of what changed (books); how many messages it were."""
        return self._market().tell()

    def skip(self, rounds: int) -> None:
        """Every symbol makes so many steps of which feeds without a period tell nothing: as if nobody had listened."""
        self._market().skip(rounds)

    def reset_numbers(self) -> None:
        """Numbers of messages begin anew with the next one, as after a restart of the service (Bybit `u` 1, OKX `seqId`)."""
        self._market().reset_numbers()

    def set_rate(self, messages_per_second: float) -> None:
        """From now on; 0: as fast as it is read."""
        self._market().rate = messages_per_second

    def _market(self) -> MarketPump:
        if not isinstance(self.pump, MarketPump):
            raise TypeError("a replay sends what was recorded at its own speed, no more")
        return self.pump

    # ---- connections -------------------------------------------------------------------------------------------------

    def cut(self, connection: int | None = None, code: int | None = None, reason: str = "") -> int:
        """End one connection or all: with a close frame of this code, or without one by a TCP reset. How many it were."""
        peers = self._peers(connection)
        for peer in peers:
            if code is None:
                peer.reset()
            else:
                self._reception.close(peer, (code, reason))
        return len(peers)

    def expire(self, connection: int | None = None) -> int:
        """End one connection or all as at the end of its lifetime. How many it were."""
        return self.cut(connection, *self.exchange.closings.lifetime)

    def announce_shutdown(self, connection: int | None = None) -> int:
        """Tell one connection or all that it is about to be closed; it is not. How many were told, none by some exchanges."""
        told = 0
        for peer in self._peers(connection):
            notice = self.exchange.notice(peer.session, self._clock.time_ns() // 1_000_000)
            if notice is not None:
                peer.say(notice)
                told += 1
        return told

    def maintenance(self, seconds: float, status: int = 503) -> int:
        """The service is restarted: all connections end, who comes is refused for so long, and numbers begin anew.

        How many connections it were. The notice before it is `announce_shutdown`.
        """
        self.faults.refuse(status, seconds)
        self.reset_numbers()
        return self.expire()

    def _peers(self, connection: int | None) -> list[Peer]:
        peers = self._hub.peers
        return [peer for number, peer in peers.items() if connection is None or number == connection]
