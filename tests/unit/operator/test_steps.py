from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from marketfeed.assignment import Assignment, EffectiveLimits, Share, SymbolStreams
from marketfeed.resource import Grpc, Publishers
from marketfeed_operator.steps import Steps, steps


def assignment(number: int, symbols: str, attempts: int = 100) -> Assignment:
    return Assignment(
        generation=1,
        feed="feed",
        shard=f"feed-binance-spot-{number}",
        exchange="binance",
        market="spot",
        symbols=tuple(SymbolStreams(symbol=c, native=c, channels=("trades",)) for c in symbols),
        limits=EffectiveLimits(streams_per_connection=900, messages_per_second=2),
        connects=Share(count=attempts, seconds=300),
        publishers=Publishers(grpc=Grpc()),
    )


def run(before: Iterable[Assignment], after: list[Assignment], unsettled: str = "", lingering: str = "") -> Steps:
    names = [[f"feed-binance-spot-{n}" for n in numbers] for numbers in (unsettled, lingering)]
    return steps({a.shard: a for a in before}, after, *names)


def numbers(assignments: Iterable[Assignment]) -> str:
    return "".join(a.shard[-1] for a in assignments)


def test_all_shards_of_a_new_feed_start_at_once() -> None:
    todo = run([], [assignment(0, "AB"), assignment(1, "CD")])
    assert (todo.drop, numbers(todo.write), numbers(todo.held)) == ((), "01", "")


def test_a_symbol_more_goes_to_its_shard_at_once() -> None:
    todo = run([assignment(0, "A"), assignment(1, "C")], [assignment(0, "AB"), assignment(1, "C")])
    assert (numbers(todo.write), numbers(todo.held)) == ("10", "")


def test_who_gets_something_waits_until_the_giver_has_said_so() -> None:
    before = [assignment(0, "AB", 300)]
    after = [assignment(0, "A", 150), assignment(1, "B", 150)]
    first = run(before, after)
    assert (numbers(first.write), numbers(first.held)) == ("0", "1")
    second = run(after[:1], after, unsettled="0")
    assert (numbers(second.write), numbers(second.held)) == ("0", "1"), "it has not read its ConfigMap yet"
    third = run(after[:1], after)
    assert (numbers(third.write), numbers(third.held)) == ("01", "")


def test_a_shard_that_goes_is_waited_for_and_one_that_is_to_start_anew_waits_for_its_own_pods() -> None:
    before, after = [assignment(0, "A"), assignment(1, "B")], [assignment(0, "AB")]
    for lingering in ("", "1"):
        todo = run(before, after, lingering=lingering)
        assert (todo.drop, numbers(todo.held)) == (("feed-binance-spot-1",), "0")
    assert numbers(run([], after, lingering="0").held) == "0"


def test_a_shard_does_not_wait_for_itself() -> None:
    todo = run([assignment(0, "A")], [assignment(0, "AB")], unsettled="0")
    assert numbers(todo.write) == "0"


shards = st.dictionaries(st.integers(0, 4), st.tuples(st.sets(st.sampled_from("ABCDEFGH")), st.integers(10, 60)), max_size=5)


@settings(max_examples=400)
@given(shards, shards)
def test_at_no_time_is_a_stream_with_two_shards_or_the_budget_exceeded(before: object, after: object) -> None:
    """However long shards take to read, and pods to go; in the end all is as planned."""

    def plan(content: dict[int, tuple[set[str], int]]) -> list[Assignment]:
        taken: set[str] = set()
        found = []
        for number, (symbols, attempts) in sorted(content.items()):
            own = sorted(symbols - taken)
            taken |= symbols
            found.append(assignment(number, "".join(own), attempts))
        return found

    assert isinstance(before, dict)
    assert isinstance(after, dict)
    running = {a.shard: a for a in plan(before)}
    planned = plan(after)
    most = max(sum(a.connects.count for a in running.values()), sum(a.connects.count for a in planned))
    carried = dict(running)
    for _ in range(20):
        unsettled = {n for n in running if n in carried and carried[n] != running[n]}
        lingering = {n for n in carried if n not in running}
        todo = steps(running, planned, unsettled, lingering)
        if lingering:  # a pod goes
            del carried[min(lingering)]
        elif unsettled:  # a shard reads
            carried[min(unsettled)] = running[min(unsettled)]
        for name in todo.drop:
            running.pop(name, None)
        for one in todo.write:
            is_new = one.shard not in running
            running[one.shard] = one
            if is_new:
                carried[one.shard] = one
        streams = [s.symbol for a in carried.values() for s in a.symbols]
        assert len(streams) == len(set(streams))
        assert sum(a.connects.count for a in carried.values()) <= most
    assert carried == running == {a.shard: a for a in planned}
