from __future__ import annotations

import pytest

from marketfeed.clock import ManualClock
from marketfeed_simulator.faults import Faults
from marketfeed_simulator.tampering import Corruption, spoil

TRADES = "btcusdt@trade"
PRICE = b'{"e":"trade","p":"1.50","q":"2"}'


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def faults(clock: ManualClock) -> Faults:
    return Faults(clock.monotonic)


def sent(faults: Faults, count: int, stream: str = TRADES, connection: int = 1) -> str:
    return b"".join(b"".join(faults.apply(connection, stream, b"%d" % n)) for n in range(count)).decode()


def test_nothing_is_changed_without_a_command(faults: Faults) -> None:
    assert not faults.active
    assert sent(faults, 4) == "0123"
    assert (faults.rejection(), faults.refusal(), faults.delay_s(1)) == (None, None, 0.0)


def test_gap_leaves_out_the_next_messages_of_the_streams_that_it_names(faults: Faults) -> None:
    faults.gap(2, stream="btcusdt@*")
    assert sent(faults, 2, stream="ethusdt@trade") == "01"
    assert sent(faults, 5) == "234"
    assert not faults.active


def test_duplicate_and_reorder_keep_every_message(faults: Faults) -> None:
    faults.duplicate(2)
    assert sent(faults, 4) == "001123"
    faults.reorder()
    assert sent(faults, 4) == "1023"
    assert not faults.active


def test_commands_for_one_connection_leave_the_others_alone(faults: Faults) -> None:
    faults.gap(1, connection=2)
    faults.stall(connection=3)
    faults.slow(0.5, connection=4)
    assert sent(faults, 2, connection=1) == "01"
    assert sent(faults, 2, connection=2) == "1"
    assert sent(faults, 2, connection=3) == ""
    assert (faults.delay_s(1), faults.delay_s(4)) == (0.0, 0.5)
    faults.clear(connection=3)
    assert sent(faults, 2, connection=3) == "01"


def test_stall_and_silence_hold_until_cleared(faults: Faults) -> None:
    faults.silence("btcusdt@*")
    assert sent(faults, 3) == ""
    assert sent(faults, 3, stream="ethusdt@trade") == "012"
    faults.stall()
    assert sent(faults, 3, stream="ethusdt@trade") == ""
    faults.freeze()
    assert faults.frozen(9)
    faults.clear()
    assert not faults.active
    assert sent(faults, 2) == "01"


@pytest.mark.parametrize(
    ("form", "spoilt"),
    [
        ("truncated", b'{"e":"trade","p"'),
        ("type", b'{"e":"trade","p":{},"q":"2"}'),
        ("decimal", b'{"e":"trade","p":"1.2.3","q":"2"}'),
        ("utf8", b'{"e":"trade","p"\xff:"1.50","q":"2"}'),
    ],
)
def test_corrupt_spoils_a_message_in_the_form_asked_for(faults: Faults, form: str, spoilt: bytes) -> None:
    faults.corrupt(form=form)  # type: ignore[arg-type]
    assert faults.apply(1, TRADES, PRICE) == [spoilt]
    assert faults.apply(1, TRADES, PRICE) == [PRICE]


def test_rejections_are_used_up_and_a_ban_ends_by_itself(faults: Faults, clock: ManualClock) -> None:
    faults.reject_subscribes(2, "no")
    assert [faults.rejection() for _ in range(3)] == ["no", "no", None]
    faults.ban(60.0)
    clock.advance(20.0)
    assert faults.refusal() == (418, 40.0)
    clock.advance(40.0)
    assert faults.refusal() is None
    faults.refuse(None)
    clock.advance(1e6)
    refusal = faults.refusal()
    assert refusal is not None
    assert refusal[0] is None


def test_what_was_tampered_with_is_known_as_it_would_have_been_sent(faults: Faults) -> None:
    faults.gap(1, stream="btcusdt@*")
    faults.corrupt(1, connection=2)
    sent(faults, 2)
    faults.apply(2, TRADES, PRICE)
    assert [(kind, connection, text) for kind, connection, _, text in faults.tampered()] == [
        ("gap", 1, "0"),
        ("corrupt", 2, PRICE.decode()),
    ]


@pytest.mark.parametrize(
    ("text", "form", "spoilt"),
    [
        (b'{"b":[["61837.62","0.013"]],"u":7}', "digit", b'{"b":[["61837.63","0.013"]],"u":7}'),
        (b'{"b":[],"a":[["61839","5"]],"u":7}', "digit", b'{"b":[],"a":[["61830","5"]],"u":7}'),
        (
            b'{"bids":[{"price":105944.2,"qty":0.25}],"checksum":8}',
            "digit",
            b'{"bids":[{"price":105944.3,"qty":0.25}],"checksum":8}',
        ),
        (
            b'{"bids":[{"price":105944.2,"qty":0.25}],"checksum":8}',
            "checksum",
            b'{"bids":[{"price":105944.2,"qty":0.25}],"checksum":9}',
        ),
        (b'{"b":[["61837.62","0.013"]]}', "checksum", b'{"b":[["61837.63","0.013"]]}'),
    ],
)
def test_digits_and_checksums_go_wrong_in_texts_that_stay_json(text: bytes, form: Corruption, spoilt: bytes) -> None:
    assert spoil(text, form) == spoilt


def test_rest_is_refused_and_broken_so_many_times(faults: Faults) -> None:
    faults.rest_refuse(429, calls=2)
    assert [faults.rest_refusal() for _ in range(3)] == [429, 429, None]
    faults.rest_error()
    assert [faults.rest_body("abcd") for _ in range(2)] == ["ab", "abcd"]
    assert not faults.active
