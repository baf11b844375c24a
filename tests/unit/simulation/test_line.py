"""The lines between shard and exchange of the simulated days."""

from __future__ import annotations

from random import Random

import pytest

from marketfeed_shard.connection.ports import Disconnect
from marketfeed_shard.transport.reader import PlainReader
from marketfeed_shard.transport.socket import Socket
from tests.simulation.agenda import Agenda
from tests.simulation.broken import BrokenError
from tests.simulation.budgets import Rolling
from tests.simulation.line import Line


class Ends:
    """A line, and what was heard at both of its ends; it is the `Events` of the shard's."""

    def __init__(self) -> None:
        self.agenda = Agenda()
        self.read: list[str] = []
        self.heard: list[str] = []
        self.why: list[Disconnect] = []
        self.socket = Socket(1, PlainReader(), self, lambda socket, why: self.why.append(why))
        self.line = Line(self.agenda, Random(1), self.socket, "ws://exchange", self.why.append)

    def run(self, seconds: float) -> None:
        end_s = self.agenda.now_s + seconds
        while self.agenda.next_s <= end_s:
            self.agenda.advance(self.agenda.next_s)
            self.agenda.act()
        self.agenda.advance(end_s)

    # ---- what the shard's end tells

    def attempting(self) -> None: ...
    def opened(self, key: int) -> None: ...
    def lost(self, key: int, why: Disconnect) -> None: ...
    def pinged(self, key: int, payload: bytes) -> None: ...
    def ponged(self, key: int) -> None: ...
    def flush(self) -> None: ...
    def frame(self, key: int, frame: bytes, received_ns: int) -> list[int]:
        self.read.append(frame.decode())
        return []


def ends() -> Ends:
    both = Ends()
    both.line.connected(Far(both))
    both.run(1.0)
    return both


class Far:
    """The exchange's end."""

    def __init__(self, both: Ends) -> None:
        self._both = both

    def hear(self, text: str) -> None:
        self._both.heard.append(text)

    def pinged(self, payload: bytes) -> None: ...
    def ponged(self, payload: bytes) -> None: ...
    def left(self) -> None: ...


def test_what_is_sent_arrives_later_in_order() -> None:
    both = ends()
    for number in range(100):
        both.line.send(str(number))
        both.line.deliver([str(number).encode()])
    assert (both.heard, both.read) == ([], [])
    both.run(2.0)
    assert both.heard == both.read == [str(number) for number in range(100)]


def test_nothing_comes_through_a_hole_until_it_is_over() -> None:
    both = ends()
    both.line.hole(10.0)
    both.line.send("late")
    both.line.deliver([b"late"])
    both.run(9.0)
    assert (both.heard, both.read) == ([], [])
    both.run(2.0)
    assert (both.heard, both.read) == (["late"], ["late"])


def test_a_cut_loses_what_is_under_way_and_is_told() -> None:
    both = ends()
    both.line.deliver([b"lost"])
    both.line.cut()
    both.run(2.0)
    assert both.read == []
    assert [why.reason for why in both.why] == ["connection lost"]


def test_who_vanishes_tells_nobody() -> None:
    both = ends()
    both.line.vanish()
    both.line.send("lost")
    both.line.deliver([b"lost"])
    both.run(100.0)
    assert (both.heard, both.read, both.why) == ([], [], [])


def test_a_refused_handshake_is_told_once() -> None:
    both = Ends()
    both.line.refuse(Disconnect("HTTP 503", http_status=503))
    both.run(1.0)
    assert [why.http_status for why in both.why] == [503]


def test_a_budget_is_kept_in_every_interval() -> None:
    budget = Rolling("calls", 2, 10.0)
    budget.take(0.0)
    budget.take(9.0)
    budget.take(10.0)
    with pytest.raises(BrokenError, match="3 calls"):
        budget.take(18.9)
