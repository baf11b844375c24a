"""The simulated exchange without a server: who is let in, what is sent to whom, and the limits that it counts itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import ceil
from urllib.parse import parse_qsl, unquote, urlsplit

from marketfeed.exchanges import catalogue as product
from marketfeed.exchanges.exchange import Topic
from marketfeed_shard.connection.ports import Disconnect
from marketfeed_simulator import catalogue
from marketfeed_simulator.exchange import HttpReply
from marketfeed_simulator.faults import Faults
from marketfeed_simulator.generator import Generator, Message
from marketfeed_simulator.limits import AddressLimits
from marketfeed_simulator.listing import named
from marketfeed_simulator.market import Market
from marketfeed_simulator.session import Hearing, Session
from tests.simulation.agenda import Agenda
from tests.simulation.broken import BrokenError
from tests.simulation.chronicle import Chronicle
from tests.simulation.line import Line
from tests.simulation.network import Reply
from tests.simulation.peer import Peer
from tests.simulation.plan import Plan

LOOK_S = 1.0
TOLD_S = 1.0
"""After so long whoever was refused knows it."""


class Venue:
    """It is the `House` of its connections, and the `Venue` of the network."""

    def __init__(self, agenda: Agenda, plan: Plan, seed: int) -> None:
        self.agenda = agenda
        self.exchange = catalogue.exchange(plan.exchange, plan.market)
        self.market = Market([self.exchange.listed(listing) for listing in named(plan.symbols, plan.market)], seed=seed)
        self.faults = Faults(agenda.clock.monotonic, self.exchange.limits.banned_status)
        self.rest_lost = False
        """REST calls are not answered at all."""
        self.silent: Counter[str] = Counter()
        """Topics that bring nothing, with how many troubles want that."""
        self.on_admitted: Callable[[], None] = lambda: None
        """Called when somebody was let in."""
        self._unanswered_s = 0.0
        self.peers: dict[int, Peer] = {}
        """Those that are open, by number."""
        self.generator = Generator(self.exchange, self.market)
        self._streams_per_connection = plan.streams_per_connection
        self._address = AddressLimits(self.exchange.limits)
        self._numbers = 0
        self._told: tuple[float, float] = (0.0, 0.0)
        """Between these times whoever was banned knows it."""
        self._product = product.market(plan.exchange, plan.market)
        self._observers: dict[str, Session] = {}
        """Topic → a connection that nobody has, and on which all is told."""
        self._observe(plan.topics())
        self.carriers: dict[tuple[str, str], str] = {}
        """(channel, symbol) → the topic that brings it."""
        self.chronicle = Chronicle(self._product, self.market)
        self.generator.want(self.topics, agenda.now_s)
        agenda.after(LOOK_S, self._look)

    @property
    def topics(self) -> list[str]:
        """All that somebody may be told, by the exchange's names."""
        return list(self._observers)

    def _observe(self, topics: list[Topic]) -> None:
        """Ask for topics as the shard does."""
        hearing = Hearing(self.agenda.now_ms, knows=self.knows)
        for path in dict.fromkeys(topic.path for topic in topics):
            session = self.exchange.open(path, {})
            assert session is not None, path
            for number, topic in enumerate(each for each in topics if each.path == path):
                self.exchange.receive(session, self._product.subscribe([topic], number + 1), hearing)
            self._observers |= dict.fromkeys(session.topics, session)

    # ---- the market's course -----------------------------------------------------------------------------------------

    def step(self, rounds: int) -> None:
        """Every symbol makes so many steps, and all that is due is told."""
        now_ms = self.agenda.now_ms
        for message in self.generator.take(rounds * self.generator.live, now_ms):
            self._tell(message)
        for message in self.generator.due(self.agenda.now_s, now_ms):
            self._tell(message)
        for peer in self.peers.values():
            peer.flush()

    def _tell(self, message: Message) -> None:
        topic, payload = message
        followers = delivered = 0
        for peer in self.peers.values():
            if topic in peer.session.topics and self.exchange.serves(peer.session, topic):
                followers += 1
                delivered += self._send(peer, topic, payload)
        withheld = followers > 0 and delivered == 0
        text = self.exchange.envelope(self._observers[topic], topic, payload)
        for stream in self.chronicle.told(text, self.agenda.now_s, withheld=withheld):
            self.carriers[stream] = topic

    def _send(self, peer: Peer, topic: str, payload: str) -> bool:
        if self.silent[topic]:
            return False
        text = self.exchange.envelope(peer.session, topic, payload).encode()
        out = self.faults.apply(peer.number, topic, text) if self.faults.active else [text]
        peer.add(out)
        return bool(out)

    # ---- connections -------------------------------------------------------------------------------------------------

    def admit(self, line: Line) -> None:
        target = urlsplit(line.url)
        refused = self._refused()
        if refused is not None:
            line.refuse(refused)
            return
        broken = self._address.connect(self.agenda.now_s, len(self.peers))
        if broken is not None:
            self.violated(broken.rule, "an attempt to connect")
        session = self.exchange.open(target.path, dict(parse_qsl(target.query)))
        if session is None:
            raise BrokenError(f"there is nothing at {line.url}")
        self._numbers += 1
        peer = self.peers[self._numbers] = Peer(self, self._numbers, session, line)
        line.connected(peer)
        self.on_admitted()
        for said in self.exchange.welcome(session, self.agenda.now_ms):
            peer.say(said)

    def _refused(self) -> Disconnect | None:
        """Why whoever comes now is turned away."""
        refusal = self.faults.refusal()
        if refusal is None:
            return None
        status, left_s = refusal
        if status is None:
            return Disconnect("connection reset")
        if status != self.exchange.limits.banned_status:
            return Disconnect(f"HTTP {status}", http_status=status)
        since_s, until_s = self._told
        if since_s <= self.agenda.now_s < until_s:
            self.violated("banned", f"an attempt {until_s - self.agenda.now_s:.1f} s before the end of a ban that was told")
        if self.agenda.now_s >= until_s:
            self._told = self.agenda.now_s + TOLD_S, self.agenda.now_s + left_s
        return Disconnect(f"HTTP {status}", http_status=status, retry_after_s=float(ceil(left_s)))

    def greet(self, peer: Peer, topics: list[str]) -> None:
        if len(peer.session.topics) > self._streams_per_connection:
            self.violated("streams_per_connection", f"{len(peer.session.topics)} on one connection")
        for topic in topics:
            if self.faults.without_snapshots or not self.exchange.serves(peer.session, topic):
                continue
            for _, payload in self.generator.first(topic, self.agenda.now_ms):
                text = self.exchange.envelope(self._observers[topic], topic, payload)
                self.chronicle.repeated(text)
                self._send(peer, topic, payload)
        peer.flush()

    def gone(self, peer: Peer) -> None:
        self.peers.pop(peer.number, None)

    def violated(self, rule: str, detail: str) -> None:
        raise BrokenError(f"the exchange's limit {rule} was broken: {detail}")

    def refusal(self) -> str | None:
        return self.faults.rejection()

    def granted(self) -> bool:
        return self.faults.grants()

    def knows(self, topic: str) -> bool:
        return self.generator.feed(topic) is not None

    def _look(self) -> None:
        for peer in list(self.peers.values()):
            peer.keep()
        self.agenda.after(LOOK_S, self._look)

    # ---- REST --------------------------------------------------------------------------------------------------------

    def call(self, path: str) -> Reply | None:
        refused = self._refused()
        if refused is not None:
            if refused.http_status is None:
                return None
            return Reply(refused.http_status, b"{}", retry_after_s=refused.retry_after_s)
        if self.rest_lost:
            return None
        reply = self._reply(path)
        broken = self._address.call(reply.weight, self.agenda.now_s, reply.budget)
        if broken is not None:
            self.violated(broken.rule, path)
        status = self.faults.rest_refusal()
        if status is not None:
            return Reply(status, b"{}", self.faults.rest_delay_s)
        return Reply(reply.status, self.faults.rest_body(reply.body).encode(), self.faults.rest_delay_s)

    def unanswered(self, seconds: float) -> None:
        """For so long REST calls may come to nothing."""
        self._unanswered_s = max(self._unanswered_s, self.agenda.now_s + seconds)

    @property
    def answers_s(self) -> float:
        """For how long all REST calls have been answered, and at once."""
        return self.agenda.now_s - self._unanswered_s

    def _reply(self, path: str) -> HttpReply:
        target = urlsplit(path)
        query = dict(parse_qsl(target.query))
        reply = self.exchange.http(unquote(target.path), query, self.generator, self.agenda.now_ms)
        if reply is None:
            raise BrokenError(f"there is no call {path}")
        return reply
