"""Who is connected and subscribed to what, and the one way of a data message to them: envelope, faults, ledger, socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from marketfeed.clock import Clock
from marketfeed_simulator.exchange import Exchange
from marketfeed_simulator.faults import Faults
from marketfeed_simulator.ledger import Ledger, Sent
from marketfeed_simulator.peer import Peer


class Hub:
    """All connections that are open."""

    def __init__(self, exchange: Exchange, faults: Faults, ledger: Ledger | None, clock: Clock) -> None:
        self.peers: dict[int, Peer] = {}
        self.sent = 0
        """Data messages that were handed to sockets."""
        self.ledger = ledger
        self.on_change: Callable[[], None] = lambda: None
        """Called after what is subscribed has changed."""
        self._exchange, self._faults, self._clock = exchange, faults, clock
        self._subscribed: dict[str, dict[int, Peer]] = {}
        self._topics: dict[int, list[str]] = {}
        self._touched: dict[int, Peer] = {}

    @property
    def topics(self) -> list[str]:
        """Those that somebody is subscribed to."""
        return list(self._subscribed)

    def join(self, peer: Peer) -> list[str]:
        """A connection is open; topics that it gets."""
        self.peers[peer.number] = peer
        return self.update(peer)

    def leave(self, peer: Peer) -> None:
        """A connection is over."""
        self.peers.pop(peer.number, None)
        self._touched.pop(peer.number, None)
        self._set(peer, [])

    def update(self, peer: Peer) -> list[str]:
        """What a connection is subscribed to, or how it wants it, has changed; topics that are new to it."""
        peer.blocks = None
        before = set(self._topics.get(peer.number, ()))
        served = [topic for topic in peer.session.topics if self._exchange.serves(peer.session, topic)]
        self._set(peer, served)
        return [topic for topic in served if topic not in before]

    def _set(self, peer: Peer, topics: list[str]) -> None:
        before = self._topics.pop(peer.number, [])
        kept = set(topics)
        for topic in before:
            followers = self._subscribed[topic]
            del followers[peer.number]
            if not followers and topic not in kept:
                del self._subscribed[topic]
        for topic in topics:
            self._subscribed.setdefault(topic, {})[peer.number] = peer
        if topics:
            self._topics[peer.number] = topics
        if before != topics:
            self.on_change()

    def deliver(self, topic: str, payload: str) -> None:
        """One message to all who are subscribed; it leaves with the next `flush`."""
        self.deliver_to(self._subscribed.get(topic, {}).values(), topic, payload)

    def deliver_to(self, peers: Iterable[Peer], topic: str, payload: str) -> None:
        """One message to some; it leaves with the next `flush`."""
        for peer in peers:
            if not peer.is_open:
                continue
            text = self._exchange.envelope(peer.session, topic, payload).encode()
            for sent in self._faults.apply(peer.number, topic, text) if self._faults.active else (text,):
                peer.add(sent)
                self.sent += 1
                if self.ledger is not None:
                    shown = sent.decode(errors="backslashreplace")
                    self.ledger.write(Sent(self._clock.time_ns(), peer.number, topic, shown))
            self._touched[peer.number] = peer

    def flush(self) -> list[Peer]:
        """Write what was delivered; the connections that got something."""
        touched = list(self._touched.values())
        self._touched.clear()
        for peer in touched:
            peer.flush(self._faults.delay_s(peer.number))
        if touched and self.ledger is not None:
            self.ledger.flush()
        return touched

    async def settle(self) -> None:
        """Write what was delivered, and wait until those who got it keep up."""
        for peer in self.flush():
            await peer.writable()
