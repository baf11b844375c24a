from __future__ import annotations

import pytest

from marketfeed_cli.bench import Result, UsageError, chosen_cases, chosen_engines
from marketfeed_cli.measurement import Figure

TRADES, BBO = "binance/spot/trades/redisPubSub", "binance/spot/bbo/redisPubSub"


def test_result_has_the_keys_and_figures_of_the_json() -> None:
    result = Result(TRADES, "compiled", Figure(messages=2_000_000, cpu_s=1.0), Figure(messages=100_000, cpu_s=2.0))
    assert result.as_dict() == {
        "name": TRADES,
        "engine": "compiled",
        "messages": 2_000_000,
        "cpu_us_per_message": 0.5,
        "messages_per_second_per_core": 2_000_000,
        "reference_cpu_us_per_message": 20.0,
        "ratio": 40.0,
    }


@pytest.mark.parametrize(("asked", "expected"), [([], [TRADES, BBO]), (["bbo"], [BBO]), ([TRADES], [TRADES])])
def test_cases_are_chosen_by_a_part_of_their_name(asked: list[str], expected: list[str]) -> None:
    assert chosen_cases(asked) == expected


def test_unknown_case_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=f"no case 'okx'; there are {TRADES}, {BBO}"):
        chosen_cases(["okx"])


@pytest.mark.parametrize(
    ("asked", "compiled", "expected"),
    [
        ([], True, ["compiled", "plain"]),
        ([], False, ["plain"]),
        (["plain"], True, ["plain"]),
        (["plain", "compiled"], True, ["compiled", "plain"]),
    ],
)
def test_engines_are_those_asked_for_or_all_that_are_here(asked: list[str], compiled: bool, expected: list[str]) -> None:
    assert chosen_engines(asked, compiled) == expected


@pytest.mark.parametrize(("asked", "reason"), [("fast", "no engine 'fast'"), ("compiled", "not compiled here")])
def test_an_engine_that_is_not_here_is_refused(asked: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        chosen_engines([asked], compiled=False)
