"""The shard's sockets and its REST client, without a network: the ends of lines that lead to the simulated exchange."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple, Protocol

from marketfeed.exchanges.exchange import Call
from marketfeed_shard.connection.ports import Disconnect
from marketfeed_shard.kernel.plain import Engine
from marketfeed_shard.recovery.ports import Answer, RestEvents
from marketfeed_shard.transport.events import Events
from marketfeed_shard.transport.reader import factory
from marketfeed_shard.transport.rest import TIMEOUT_S
from marketfeed_shard.transport.socket import CONNECT_TIMEOUT_S, Socket
from tests.simulation.agenda import Agenda
from tests.simulation.budgets import Budgets
from tests.simulation.line import LONGEST_S, SHORTEST_S, Line


class Reply(NamedTuple):
    """What the exchange answers over REST."""

    status: int
    body: bytes
    after_s: float = 0.0
    retry_after_s: float | None = None


class Venue(Protocol):
    """The exchange, as far as the network leads to it."""

    def admit(self, line: Line) -> None:
        """A handshake has arrived."""
        ...

    def call(self, path: str) -> Reply | None:
        """A REST call has arrived; null: it is never answered."""
        ...


class VirtualSockets:
    """It is the `GrowingSockets` of a core."""

    def __init__(self, engine: Engine, events: Events, venue: Venue, agenda: Agenda, random: Random, budgets: Budgets) -> None:
        self._events, self._venue, self._agenda, self._random = events, venue, agenda, random
        self._budgets = budgets
        self._reader = factory(engine)
        self._slots = 0
        self._lines: dict[int, Line] = {}

    def grow(self, slots: int) -> None:
        self._slots = slots
        for line in self._lines.values():
            line.socket.reader.grow(slots)

    def open(self, key: int, url: str) -> None:
        self._events.attempting()
        self._budgets.attempt(self._agenda.now_s)
        socket = Socket(key, self._reader(key, self._slots), self._events, self._lost)
        line = self._lines[key] = Line(self._agenda, self._random, socket, url, lambda why: self._lost(socket, why))
        line.on_sent = self._budgets.connection(self._agenda)
        self._agenda.after(self._random.uniform(SHORTEST_S, LONGEST_S), lambda: self._venue.admit(line))
        late = Disconnect(f"no connection within {CONNECT_TIMEOUT_S:g} s")
        self._agenda.after(CONNECT_TIMEOUT_S, lambda: line.give_up(late))

    def send(self, key: int, text: str) -> None:
        self._lines[key].send(text)

    def ping(self, key: int, payload: bytes) -> None:
        self._lines[key].ping(payload)

    def pong(self, key: int, payload: bytes) -> None:
        self._lines[key].pong(payload)

    def close(self, key: int) -> None:
        line = self._lines.pop(key, None)
        if line is not None:
            line.socket.let_go = True
            line.leave()

    def messages(self, key: int) -> int:
        return self._lines[key].socket.reader.messages

    def last_message_ns(self, key: int) -> int:
        return self._lines[key].socket.reader.last_message_ns

    def seen(self, key: int, slot: int) -> bool:
        line = self._lines.get(key)
        return line is not None and line.socket.reader.saw(slot)

    def fresh(self, key: int) -> list[int]:
        return self._lines[key].socket.reader.fresh()

    def kill(self) -> None:
        """The process is gone: the kernel ends its sockets, nobody hears of them."""
        for line in self._lines.values():
            line.socket.let_go = True
            line.leave()
        self._lines.clear()

    def _lost(self, socket: Socket, why: Disconnect) -> None:
        del self._lines[socket.key]
        socket.let_go = True
        self._events.lost(socket.key, why)


class VirtualRest:
    """It is the `Rest` of a core."""

    def __init__(self, events: RestEvents, venue: Venue, agenda: Agenda, random: Random, budgets: Budgets) -> None:
        self._events, self._venue, self._agenda, self._random = events, venue, agenda, random
        self._budgets = budgets
        self._waiting: set[int] = set()

    def get(self, number: int, call: Call) -> None:
        self._budgets.call(call.weight, self._agenda.now_s)
        self._waiting.add(number)
        self._agenda.after(self._delay_s(), lambda: self._arrived(number, call))
        self._agenda.after(TIMEOUT_S, lambda: self._end(number, lambda: self._failed(number)))

    def cancel(self, number: int) -> None:
        self._waiting.discard(number)

    def kill(self) -> None:
        """The process is gone."""
        self._waiting.clear()

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _arrived(self, number: int, call: Call) -> None:
        reply = self._venue.call(call.path)
        if reply is not None:
            self._agenda.after(reply.after_s + self._delay_s(), lambda: self._end(number, lambda: self._answer(number, reply)))

    def _answer(self, number: int, reply: Reply) -> None:
        now_ns = self._agenda.clock.time_ns()
        self._events.answered(number, Answer(reply.status, reply.body, now_ns, reply.retry_after_s))

    def _failed(self, number: int) -> None:
        self._events.failed(number, f"no answer within {TIMEOUT_S:g} s")

    def _end(self, number: int, tell: Callable[[], None]) -> None:
        if number in self._waiting:
            self._waiting.remove(number)
            tell()

    def _delay_s(self) -> float:
        return self._random.uniform(SHORTEST_S, LONGEST_S)
