"""The kinds of trouble: each method begins one, and returns for how many seconds it lasts.

What loses or spoils messages on a connection that lives on does so where a number or a checksum proves it; elsewhere
nobody could know.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

from marketfeed_simulator.tampering import Corruption
from tests.simulation.agenda import Agenda
from tests.simulation.judge import Judge
from tests.simulation.peer import Peer
from tests.simulation.sink import Sink
from tests.simulation.venue import Venue

SPOILT: Final[tuple[Corruption, ...]] = ("truncated", "type", "utf8")
GONE_S = 120.0
"""After so long the exchange gives up a connection that leads nowhere."""
REJECTED_S = 300.0
"""A refused name is asked for again after this (`/status`, `rejected`)."""


class Kinds:
    """Of one day."""

    def __init__(self, agenda: Agenda, venue: Venue, sink: Sink, judge: Judge, random: Random) -> None:
        self._agenda, self._venue, self._sink, self._judge = agenda, venue, sink, judge
        self._random = random
        self._door_s = 0.0
        """Until then nobody is let in."""

    def all(self) -> list[Callable[[], float]]:
        """Those that a day may have, the likelier ones several times."""
        connections = [self.cut, self.cut_all, self.hole, self.vanish, self.notice, self.refused, self.paced, self.rejected]
        messages = [self.lost, self.lost, self.doubled, self.doubled, self.reordered, self.spoilt, self.checksum, self.silent]
        return [*connections, *messages, self.rest_slow, self.rest_fails, self.sink_slow]

    # ---- connections -------------------------------------------------------------------------------------------------

    def cut(self) -> float:
        """One breaks."""
        self._break(1)
        return 0.0

    def cut_all(self) -> float:
        """All break at once."""
        self._break(len(self._venue.peers))
        return 0.0

    def hole(self) -> float:
        """Nothing gets through one for a while; then all does."""
        seconds = self._random.uniform(1.0, 15.0)
        for peer in self._some():
            peer.line.hole(seconds)
        return seconds

    def vanish(self) -> float:
        """One leads nowhere any more, and nobody is told."""
        for peer in self._some():
            peer.line.vanish()
            self._agenda.after(GONE_S, partial(self._venue.gone, peer))
        return GONE_S

    def notice(self) -> float:
        """The exchange says that it is about to close one, or all, and does so; some say nothing."""
        peers = self._some() if self._random.random() < 0.5 else list(self._venue.peers.values())
        seconds = self._random.uniform(20.0, 300.0)
        for peer in peers:
            told = self._venue.exchange.notice(peer.session, self._agenda.now_ms)
            if told is not None:
                peer.say(told)
            self._agenda.after(seconds, partial(self._close, peer))
        return seconds

    def refused(self) -> float:
        """Connections break, and new ones are not made for a while."""
        return self._shut(lambda seconds: self._venue.faults.refuse(self._random.choice([503, None]), seconds), 10.0, 200.0)

    def banned(self) -> float:
        """Connections break, and the address is banned."""
        least_s = max(120.0, self._venue.exchange.limits.ban_s)
        return self._shut(self._venue.faults.ban, least_s, least_s + 400.0)

    def paced(self) -> float:
        """One breaks, and some of the next requests are refused for their pace."""
        self._venue.faults.reject_pace(0.5, self._random.randrange(1, 12))
        self._agenda.after(60.0, lambda: self._venue.faults.reject_pace(0.0, 0))
        self._break(1)
        return 60.0

    def rejected(self) -> float:
        """One breaks, and the next request is refused as if it named what there is not."""
        self._venue.faults.reject_subscribes(1)
        self._break(1)
        return REJECTED_S

    # ---- messages ----------------------------------------------------------------------------------------------------

    def lost(self) -> float:
        """Some do not come."""
        faults = self._venue.faults
        self._tamper(self._judge.proven(), lambda stream, connection: faults.gap(self._few(), stream, connection))
        return 5.0

    def doubled(self) -> float:
        """Some come twice."""
        faults = self._venue.faults
        self._tamper(self._judge.proven(), lambda stream, connection: faults.duplicate(self._few(), stream, connection))
        return 5.0

    def reordered(self) -> float:
        """One comes after the next one."""
        faults = self._venue.faults
        self._tamper(self._judge.proven(), lambda stream, connection: faults.reorder(1, stream, connection))
        return 5.0

    def spoilt(self) -> float:
        """Some are not what they were."""
        faults, form = self._venue.faults, self._random.choice(SPOILT)
        self._tamper(self._judge.proven(), lambda stream, connection: faults.corrupt(self._few(), stream, connection, form))
        return 5.0

    def checksum(self) -> float:
        """A checksum is wrong."""
        faults = self._venue.faults
        self._tamper(self._judge.summed(), lambda stream, connection: faults.corrupt(1, stream, connection, "checksum"))
        return 5.0

    def silent(self) -> float:
        """A topic brings nothing, however often it is subscribed to."""
        topic, seconds = self._random.choice(self._venue.topics), self._random.uniform(10.0, 400.0)
        self._venue.silent[topic] += 1

        def end() -> None:
            self._venue.silent[topic] -= 1

        self._agenda.after(seconds, end)
        return seconds

    # ---- REST and the sink -------------------------------------------------------------------------------------------

    def rest_slow(self) -> float:
        """Answers take long, while connections break."""
        self._venue.faults.rest_slow(self._random.uniform(0.3, 6.0))
        return self._without_rest(lambda: self._venue.faults.rest_slow(0.0))

    def rest_fails(self) -> float:
        """Calls are refused, answered with half of it or not at all, while connections break."""
        faults, way = self._venue.faults, self._random.randrange(3)
        if way == 0:
            faults.rest_refuse(503, self._random.randrange(1, 8))
        elif way == 1:
            faults.rest_error(self._random.randrange(1, 8))
        else:
            self._venue.rest_lost = True

        def end() -> None:
            self._venue.rest_lost = False

        return self._without_rest(end)

    def sink_slow(self) -> float:
        """The sink answers for nothing for a while."""
        seconds = self._random.uniform(2.0, 60.0)
        self._sink.slow = True

        def end() -> None:
            self._sink.slow = False
            self._sink.answer()

        self._agenda.after(seconds, end)
        return seconds

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _break(self, count: int) -> None:
        """So many connections, where there are as many."""
        peers = list(self._venue.peers.values())
        for peer in self._random.sample(peers, min(count, len(peers))):
            peer.cut()

    def _some(self) -> list[Peer]:
        """One connection, where there is one."""
        peers = list(self._venue.peers.values())
        return [self._random.choice(peers)] if peers else []

    def _few(self) -> int:
        return self._random.randrange(1, 4)

    def _close(self, peer: Peer) -> None:
        if not peer.doomed:
            peer.close(*self._venue.exchange.closings.lifetime)

    def _shut(self, refuse: Callable[[float], None], least_s: float, most_s: float) -> float:
        """Nobody is let in for a while; nothing, where that is so already."""
        if self._agenda.now_s < self._door_s:
            return 0.0
        seconds = self._random.uniform(least_s, most_s)
        self._door_s = self._agenda.now_s + seconds
        self._venue.unanswered(seconds)
        refuse(seconds)
        self._break(1 if self._random.random() < 0.5 else len(self._venue.peers))
        return seconds

    def _without_rest(self, end: Callable[[], None]) -> float:
        seconds = self._random.uniform(20.0, 200.0)
        self._venue.unanswered(seconds)
        self._agenda.after(seconds, end)
        self._agenda.after(self._random.uniform(0.0, 10.0), lambda: self._break(1))
        return seconds

    def _tamper(self, streams: list[tuple[str, str]], act: Callable[[str, int], None]) -> None:
        """With one of these streams, on a connection that has it."""
        topics = [self._venue.carriers[stream] for stream in streams if stream in self._venue.carriers]
        at = [(topic, peer.number) for topic in topics for peer in self._venue.peers.values() if topic in peer.session.topics]
        if at:
            act(*self._random.choice(at))
