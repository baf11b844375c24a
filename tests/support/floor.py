"""A simulated exchange without sockets, under a clock of the test's own, asked for what the product asks for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from marketfeed.exchanges import catalogue as product
from marketfeed.exchanges.exchange import Call, Control, Topic
from marketfeed.normalizer import Data, Normalizer, Row
from marketfeed.symbols import Names
from marketfeed_simulator import catalogue
from marketfeed_simulator.generator import Generator, Message
from marketfeed_simulator.listing import named
from marketfeed_simulator.market import Market
from marketfeed_simulator.session import Hearing, Session
from marketfeed_simulator.truth import Truth

START_MS = 1_767_225_600_000


class Floor:
    """One market with one connection for each address and path."""

    def __init__(self, exchange: str, market: str, symbols: Sequence[str], **limits: Any) -> None:
        self.exchange = catalogue.exchange(exchange, market, **limits)
        self.product = product.market(exchange, market)
        listings = [self.exchange.listed(listing) for listing in named(symbols, market)]
        self.market = Market(listings)
        self.generator = Generator(self.exchange, self.market)
        self.truth = Truth(self.exchange, self.market)
        self.now_s = 0.0
        self.sessions: dict[str, Session] = {}
        self.sent: list[Message] = []
        """With envelopes, in order."""
        self.normalizer = Normalizer(
            self.product, Names({each.native: each.symbol for each in listings}), merge=True, followers=self._followers
        )

    @property
    def now_ms(self) -> int:
        return START_MS + round(self.now_s * 1000)

    def _followers(self, index: str) -> list[str]:
        return [each.symbol for each in self.market.listings if self.product.index(each.native) == index]

    def topics(self, channels: Iterable[str], depth: int | None = None) -> list[Topic]:
        """What the product subscribes to for these channels of all symbols, each once."""
        wanted = [
            topic
            for channel in channels
            for listing in self.market.listings
            for topic in self.product.topics(channel, listing.native, depth)
        ]
        return list({topic.name: topic for topic in wanted}.values())

    def subscribe(self, topics: Iterable[Topic]) -> list[Control]:
        """Ask as the product does, on a connection for each path; what its `control` makes of the answers."""
        answers: list[Control] = []
        for (path, _), group in groupby(sorted(topics, key=_address), key=_address):
            session = self.session(path)
            asked, most = list(group), int(self.product.limits.request_topics.default)
            for number, at in enumerate(range(0, len(asked), most), 1):
                answers += self.say(session, self.product.subscribe(asked[at : at + most], number))
        return answers

    def session(self, path: str) -> Session:
        """The connection to a path, opened when it is first asked for."""
        if path not in self.sessions:
            session = self.exchange.open(path, {})
            assert session is not None, path
            session.number = len(self.sessions) + 1
            self.sessions[path] = session
        return self.sessions[path]

    def say(self, session: Session, text: str, **hearing: Any) -> list[Control]:
        """A client's text; what the product makes of the answers. New topics get their first messages."""
        before = set(session.topics)
        answer = self.exchange.receive(
            session, text, Hearing(self.now_ms, knows=lambda topic: self.generator.feed(topic) is not None, **hearing)
        )
        served = {topic: each for each in self.sessions.values() for topic in each.topics if self.exchange.serves(each, topic)}
        self.generator.want(served, self.now_s)
        for topic in (*(topic for topic in session.topics if topic not in before), *answer.again):
            self._send(self.generator.first(topic, self.now_ms))
        controls = []
        for reply in answer.replies:
            pong = self.product.heartbeat.answer
            control = None if reply == pong else self.product.control(json.loads(reply))
            assert reply == pong or control is not None, reply
            if control is not None:
                controls.append(control)
        return controls

    def run(self, seconds: float, messages: int, ticks: int = 20) -> None:
        """Let so much time go by, with so many messages of live feeds in it."""
        for tick in range(ticks):
            self.now_s += seconds / ticks
            share = messages * (tick + 1) // ticks - messages * tick // ticks
            if self.generator.live:
                self._send(self.generator.take(share, self.now_ms))
            else:
                self.market.skip(share, self.now_ms)
            self._send(self.generator.due(self.now_s, self.now_ms))
        self._send(self.generator.overdue(self.now_s, self.now_ms))

    def _send(self, messages: Iterable[Message]) -> None:
        for topic, payload in messages:
            session = next(each for each in self.sessions.values() if topic in each.topics)
            self.sent.append(Message(topic, self.exchange.envelope(session, topic, payload)))

    def rows(self) -> Iterator[Row]:
        """All that was sent, as the product understands it; the test fails where it understands something not as data."""
        for _, text in self.sent:
            found = self.normalizer.decode(text.encode())
            assert isinstance(found, Data), text
            yield from found.rows

    def events(self) -> Iterator[dict[str, Any]]:
        """The same with their numbers."""
        for row in self.rows():
            yield row.event | {"position": row.position}

    def call(self, call: Call) -> Any:
        """The decoded body of a REST call of the product's; the test fails where it is refused or weighs something else."""
        reply = self.get(call.path)
        assert reply.status == 200, reply.body
        assert reply.weight == call.weight, call
        return json.loads(reply.body)

    def get(self, path: str) -> Any:
        """Any REST call."""
        target = urlsplit(path)
        reply = self.exchange.http(unquote(target.path), dict(parse_qsl(target.query)), self.generator, self.now_ms)
        assert reply is not None, path
        return reply


def _address(topic: Topic) -> tuple[str, str]:
    return topic.path, topic.group
