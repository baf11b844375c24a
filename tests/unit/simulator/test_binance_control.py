from __future__ import annotations

import pytest

from marketfeed_simulator.binance_control import Control
from marketfeed_simulator.session import Answer, Hearing, Session

FLAT, WRAPPED = Control(1024), Control(1024, "wrapped")
KNOWN = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


def ask(text: str, session: Session | None = None, control: Control = FLAT, refusal: str | None = None) -> Answer:
    return control.receive(session or Session(), text, Hearing(refusal=lambda: refusal))


def test_subscriptions_are_added_listed_and_taken_away_in_their_order() -> None:
    session = Session()
    added = ask('{"method":"SUBSCRIBE","params":["btcusdt@aggTrade","nosuch@thing","btcusdt@depth"],"id":1}', session)
    assert added == Answer(('{"result":null,"id":1}',))
    ask('{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":null}', session)
    assert ask('{"method":"UNSUBSCRIBE","params":["nosuch@thing","never@was"],"id":312}', session) == Answer(
        ('{"result":null,"id":312}',)
    )
    listed = ask('{"method":"LIST_SUBSCRIPTIONS","id":3}', session)
    assert listed == Answer(('{"result":["btcusdt@aggTrade","btcusdt@depth"],"id":3}',))


def test_combined_is_a_property() -> None:
    session = Session()
    assert ask('{"method":"GET_PROPERTY","params":["combined"],"id":2}', session).replies == ('{"result":false,"id":2}',)
    assert ask('{"method":"SET_PROPERTY","params":["combined",true],"id":5}', session).replies == ('{"result":null,"id":5}',)
    assert session.combined
    assert ask('{"method":"GET_PROPERTY","params":["combined"],"id":2}', session).replies == ('{"result":true,"id":2}',)


@pytest.mark.parametrize("number", ["7", "-9223372036854775808", '"abc123"', "null"])
def test_request_id_comes_back_as_it_was(number: str) -> None:
    answer = ask(f'{{"method":"SUBSCRIBE","params":[],"id":{number}}}')
    assert answer.replies == (f'{{"result":null,"id":{number}}}',)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ('{"method":"GET_PROPERTY","params":["nosuch"],"id":9}', '{"code":0,"msg":"Unknown property","id":9}'),
        (
            '{"method":"SET_PROPERTY","params":["combined","true"],"id":9}',
            '{"code":1,"msg":"Invalid value type: expected Boolean"}',
        ),
        (
            '{"method":"SET_PROPERTY","params":[1,true],"id":9}',
            '{"code":2,"msg":"Invalid request: property name must be a string"}',
        ),
        (
            '{"method":"SUBSCRIBE","params":[]}',
            '{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}',
        ),
        (
            '{"method":"SUBSCRIBE","params":[],"id":1.5}',
            '{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}',
        ),
        (
            '{"method":"SUBSCRIBE","params":[],"id":"' + "a" * 37 + '"}',
            '{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}',
        ),
        (
            '{"method":"SUBSCRIBED","params":[],"id":1}',
            '{"code":2,"msg":"Invalid request: unknown variant `SUBSCRIBED`, expected one of '
            + KNOWN
            + ' at line 1 column 22"}',
        ),
        ('{"method":"GET_PROPERTY","params":["combined",1],"id":9}', '{"code":2,"msg":"Invalid request: too many parameters"}'),
        (
            '{"params":["btcusdt@trade"],"id":1}',
            '{"code":2,"msg":"Invalid request: missing field `method` at line 1 column 35"}',
        ),
        ('{"method":\n nonsense', '{"code":3,"msg":"Invalid JSON: expected value at line 2 column 2"}'),
    ],
)
def test_error_bodies_are_those_of_the_page(text: str, body: str) -> None:
    assert ask(text) == Answer((body,))


def test_wrapped_errors_carry_the_id() -> None:
    answer = ask('{"method":"GET_PROPERTY","params":["nosuch"],"id":9}', control=WRAPPED)
    assert answer.replies == ('{"error":{"code":0,"msg":"Unknown property"},"id":9}',)


def test_stream_1025_is_refused_and_costs_the_connection() -> None:
    session = Session(topics=dict.fromkeys(f"sym{n}@trade" for n in range(1024)))
    assert ask('{"method":"SUBSCRIBE","params":["sym0@trade"],"id":1}', session).close is None
    answer = ask('{"method":"SUBSCRIBE","params":["one@more"],"id":2}', session)
    assert answer.replies == ('{"error":{"code":4,"msg":"Too many subscriptions"},"id":2}',)
    assert answer.close == (1008, "Invalid request")
    assert answer.violation == "1025 streams on one connection"
    assert len(session.topics) == 1024


def test_subscription_is_refused_where_a_fault_says_so_and_others_are_not() -> None:
    session = Session()
    answer = ask('{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":2}', session, WRAPPED, "not now")
    assert answer.replies == ('{"error":{"code":2,"msg":"not now"},"id":2}',)
    assert not session.topics
    assert ask('{"method":"UNSUBSCRIBE","params":[],"id":2}', session, refusal="not now").replies == ('{"result":null,"id":2}',)
