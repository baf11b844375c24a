"""The exchange's end of one connection: what it is subscribed to, and the limits that it has to keep."""

from __future__ import annotations

from typing import Protocol

from marketfeed_simulator.exchange import ABNORMAL, Exchange
from marketfeed_simulator.keepalive import Due, Keepalive
from marketfeed_simulator.limits import RollingWindow
from marketfeed_simulator.session import Hearing, Session
from tests.simulation.agenda import Agenda
from tests.simulation.line import Line


class House(Protocol):
    """All of the exchange."""

    exchange: Exchange
    agenda: Agenda

    def violated(self, rule: str, detail: str) -> None:
        """A limit was broken."""
        ...

    def refusal(self) -> str | None:
        """Why the request at hand is refused, or null."""
        ...

    def granted(self) -> bool:
        """Whether the topic or request at hand is not refused for its pace."""
        ...

    def knows(self, topic: str) -> bool: ...

    def greet(self, peer: Peer, topics: list[str]) -> None:
        """Send what new subscribers of these topics get."""
        ...

    def gone(self, peer: Peer) -> None: ...


class Peer:
    """It is the `Far` of its line."""

    def __init__(self, house: House, number: int, session: Session, line: Line) -> None:
        limits, now_s = house.exchange.limits, house.agenda.now_s
        self.number = session.number = number
        self.session = session
        self.line = line
        self.doomed = False
        """What it says is not heard any more, and nothing is sent to it."""
        self._house = house
        self._pulse = Keepalive(limits.ping_interval_s, limits.ping_timeout_s, now_s)
        self._requests = RollingWindow(limits.requests) if limits.requests else None
        self._messages = RollingWindow(limits.client_messages) if limits.client_messages else None
        self._opened_s = self._heard_s = self._data_s = self._said_s = now_s
        self._out: list[bytes] = []

    # ---- what the client does ----------------------------------------------------------------------------------------

    def hear(self, text: str) -> None:
        if not self._counted():
            return
        house, before = self._house, list(self.session.topics)
        hearing = Hearing(house.agenda.now_ms, house.refusal, house.granted, house.knows, self._within)
        answer = house.exchange.receive(self.session, text, hearing)
        if answer.violation is not None:
            house.violated(answer.rule, answer.violation)
        for reply in answer.replies:
            self.say(reply)
        new = [topic for topic in self.session.topics if topic not in before]
        house.greet(self, list(dict.fromkeys((*new, *answer.again))))
        if answer.close is not None:
            self.close(*answer.close)

    def pinged(self, payload: bytes) -> None:
        if self._counted():
            self.line.pong_client()

    def ponged(self, payload: bytes) -> None:
        if self._counted():
            self._pulse.ponged(payload)

    def left(self) -> None:
        self.doomed = True
        self.line.far = None
        self._house.gone(self)

    def _counted(self) -> bool:
        """A frame of the client's: whether it is heard."""
        if self.doomed:
            return False
        self._heard_s = self._house.agenda.now_s
        if self._messages is not None and not self._messages.add(self._heard_s):
            window = self._messages.window
            self._house.violated("client_messages", f"more than {window.count} within {window.seconds:g} s")
        return True

    def _within(self, count: int = 1) -> bool:
        if self._requests is not None and not self._requests.add(self._house.agenda.now_s, count):
            window = self._requests.window
            self._house.violated("requests", f"more than {window.count} within {window.seconds:g} s")
        return True

    # ---- what is done to it ------------------------------------------------------------------------------------------

    def add(self, messages: list[bytes]) -> None:
        """Data, to leave with the next `flush`."""
        self._out += messages

    def flush(self) -> None:
        """All that was added arrives in one read."""
        if self._out:
            self._data_s = self._said_s = self._house.agenda.now_s
            self.line.deliver(self._out)
            self._out = []

    def say(self, text: str) -> None:
        """A control message, after the data before it."""
        self.flush()
        self._said_s = self._house.agenda.now_s
        self.line.deliver([text.encode()])

    def close(self, code: int, reason: str) -> None:
        """End it after what was sent."""
        self.flush()
        self.doomed = True
        self.line.close(None if code == ABNORMAL else code, reason)
        self._house.gone(self)

    def cut(self) -> None:
        """It breaks."""
        self.doomed = True
        self.line.cut()
        self._house.gone(self)

    def keep(self) -> None:
        """What is due as time goes by: to be called every second or so."""
        house, now_s = self._house, self._house.agenda.now_s
        limits, closings = house.exchange.limits, house.exchange.closings
        due = self._pulse.due(now_s)
        if due is Due.CUT:
            if not self.line.over:
                house.violated("pong", f"no pong within {limits.ping_timeout_s:g} s")
            self.close(*closings.pong)
        elif limits.lifetime_s is not None and now_s - self._opened_s >= limits.lifetime_s:
            self.close(*closings.lifetime)
        elif limits.idle_s is not None and now_s - max(self._heard_s, self._data_s) >= limits.idle_s:
            if not self.line.over:
                house.violated("idle", f"nothing for {limits.idle_s:g} s")
            self.close(*closings.idle)
        elif due is Due.PING:
            payload = b"%d" % house.agenda.now_ms
            self.line.ping_client(payload)
            self._pulse.pinged(payload, now_s)
        elif self.session.topics and limits.heartbeat_s is not None and now_s - self._said_s >= limits.heartbeat_s:
            self.say(house.exchange.heartbeat(self.session))
            self._data_s = self._said_s
