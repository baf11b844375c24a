from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.exchanges.bybit import frames
from marketfeed.exchanges.exchange import Closing, Control, ControlKind, Topic

ACKNOWLEDGED, REJECTED, ALIVE = ControlKind.ACKNOWLEDGED, ControlKind.REJECTED, ControlKind.ALIVE
UNKNOWN = "error:handler not found,topic:orderbook.500.BTCUSDT"


def answer(message: str, *, success: bool, request: str = "7", op: str = "subscribe") -> dict[str, Any]:
    return {"success": success, "ret_msg": message, "conn_id": "2324d924", "req_id": request, "op": op}


def test_requests_name_their_topics_and_themselves() -> None:
    topics = [Topic("orderbook.1.BTCUSDT"), Topic("publicTrade.BTCUSDT")]
    wanted = {"req_id": "7", "op": "subscribe", "args": ["orderbook.1.BTCUSDT", "publicTrade.BTCUSDT"]}
    assert json.loads(frames.subscribe(topics, 7)) == wanted
    assert json.loads(frames.unsubscribe(topics, 7)) == {**wanted, "op": "unsubscribe"}
    assert json.loads(frames.PING) == {"op": "ping"}


@pytest.mark.parametrize(
    ("body", "control"),
    [
        (answer("pong", success=True, request="", op="ping"), Control(ALIVE)),
        ({"success": True, "ret_msg": "pong", "conn_id": "0970e817", "op": "ping"}, Control(ALIVE)),
        ({"args": ["1672916271846"], "op": "pong"}, Control(ALIVE)),
        (answer("subscribe", success=True), Control(ACKNOWLEDGED, 7)),
        (answer("", success=True, request=""), Control(ACKNOWLEDGED)),
        ({"success": True, "ret_msg": "subscribe", "conn_id": "1764937c", "op": "subscribe"}, Control(ACKNOWLEDGED)),
        (answer("", success=True, op="unsubscribe"), Control(ACKNOWLEDGED, 7)),
        (answer("args size >10", success=False), Control(REJECTED, 7, "args size >10")),
        (answer("Params Error", success=False), Control(REJECTED, 7, "Params Error")),
        (answer(UNKNOWN, success=False), Control(REJECTED, 7, UNKNOWN, ("orderbook.500.BTCUSDT",))),
        (answer("Invalid topic: x.BTCUSDT", success=False), Control(REJECTED, 7, "Invalid topic: x.BTCUSDT", ("x.BTCUSDT",))),
        (answer("Too many visits!", success=False), Control(ControlKind.PACED, 7, "Too many visits!")),
        (
            {"success": True, "conn_id": "aa01", "data": {"failTopics": [], "successTopics": ["a"]}, "type": "COMMAND_RESP"},
            Control(ACKNOWLEDGED),
        ),
        (
            {"success": False, "conn_id": "aa01", "data": {"failTopics": ["a"], "successTopics": []}, "type": "COMMAND_RESP"},
            Control(REJECTED, topics=("a",)),
        ),
        ({"topic": "tickers.BTCUSDT", "data": {}}, None),
        ({"op": "auth", "success": True}, None),
        ({"op": "subscribe"}, None),
        ([], None),
    ],
)
def test_what_is_not_data_is_understood(body: Any, control: Control | None) -> None:
    assert frames.control(body) == control


@given(
    st.dictionaries(
        st.sampled_from(["success", "ret_msg", "req_id", "op", "type", "data", "topic"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.sampled_from(["subscribe", "COMMAND_RESP", "7", "topic:,"])
        | st.just([1]),
    )
)
def test_any_object_is_understood_or_not_known(body: dict[str, Any]) -> None:
    assert isinstance(frames.control(body), Control | None)


@pytest.mark.parametrize(("told_s", "banned_s"), [(None, 600.0), (30.0, 600.0), (900.0, 900.0)])
def test_a_refused_address_keeps_away_for_ten_minutes(told_s: float | None, banned_s: float) -> None:
    assert frames.refusal(403, told_s) == Closing(paced=True, banned_s=banned_s, reason="Forbidden (HTTP 403)")


def test_other_refusals_are_those_of_every_exchange() -> None:
    assert frames.refusal(429, 5.0).banned_s == 5.0
    assert frames.refusal(451, None).reason == "RegionBlocked (HTTP 451)"


def test_a_close_tells_its_reason() -> None:
    assert frames.closing(1006, "bye") == Closing(reason="bye")
