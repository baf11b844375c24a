"""`marketfeed simulate`: an exchange on this machine, with its protocol and its limits, made data or recorded data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer


def simulate(
    exchange: Annotated[str, typer.Option(help="The exchange to simulate.")] = "binance",
    market: Annotated[str, typer.Option(help="Its market: spot, linear or inverse.")] = "spot",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port for WebSocket and HTTP; 0: a free one.")] = 0,
    symbols: Annotated[
        str, typer.Option(help="How many symbols, or which: BTC-USDT,ETH-USDT; BTC-USDT-PERP,BTC-USDT-261225.")
    ] = "40",
    rate: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Messages per second of all subscribed streams without a period of their own; 0: as fast as they are read.",
        ),
    ] = 1000.0,
    seed: Annotated[int, typer.Option(help="Same seed: same prices, sizes and sides in the same order.")] = 1,
    start: Annotated[
        int | None,
        typer.Option(min=0, help="Steps that the market has made. Default: by the clock, so that ids go on after a restart."),
    ] = None,
    paused: Annotated[bool, typer.Option("--paused", help="Send nothing before /sim/resume or /sim/emit.")] = False,
    replay: Annotated[
        Path | None, typer.Option(help="Recorded messages, one a line, plain or gzipped: these and no others.")
    ] = None,
    speed: Annotated[
        Literal["original", "full"], typer.Option(help="Of a replay: by the .recv file beside it, or as fast as it is read.")
    ] = "original",
    settle: Annotated[
        float, typer.Option(min=0.0, help="A replay begins so many seconds after the last change of subscriptions.")
    ] = 2.0,
    streams: Annotated[
        int | None, typer.Option(min=1, help="A replay begins when so many streams of the file are subscribed to.")
    ] = None,
    ledger: Annotated[Path | None, typer.Option(help="Write every data message sent to this file, as JSON lines.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM): serve wss and https.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    ping_interval: Annotated[
        float | None, typer.Option(min=0.01, help="Seconds between pings. Default: the exchange's.")
    ] = None,
    ping_timeout: Annotated[float | None, typer.Option(min=0.01, help="Seconds without pong. Default: the exchange's.")] = None,
    lifetime: Annotated[float | None, typer.Option(min=0.01, help="Seconds of a connection. Default: the exchange's.")] = None,
    errors: Annotated[
        Literal["flat", "wrapped"], typer.Option(help="Form of Binance's errors: as documented, or as seen in the field.")
    ] = "flat",
) -> None:
    """Serve a simulated exchange until Ctrl-C or SIGTERM; prints `listening ws://HOST:PORT` when it accepts.

    It enforces the exchange's limits and closes as the exchange does. Its own paths steer it and tell its state:
    /sim/state, /sim/pause, /sim/emit?messages=100, /sim/stall?connection=1, /sim/cut, /sim/gap?messages=3,
    /sim/list?symbol=NEW-USDT, /sim/trades?symbol=BTC-USDT and so on; an unknown one lists them all.
    """
    from marketfeed_simulator.main import Options, run

    try:
        run(
            Options(
                exchange=exchange,
                market=market,
                host=host,
                port=port,
                symbols=symbols,
                rate=rate,
                seed=seed,
                start=start,
                paused=paused,
                replay=replay,
                speed=speed,
                settle_s=settle,
                streams=streams,
                ledger=ledger,
                tls_cert=tls_cert,
                tls_key=tls_key,
                ping_interval_s=ping_interval,
                ping_timeout_s=ping_timeout,
                lifetime_s=lifetime,
                errors=errors,
            ),
            say,
        )
    except ValueError as error:
        typer.echo(f"simulate: {error}", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        place = error.filename or f"{host}:{port}"
        typer.echo(f"simulate: {place}: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None


def say(line: str) -> None:
    """A line for whoever started us, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
