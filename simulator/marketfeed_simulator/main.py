"""The simulator as a process of its own: what was asked for checked and put together, run until a signal."""

from __future__ import annotations

import asyncio
import signal
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvloop

from marketfeed.exchanges import catalogue as product
from marketfeed_simulator import catalogue
from marketfeed_simulator.binance import BinanceSpot
from marketfeed_simulator.binance_control import ErrorForm
from marketfeed_simulator.exchange import Exchange
from marketfeed_simulator.ledger import FileLedger
from marketfeed_simulator.listing import Listing, listings, named
from marketfeed_simulator.market import Market
from marketfeed_simulator.pumps import MarketPump
from marketfeed_simulator.recording import Recording
from marketfeed_simulator.replay import SETTLE_S, Replay, ReplayPump, Speed
from marketfeed_simulator.server import Simulator
from marketfeed_simulator.symbol import BLOCK

EPOCH_S = 1_767_225_600
"""2026-01-01: steps are counted from here where nothing else is said."""
SLOW_STEPS_PER_S = 1000
FAST_STEPS_PER_S = 5_000_000
LAID_OUT = 4000
"""Steps, all symbols together, of which full speed keeps pieces of messages."""


class OptionError(ValueError):
    """What was asked for cannot be simulated; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `marketfeed simulate` is asked for."""

    exchange: str = "binance"
    market: str = "spot"
    host: str = "127.0.0.1"
    port: int = 0
    symbols: str = "40"
    """How many, or which: `BTC-USDT,ETH-USDT`, of derivatives `BTC-USDT-PERP,BTC-USDT-261225`."""
    rate: float = 1000.0
    seed: int = 1
    start: int | None = None
    """Steps made before; null: by the wall clock, so that ids go on after a restart."""
    paused: bool = False
    replay: Path | None = None
    speed: Speed = "original"
    settle_s: float = SETTLE_S
    streams: int | None = None
    ledger: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    ping_interval_s: float | None = None
    ping_timeout_s: float | None = None
    lifetime_s: float | None = None
    errors: ErrorForm = "flat"


def run(options: Options, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. Raises `OptionError` (`RecordingError` is one of its kind: `ValueError`) and `OSError`."""
    uvloop.run(_serve(options, say))


def start_of(now_s: float, rate: float, symbols: int) -> int:
    """Steps that the market has made at this time: more than it can have made since, so that ids never go back."""
    fast = rate <= 0 or rate / symbols > SLOW_STEPS_PER_S / 2
    steps = int(max(0.0, now_s - EPOCH_S) * (FAST_STEPS_PER_S if fast else SLOW_STEPS_PER_S))
    return steps - steps % BLOCK


async def _serve(options: Options, say: Callable[[str], None]) -> None:
    exchange = _exchange(options)
    source = _replay(options, exchange) if options.replay else _market(options, exchange)
    tls = _tls(options)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    simulator = Simulator(
        exchange,
        source,
        rate=options.rate,
        host=options.host,
        port=options.port,
        tls=tls,
        ledger=FileLedger(options.ledger) if options.ledger else None,
        paused=options.paused,
    )
    async with simulator:
        say(f"listening {simulator.ws_url}")
        waiting: set[asyncio.Future[Any]] = {asyncio.ensure_future(ended.wait()), simulator.failed}
        told = asyncio.ensure_future(_tell_end(simulator.pump, options, say))
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()


async def _tell_end(pump: MarketPump | ReplayPump, options: Options, say: Callable[[str], None]) -> None:
    if isinstance(pump, ReplayPump):
        await pump.done.wait()
        say(f"replayed {options.replay}")


def _exchange(options: Options) -> Exchange:
    limits = {
        name: value
        for name in ("ping_interval_s", "ping_timeout_s", "lifetime_s")
        if (value := getattr(options, name)) is not None
    }
    try:
        exchange = catalogue.exchange(options.exchange, options.market, **limits)
    except LookupError as error:
        raise OptionError(str(error)) from error
    return replace(exchange, errors=options.errors) if isinstance(exchange, BinanceSpot) else exchange


def _market(options: Options, exchange: Exchange) -> Market:
    chosen = [exchange.listed(listing) for listing in _listings(options.symbols, options.market)]
    full_speed = options.rate <= 0
    period = max(4, min(100, LAID_OUT // len(chosen))) * BLOCK if full_speed else 100 * BLOCK
    start = start_of(time.time(), options.rate, len(chosen)) if options.start is None else options.start
    return Market(chosen, options.seed, period, start - start % BLOCK)


def _listings(symbols: str, market: str) -> list[Listing]:
    if symbols.isdecimal():
        if not int(symbols):
            raise OptionError("--symbols 0: at least one symbol is needed")
        return listings(int(symbols), market)
    try:
        return named((part.strip() for part in symbols.split(",")), market)
    except ValueError as error:
        raise OptionError(f"--symbols: {error}; or give a number of symbols") from error


def _replay(options: Options, exchange: Exchange) -> Replay:
    assert options.replay is not None
    market = product.market(options.exchange, options.market)
    recording = Recording(options.replay, exchange, market)
    if options.streams is not None and options.streams > len(recording.topics):
        raise OptionError(f"--streams {options.streams}: {options.replay} has only {len(recording.topics)} of them")
    return Replay(recording, options.speed, options.settle_s, options.streams)


def _tls(options: Options) -> ssl.SSLContext | None:
    if options.tls_cert is None and options.tls_key is None:
        return None
    if options.tls_cert is None or options.tls_key is None:
        raise OptionError("TLS needs both --tls-cert and --tls-key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(options.tls_cert, options.tls_key)
    except (ssl.SSLError, OSError) as error:
        raise OptionError(f"{options.tls_cert}, {options.tls_key}: no certificate with its key: {error}") from error
    return context
