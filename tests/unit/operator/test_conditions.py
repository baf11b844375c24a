"""The status of a feed through its life, by a clock that the test turns."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.assignment import Assignment, EffectiveLimits, Share, SymbolStreams
from marketfeed.clock import ManualClock
from marketfeed.planner import Plan
from marketfeed.problem import Problem
from marketfeed.resource import Grpc, Publishers, RedisPubSub
from marketfeed_operator.conditions import MESSAGE_LENGTH, condition, differs, status
from marketfeed_operator.observed import NOTHING, Absence, Memory, Observed, Told
from marketfeed_operator.reasons import Condition

SHARD = "feed-binance-spot-0"
SYMBOLS = ("ADA-USDT", "BTC-USDT", "ETH-USDT")


def assignment(number: int = 0, *, symbols: tuple[str, ...] = SYMBOLS, generation: int = 1) -> Assignment:
    return Assignment(
        generation=generation,
        feed="feed",
        shard=f"feed-binance-spot-{number}",
        exchange="binance",
        market="spot",
        symbols=tuple(SymbolStreams(symbol=s, native=s.replace("-", ""), channels=("trades", "bbo")) for s in symbols),
        limits=EffectiveLimits(streams_per_connection=4, messages_per_second=2),
        connects=Share(count=100, seconds=300),
        publishers=Publishers(redisPubSub=RedisPubSub(url="redis://h"), grpc=Grpc(required=False)),
    )


def report(planned: Assignment | None = None, **changes: Any) -> dict[str, Any]:
    """A shard that is well, but for what is changed: `live=3`, `stale=[…]`, `redisPubSub="backoff"` …"""
    planned = planned or assignment()
    desired = sum(len(s.channels) for s in planned.symbols)
    streams = {"desired": desired, "live": desired, "stale": [], "rejected": [], "unproven": []}
    streams |= {name: changes.pop(name) for name in ("live", "stale", "rejected") if name in changes}
    publishers = {
        name: {
            "state": changes.pop(name, "connected"),
            "queued_bytes": 0,
            "published": 7,
            "dropped": 0,
            "lag": 0.1,
            "error": None,
        }
        for name in ("redisPubSub", "grpc")
    }
    connections = [{"id": i, "state": state} for i, state in enumerate(changes.pop("states", ["open", "open"]))]
    return {
        "shard": planned.shard,
        "generation": planned.generation,
        "ready": True,
        "streams": streams,
        "connections": connections,
        "publishers": publishers,
        "reasons": [],
        **changes,
    }


class Feed:
    """One feed whose status is judged again and again."""

    def __init__(self, *assignments: Assignment) -> None:
        self.clock = ManualClock()
        self.memory = Memory()
        self.status: dict[str, Any] = {}
        self.plan = Plan(assignments or (assignment(),), {})
        self.generation = 1
        self.writes = 0

    def judge(self, *told: Told, **changes: Any) -> dict[str, Any]:
        """`told`: what the shards say, in their order."""
        by_shard = dict(zip((a.shard for a in self.plan.assignments), told, strict=False))
        plan = changes.pop("plan", self.plan)
        observed = Observed(self.generation, plan, stale_after_s=30.0, told=by_shard, **changes)
        judged = status(self.status, observed, self.memory, self.clock)
        self.writes += differs(self.status, judged.status)
        self.status, self.memory = judged.status, judged.memory
        return self.status

    def well(self) -> dict[str, Any]:
        return self.judge(*map(report, self.plan.assignments))

    def of(self, kind: Condition) -> Mapping[str, Any]:
        found = condition(self.status, kind)
        assert found is not None
        return found

    def told(self, kind: Condition) -> tuple[str, str]:
        return self.of(kind)["status"], self.of(kind)["reason"]


READY, DEGRADED, PROGRESSING, ACCEPTED = Condition.READY, Condition.DEGRADED, Condition.PROGRESSING, Condition.ACCEPTED


@pytest.fixture
def feed() -> Feed:
    return Feed()


# ---- the usual course ------------------------------------------------------------------------------------------------


def test_a_feed_starts_becomes_ready_and_is_not_written_again(feed: Feed) -> None:
    feed.judge(Absence("the pod is Pending"))
    assert feed.told(ACCEPTED) == ("True", "Accepted")
    assert feed.told(PROGRESSING) == ("True", "RollingOut")
    assert feed.told(READY) == ("False", "RollingOut")
    assert feed.told(DEGRADED) == ("False", "AsExpected")
    feed.clock.advance(3)
    feed.well()
    assert feed.told(READY) == ("True", "StreamsFresh")
    assert feed.told(PROGRESSING) == ("False", "UpToDate")
    writes = feed.writes
    for tick in range(100):
        feed.clock.advance(5)
        feed.judge(
            report(publishers={**report()["publishers"], "grpc": {"state": "connected", "published": tick, "lag": tick}})
        )
    assert feed.writes == writes


def test_status_has_shards_and_totals_as_columns_show_them() -> None:
    first, second = assignment(0), assignment(1, symbols=("SOL-USDT",))
    feed = Feed(first, second)
    told = feed.judge(report(first), report(second, live=1, stale=["bbo:SOL-USDT"], states=["connecting"], ready=False))
    assert told["observedGeneration"] == 1
    assert told["shards"][1] == {
        "name": "feed-binance-spot-1",
        "exchange": "binance",
        "market": "spot",
        "ready": False,
        "streams": {"desired": 2, "live": 1, "stale": ["bbo:SOL-USDT"], "rejected": []},
        "connections": {"desired": 1, "active": 0},
    }
    assert told["totals"] == {"shards": 2, "connections": "2/3", "streams": "7/8"}
    assert [c["type"] for c in told["conditions"]] == ["Accepted", "Progressing", "Ready", "Degraded"]
    assert {c["observedGeneration"] for c in told["conditions"]} == {1}


def test_a_rotation_of_connections_shows_nothing(feed: Feed) -> None:
    feed.well()
    writes = feed.writes
    feed.judge(report(states=["open", "open", "connecting"]))
    feed.judge(report(states=["draining", "open", "open"]))
    assert feed.writes == writes
    assert feed.status["totals"]["connections"] == "2/2"


# ---- Ready -----------------------------------------------------------------------------------------------------------


def test_a_cut_that_heals_is_no_flap(feed: Feed) -> None:
    feed.well()
    since = feed.of(READY)["lastTransitionTime"]
    feed.judge(report(live=2))
    feed.clock.advance(29)
    feed.judge(report(live=2))
    assert feed.told(READY) == ("True", "StreamsFresh")
    feed.clock.advance(1)
    feed.well()
    assert feed.of(READY)["lastTransitionTime"] == since
    feed.judge(report(live=2))
    feed.clock.advance(29.9)
    feed.judge(report(live=2))
    assert feed.told(READY)[0] == "True", "what healed counts anew"


def test_not_fresh_for_stale_after_is_not_ready_and_fresh_is_ready_at_once(feed: Feed) -> None:
    feed.well()
    feed.clock.advance(100)
    feed.judge(report(live=2))
    feed.clock.advance(30)
    feed.judge(report(live=2))
    assert feed.told(READY) == ("False", "StreamsDown")
    assert feed.told(DEGRADED) == ("True", "StreamsDown")
    assert feed.of(READY)["lastTransitionTime"] == "2026-01-01T00:02:10Z"
    feed.clock.advance(0.5)
    feed.well()
    assert feed.told(READY) == ("True", "StreamsFresh")
    assert feed.told(DEGRADED) == ("False", "AsExpected")


def test_cuts_of_different_shards_are_counted_apart() -> None:
    feed = Feed(assignment(0), assignment(1))
    feed.well()
    for _ in range(5):
        feed.judge(report(assignment(0), live=0), report(assignment(1)))
        feed.clock.advance(20)
        feed.judge(report(assignment(0)), report(assignment(1), live=0))
        feed.clock.advance(20)
    assert feed.told(READY) == ("True", "StreamsFresh")


def test_ready_is_of_the_current_generation_only(feed: Feed) -> None:
    feed.well()
    feed.generation = 2
    wider = assignment(symbols=(*SYMBOLS, "SOL-USDT"), generation=2)
    feed.plan = Plan((wider,), {})
    feed.judge(report())
    assert feed.told(READY) == ("False", "RollingOut")
    assert feed.told(PROGRESSING) == ("True", "RollingOut")
    assert feed.status["totals"]["streams"] == "6/8"
    feed.judge(report(wider))
    assert feed.told(READY) == ("True", "StreamsFresh")
    assert feed.of(READY)["observedGeneration"] == 2


def test_a_shard_that_does_not_call_itself_ready_is_not(feed: Feed) -> None:
    feed.judge(report(ready=False, reasons=["books not in sync: 1"]))
    assert feed.told(READY) == ("False", "RollingOut")


def test_many_shards_with_many_names_stay_within_what_etcd_takes() -> None:
    shards = [assignment(number) for number in range(600)]
    feed = Feed(*shards)
    refused = [{"stream": f"trades:S{i}-USDT", "reason": "no " * 100} for i in range(50)]
    names = [f"trades:LONGNAMEOFASYMBOL{i}-USDT" for i in range(50)]
    told = feed.judge(*(report(shard, live=0, rejected=refused, stale=names) for shard in shards))
    assert len(json.dumps(told)) < 1_000_000
    assert told["shards"][0]["streams"]["stale"]


def test_a_shard_that_still_carries_a_symbol_too_many_is_not_up_to_date(feed: Feed) -> None:
    feed.generation = 2
    feed.plan = Plan((assignment(symbols=("BTC-USDT",), generation=2),), {})
    feed.judge(report())
    assert feed.status["totals"]["streams"] == "2/2"
    assert feed.told(PROGRESSING) == ("True", "RollingOut")
    assert feed.told(READY) == ("False", "RollingOut")


def test_a_generation_that_changes_nothing_for_the_shards_stays_ready(feed: Feed) -> None:
    feed.well()
    since = feed.of(READY)["lastTransitionTime"]
    feed.generation = 2
    feed.clock.advance(10)
    feed.well()
    assert (feed.told(READY)[0], feed.of(READY)["observedGeneration"]) == ("True", 2)
    assert feed.of(READY)["lastTransitionTime"] == since


def test_symbols_that_a_selector_chooses_anew_are_no_flap(feed: Feed) -> None:
    feed.well()
    feed.plan = Plan((assignment(symbols=(*SYMBOLS, "SOL-USDT"), generation=2),), {})
    feed.judge(report())
    assert feed.told(READY)[0] == "True"
    assert feed.told(PROGRESSING) == ("True", "RollingOut")


def test_an_operator_that_starts_again_changes_nothing_before_it_knows(feed: Feed) -> None:
    feed.well()
    before = copy.deepcopy(feed.status)
    feed.memory = Memory()
    feed.clock.advance(1000)
    feed.judge()
    assert not differs(before, feed.status)
    feed.judge(report(live=0))
    feed.clock.advance(29)
    feed.judge(report(live=0))
    assert feed.told(READY)[0] == "True"
    feed.clock.advance(1)
    feed.judge(report(live=0))
    assert feed.told(READY)[0] == "False"


# ---- what is wrong ---------------------------------------------------------------------------------------------------


def test_a_killed_pod_shows_at_once_and_degrades_when_it_stays_away(feed: Feed) -> None:
    feed.well()
    gone = Absence("there is no pod")
    feed.judge(gone)
    assert feed.status["totals"] == {"shards": 1, "connections": "0/2", "streams": "0/6"}
    assert feed.status["shards"][0]["ready"] is False
    assert feed.told(DEGRADED)[0] == "False"
    feed.clock.advance(30)
    feed.judge(gone)
    assert feed.told(READY) == ("False", "ShardUnreachable")
    assert feed.of(DEGRADED)["message"] == f"no status from: {SHARD} (there is no pod)"


def test_a_pod_that_starts_has_time_unless_it_cannot(feed: Feed) -> None:
    feed.judge(Absence("the pod is Pending"))
    feed.clock.advance(299)
    feed.judge(Absence("the pod is Pending"))
    assert feed.told(DEGRADED)[0] == "False"
    feed.judge(Absence("the container waits: ImagePullBackOff", fault=True))
    assert feed.told(DEGRADED) == ("True", "ShardUnreachable")
    assert feed.told(READY) == ("False", "ShardUnreachable")
    feed.clock.advance(1)
    feed.judge(Absence("the pod is Pending"))
    assert feed.told(DEGRADED) == ("True", "ShardUnreachable")


def test_another_shard_at_its_address_is_none(feed: Feed) -> None:
    feed.judge(report(shard="other"))
    assert feed.status["totals"]["streams"] == "0/6"


def test_a_publisher_that_is_down_degrades_at_once_and_unreadies_later(feed: Feed) -> None:
    feed.well()
    down = report(redisPubSub="backoff")
    down["publishers"]["redisPubSub"]["error"] = "Connection\nrefused"
    feed.judge(down)
    assert feed.told(DEGRADED) == ("True", "PublisherDown")
    assert feed.of(DEGRADED)["message"] == f"publishers without their sink: redisPubSub (Connection refused) in {SHARD}"
    assert feed.told(READY)[0] == "True"
    feed.clock.advance(30)
    feed.judge(down)
    assert feed.told(READY) == ("False", "PublisherDown")


def test_an_optional_publisher_that_is_down_leaves_the_feed_ready(feed: Feed) -> None:
    feed.well()
    for _ in range(3):
        feed.clock.advance(30)
        feed.judge(report(grpc="failed"))
    assert feed.told(READY) == ("True", "StreamsFresh")
    assert feed.told(DEGRADED) == ("True", "PublisherDown")


def test_a_publisher_that_connects_is_no_trouble(feed: Feed) -> None:
    feed.judge(report(redisPubSub="connecting", ready=False))
    assert feed.told(DEGRADED)[0] == "False"
    assert feed.told(READY) == ("False", "RollingOut")


def test_refused_streams_degrade_and_the_others_are_ready(feed: Feed) -> None:
    refused = [{"stream": "trades:ADA-USDT", "reason": "Invalid symbol"}]
    feed.judge(report(live=5, rejected=refused))
    assert feed.told(READY) == ("True", "StreamsFresh")
    assert feed.told(DEGRADED) == ("True", "StreamsRejected")
    assert feed.of(DEGRADED)["message"] == "refused by the exchange: trades:ADA-USDT (Invalid symbol)"
    assert feed.status["shards"][0]["streams"]["rejected"] == refused


def test_where_all_streams_are_refused_nothing_is_ready(feed: Feed) -> None:
    refused = [{"stream": f"{c}:{s}", "reason": "no"} for s in SYMBOLS for c in ("trades", "bbo")]
    feed.judge(report(live=0, rejected=refused))
    assert feed.told(READY) == ("False", "StreamsRejected")


def test_stale_streams_are_named_in_order(feed: Feed) -> None:
    feed.well()
    feed.judge(report(live=4, stale=["trades:ETH-USDT", "trades:BTC-USDT"]))
    assert feed.told(DEGRADED) == ("True", "StreamsStale")
    assert feed.of(DEGRADED)["message"] == "silent for longer than usual: trades:BTC-USDT, trades:ETH-USDT"
    assert feed.told(READY)[0] == "True"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("no connection is attempted for 300 s: RegionBlocked (HTTP 451)", "RegionBlocked"),
        ("no connection is attempted for 120 s: Banned (HTTP 418)", "Banned"),
    ],
)
def test_a_block_is_a_reason_of_its_own_and_does_not_tick(feed: Feed, told: str, reason: str) -> None:
    feed.judge(report(live=0, ready=False, reasons=[told]))
    assert feed.told(DEGRADED) == ("True", reason)
    assert feed.told(READY) == ("False", reason)
    writes = feed.writes
    feed.judge(report(live=0, ready=False, reasons=[told.replace("00 s", "11 s").replace("20 s", "19 s")]))
    assert feed.writes == writes


def test_unknown_symbols_are_named_and_refuse_nothing(feed: Feed) -> None:
    feed.plan = Plan((assignment(),), {}, unknown=("binance spot ZZZ-BAR", "binance spot FOO-BAR"))
    feed.well()
    assert feed.told(READY) == ("True", "StreamsFresh")
    assert feed.told(DEGRADED) == ("True", "SymbolsUnknown")
    assert feed.of(DEGRADED)["message"] == "not listed by the exchange: binance spot FOO-BAR, binance spot ZZZ-BAR"


def test_of_several_troubles_the_gravest_is_the_reason_and_all_are_told(feed: Feed) -> None:
    feed.plan = Plan((assignment(),), {}, unknown=("binance spot FOO-BAR",))
    feed.judge(report(redisPubSub="failed"))
    assert feed.told(DEGRADED) == ("True", "PublisherDown")
    assert "FOO-BAR" in feed.of(DEGRADED)["message"]


def test_children_that_the_api_server_refuses_degrade(feed: Feed) -> None:
    feed.judge(Absence("there is no pod"), refused=("Deployment feed-binance-spot-0: exceeded quota",))
    assert feed.told(DEGRADED) == ("True", "ChildrenRefused")
    assert feed.told(READY) == ("False", "ChildrenRefused")
    assert feed.of(DEGRADED)["message"] == "refused by the API server: Deployment feed-binance-spot-0: exceeded quota"


# ---- what is meant to be so ------------------------------------------------------------------------------------------


def test_a_refused_change_leaves_the_last_plan_running_and_is_not_ready(feed: Feed) -> None:
    feed.well()
    feed.generation = 2
    problem = Problem("spec.sources[0].symbols[1]", "BTC-USDT is named twice", "name it once")
    feed.judge(report(), problems=(problem, problem))
    assert feed.told(ACCEPTED) == ("False", "Invalid")
    assert feed.of(ACCEPTED)["message"] == ("spec.sources[0].symbols[1]: BTC-USDT is named twice; name it once (and 1 more)")
    assert feed.told(READY) == ("False", "NotAccepted")
    assert feed.told(PROGRESSING) == ("False", "NotAccepted")
    assert feed.told(DEGRADED) == ("False", "AsExpected")
    assert feed.status["totals"]["streams"] == "6/6"
    assert feed.status["observedGeneration"] == 2
    feed.generation = 3
    feed.well()
    assert feed.told(READY) == ("True", "StreamsFresh")


@pytest.mark.parametrize("code", ["AddressBudgetExceeded", "ShardTooSmall", "NotSupported"])
def test_a_refusal_has_its_code_for_a_reason(feed: Feed, code: str) -> None:
    feed.judge(plan=NOTHING, problems=(Problem("spec", "is too much", "ask for less", code),))
    assert feed.told(ACCEPTED) == ("False", code)
    assert feed.of(READY)["message"].endswith("nothing runs")


def test_paused_has_no_shards_and_says_so(feed: Feed) -> None:
    feed.well()
    feed.judge(paused=True)
    assert feed.told(READY) == feed.told(PROGRESSING) == ("False", "Paused")
    assert feed.told(DEGRADED) == ("False", "AsExpected")
    assert feed.status["shards"] == []
    assert feed.status["totals"] == {"shards": 0, "connections": "0/0", "streams": "0/0"}


def test_a_selector_waits_for_the_list_and_is_not_ready_before(feed: Feed) -> None:
    feed.judge(plan=Plan((), {}, waiting=("spec.sources[0].symbolSelector",)))
    assert feed.told(PROGRESSING) == ("True", "WaitingForInstruments")
    assert feed.told(READY) == ("False", "WaitingForInstruments")
    assert feed.of(READY)["message"] == "no instrument list yet for spec.sources[0].symbolSelector"
    why = {"spec.sources[0].symbolSelector": "http://exchange/list: answered 451"}
    feed.judge(plan=Plan((), {}, waiting=("spec.sources[0].symbolSelector",)), list_faults=why)
    assert feed.of(READY)["message"].endswith("symbolSelector (http://exchange/list: answered 451)")
    feed.well()
    assert feed.told(READY)[0] == "True"
    feed.judge(report(), plan=Plan((assignment(),), {}, waiting=("spec.sources[0].symbolSelector",)))
    assert feed.told(READY)[0] == "True", "what was chosen before runs on"
    assert feed.told(DEGRADED) == ("True", "InstrumentsUnavailable")


def test_a_feed_of_no_symbols_is_not_ready(feed: Feed) -> None:
    feed.judge(plan=Plan((), {}, unknown=("binance spot FOO-BAR",)))
    assert feed.told(READY) == ("False", "NoSymbols")
    assert feed.told(DEGRADED) == ("True", "SymbolsUnknown")


# ---- always ----------------------------------------------------------------------------------------------------------


def test_order_of_conditions_and_shards_is_no_difference(feed: Feed) -> None:
    feed.well()
    other = copy.deepcopy(feed.status)
    other["conditions"].reverse()
    assert not differs(feed.status, other)
    other["conditions"][0]["message"] = "another"
    assert differs(feed.status, other)
    assert differs({}, feed.status)


_told = st.one_of(
    st.none(),
    st.builds(Absence, st.sampled_from(["no pod", "the pod is Pending"]), st.booleans()),
    st.builds(
        lambda live, redis, stale, rejected, generation, reasons: report(
            live=live, redisPubSub=redis, stale=stale, rejected=rejected, generation=generation, reasons=reasons
        ),
        st.integers(0, 6),
        st.sampled_from(["connected", "connecting", "backoff", "failed"]),
        st.lists(st.sampled_from(["trades:A-B", "bbo:A-B"]), unique=True),
        st.lists(st.builds(dict, stream=st.sampled_from(["trades:C-D", "bbo:C-D"]), reason=st.text(max_size=300)), max_size=2),
        st.integers(0, 2),
        st.lists(st.sampled_from(["no connection is attempted for 9 s: RegionBlocked (HTTP 451)", "other"]), max_size=1),
    ),
)
_steps = st.lists(
    st.tuples(
        st.floats(0, 40, allow_nan=False),
        _told,
        st.booleans(),
        st.booleans(),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=25,
)


@given(_steps)
def test_whatever_happens_the_rules_hold(steps: list[tuple[float, Told | None, bool, bool, int]]) -> None:
    feed = Feed()
    for wait_s, told, paused, refused, newer in steps:
        before = copy.deepcopy(feed.status)
        feed.clock.advance(wait_s)
        feed.generation += newer
        problems = (Problem("spec", "is refused", "mend it"),) if refused else ()
        given_told = () if told is None else (told,)
        feed.judge(*given_told, paused=paused, problems=problems)
        for kind in Condition:
            now, earlier = feed.of(kind), condition(before, kind)
            assert now["status"] in {"True", "False"}
            assert 0 < len(now["message"]) <= MESSAGE_LENGTH
            assert "\n" not in now["message"]
            if earlier is not None:
                moved = now["lastTransitionTime"] != earlier["lastTransitionTime"]
                assert not moved or now["status"] != earlier["status"]
        ready = feed.told(READY)[0] == "True"
        if paused or refused:
            assert not ready
        elif isinstance(told, dict) and _is_well(told):
            assert ready
        elif ready:
            assert condition(before, READY)["observedGeneration"] == feed.generation  # type: ignore[index]
        again = copy.deepcopy(feed.status)
        feed.judge(*given_told, paused=paused, problems=problems)
        assert not differs(again, feed.status), "the same, judged again, is the same"


def _is_well(told: Mapping[str, Any]) -> bool:
    streams = told["streams"]
    live = streams["live"] + len(streams["rejected"]) >= 6 and streams["live"]
    return bool(live and told["publishers"]["redisPubSub"]["state"] == "connected" and told["generation"] >= 1)
