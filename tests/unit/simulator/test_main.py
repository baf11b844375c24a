from __future__ import annotations

from pathlib import Path

import pytest

from marketfeed_simulator.main import EPOCH_S, OptionError, Options, run, start_of


def never(line: str) -> None:
    raise AssertionError(line)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(exchange="nosuch"), "unknown exchange 'nosuch'"),
        (Options(market="nosuch"), "no market 'nosuch'"),
        (Options(symbols="0"), "at least one symbol"),
        (Options(symbols="BTCUSDT"), "write it as BTC-USDT"),
        (Options(market="linear", symbols="BTC-USDT"), "write it as BTC-USDT-PERP or BTC-USDT-261225"),
        (Options(market="linear", symbols="BTC-USD-PERP"), "is no linear symbol"),
        (Options(market="inverse", symbols="BTC-USDT-PERP"), "write it as BTC-USD-PERP or BTC-USD-261225"),
        (Options(tls_cert=Path("cert.pem")), "both --tls-cert and --tls-key"),
        (Options(tls_cert=Path("nosuch.pem"), tls_key=Path("nosuch.pem")), "no certificate with its key"),
        (Options(replay=Path("nosuch.jsonl")), "No such file"),
    ],
)
def test_what_cannot_be_simulated_is_said_before_anything_is_served(options: Options, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run(options, never)


def test_replay_that_waits_for_more_streams_than_there_are_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","t":1}}\n')
    with pytest.raises(OptionError, match="has only 1"):
        run(Options(replay=path, streams=2, speed="full"), never)
    with pytest.raises(ValueError, match="full speed"):
        run(Options(replay=path), never)


@pytest.mark.parametrize(("rate", "symbols"), [(2000.0, 40), (0.0, 1), (100_000.0, 10)])
def test_market_that_starts_later_starts_beyond_what_an_earlier_one_can_have_reached(rate: float, symbols: int) -> None:
    steps_per_s = rate / symbols if rate else 4_000_000
    earlier = start_of(EPOCH_S + 1000.0, rate, symbols)
    assert start_of(EPOCH_S + 1010.0, rate, symbols) > earlier + 10 * steps_per_s
    assert earlier % 10 == 0
