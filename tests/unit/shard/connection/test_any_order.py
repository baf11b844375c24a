"""Whatever happens, in whichever order: all that is wanted is carried in the end, and no budget is ever broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random
from zlib import crc32

from exchange_double import Exchange
from hypothesis import example, given, settings
from hypothesis import strategies as st

from marketfeed.assignment import Share
from marketfeed.exchanges.exchange import Control, ControlKind, Limit, Topic, Window

OWN = {"ws://a": range(14), "ws://b": range(14, 20)}
REQUESTS = Window(60, 600.0)
CONNECTS, BURST = Share(count=40, seconds=120.0), Share(count=3, seconds=4.0)
CAPACITY = {"topics": 6, "characters": 60, "deep": 2}


def topics(slot: int) -> list[str | Topic]:
    """One of its own; every third stream needs a second one that others need, too, every fourth a deep one."""
    group = f"g{slot % 2}"
    found: list[str | Topic] = [Topic(f"own{slot}", f"n{slot}", group=group, deep=slot % 4 == 0)]
    return [*found, Topic(f"shared{slot % 2}", "", group=group)] if slot % 3 == 0 else found


def want(exchange: Exchange, slots: Iterable[int]) -> None:
    slots = list(slots)
    for url, there in OWN.items():
        exchange.want_topics({slot: topics(slot) for slot in slots if slot in there}, url)


class Life:
    """One run of an exchange's life; an event is (what, a number, seconds until the next one)."""

    def __init__(self, legs: int, seed: int) -> None:
        self.wanted: set[int] = set()
        self.exchange = Exchange(
            CAPACITY["topics"],
            CONNECTS,
            legs=legs,
            burst=BURST,
            messages_per_second=3.0,
            random=Random(seed).random,
            request_topics=Limit(4, 4, ""),
            request_bytes=Limit(120, 120, ""),
            topic_bytes=Limit(CAPACITY["characters"], 1000, ""),
            deep_books=Limit(CAPACITY["deep"], 1000, ""),
            requests=REQUESTS,
        )
        self.exchange.answers_each = bool(seed % 2)

    def happen(self, what: str, number: int) -> None:
        exchange = self.exchange
        keys = exchange.open_keys
        key = keys[number % len(keys)] if keys else None
        if what == "want":
            new = {number % 20, (number * 7) % 20} - self.wanted
            self.wanted |= new
            want(exchange, new)
        elif what == "drop":
            gone = {number % 20, (number * 3) % 20} & self.wanted
            self.wanted -= gone
            exchange.drop(gone)
        elif what == "refuse_connections":
            exchange.accepts = not number % 2
        elif what == "refuse_names":
            exchange.refuses = lambda names: "no such name" if any(f"own{number % 20}" == name for name in names) else None
        elif what == "refuse_pace":
            exchange.paces = lambda name: crc32(name.encode()) % 3 == number % 3
        elif what == "swallow_answers":
            exchange.acknowledges = not number % 2
        elif what == "renew":
            exchange.manager.renew({number % 20} & self.wanted, exchange.now_s)
        elif key is not None:
            self._happen_to(key, what)

    def _happen_to(self, key: int, what: str) -> None:
        if what == "lose":
            self.exchange.lose(key)
        elif what == "notice":
            self.exchange.manager.control(key, Control(ControlKind.CLOSING), self.exchange.now_s)
        elif what == "stall":
            self.exchange.sockets[key].stalled = True
        elif what == "silence":  # of several topics of a stream, a silent one is not told apart
            self.exchange.sockets[key].topics -= {f"own{slot}" for slot in range(20) if slot % 3}
        elif what == "ping":
            self.exchange.manager.pinged(key, b"1")

    def settle(self) -> None:
        exchange = self.exchange
        exchange.accepts = exchange.acknowledges = True
        exchange.refuses, exchange.paces = lambda names: None, lambda name: False
        exchange.run(1500.0, deliver=self.wanted, every_s=4.0)


WHAT = st.sampled_from(
    "want want want drop drop lose lose notice stall silence ping renew"
    " refuse_connections refuse_names refuse_pace swallow_answers".split()
)


@given(
    legs=st.integers(1, 2),
    seed=st.integers(0, 99),
    events=st.lists(st.tuples(WHAT, st.integers(0, 99), st.floats(0.0, 40.0)), max_size=40),
)
@settings(max_examples=60, deadline=None)
@example(legs=2, seed=1, events=[("want", n, 0.0) for n in range(20)])
def test_all_that_is_wanted_is_carried_in_the_end_and_no_budget_is_broken(
    legs: int, seed: int, events: list[tuple[str, int, float]]
) -> None:
    life = Life(legs, seed)
    for what, number, wait_s in events:
        life.happen(what, number)
        life.exchange.run(wait_s, deliver=life.wanted, every_s=2.0)
    life.settle()
    exchange = life.exchange
    assert exchange.manager.subscribed() == life.wanted
    carried_on_each_leg(life, legs)
    budgets_kept(exchange)


def carried_on_each_leg(life: Life, legs: int) -> None:
    connections = life.exchange.manager.connections
    for slot in life.wanted:
        with_it = [c for c in connections if slot in c.subscriptions.slots]
        assert sorted(c.leg for c in with_it) == list(range(legs)), slot
        for connection in with_it:
            names = {t.name for t in topics(slot) if isinstance(t, Topic)}
            assert names <= life.exchange.sockets[connection.key].topics
    own = Counter(name for name in life.exchange.subscribed if name.startswith("own"))
    assert own == Counter({f"own{slot}": legs for slot in life.wanted}), "nothing is subscribed that nobody wants, nor twice"
    owners = {slot: life.exchange.streams.owners[slot] for slot in life.wanted}
    assert all(not life.exchange.sockets[key].closed for key in owners.values())


def budgets_kept(exchange: Exchange) -> None:
    rolling(exchange.attempts_s, CONNECTS.count, CONNECTS.seconds)
    rolling(exchange.attempts_s, BURST.count, BURST.seconds)
    for socket in exchange.sockets.values():
        rolling(socket.sent_s, 3, 1.0)
        rolling(socket.requests_s, REQUESTS.count, REQUESTS.seconds)
        assert all(socket.most[what] <= most for what, most in CAPACITY.items()), socket.most
        assert all(len(request["args"]) <= 4 and len(request["groups"]) == 1 for request in socket.requests)


def rolling(taken_s: Sequence[float], count: int, seconds: float) -> None:
    for first, beyond in zip(taken_s, taken_s[count:], strict=False):
        assert beyond - first > seconds
