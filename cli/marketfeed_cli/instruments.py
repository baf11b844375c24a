"""`marketfeed instruments`: what an exchange lists."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from marketfeed.addresses import url_fault
from marketfeed.exchanges import catalogue
from marketfeed.listing import InstrumentsError
from marketfeed.problem import printable
from marketfeed.resource import Proxy
from marketfeed.selection import ListAddress
from marketfeed.source_rules import PROXY_SCHEMES
from marketfeed.symbols import Instrument
from marketfeed_operator.fetch import ask

WIDE: Final = 1000
"""Columns of what is no terminal: nothing is cut."""
COLUMNS: Final = ("SYMBOL", "NATIVE", "STATUS", "TICK", "LOT", "CONTRACT", "EXPIRY")


class Output(StrEnum):
    """What is printed."""

    TABLE = "table"
    JSON = "json"


def instruments(
    exchange: Annotated[str, typer.Option(help="Whose list: binance …")],
    market: Annotated[str, typer.Option(help="Which of its markets: spot …")],
    output: Annotated[Output, typer.Option("-o", "--output", help="table, or json and nothing else.")] = Output.TABLE,
    status: Annotated[
        list[str] | None, typer.Option(help="Only these, in the exchange's own words, or `trading`; repeat for more.")
    ] = None,
    quote: Annotated[list[str] | None, typer.Option(help="Only quoted in these currencies; repeat for more.")] = None,
    symbol: Annotated[list[str] | None, typer.Option(help="Only those that fit a pattern, such as 'BTC-*'; repeat.")] = None,
    rest: Annotated[str | None, typer.Option(help="Base address in place of the exchange's own, such as a testnet's.")] = None,
    proxy: Annotated[str | None, typer.Option(help="Ask through this proxy: http, https, socks5 or socks5h.")] = None,
) -> None:
    """Print what an exchange lists: tick, lot, contract, status, expiry. Exit code 1 where the list cannot be had."""
    address = _address(exchange, market, rest, proxy)
    shown = sys.stderr.isatty()
    try:
        listing = asyncio.run(ask(address, volumes=False, told=_progress if shown else _silent))
    except InstrumentsError as error:
        _say(str(error))
        raise typer.Exit(1) from None
    finally:
        if shown:
            typer.echo("\r" + " " * 30 + "\r", nl=False, err=True)
    chosen = sorted(_chosen(listing.instruments.values(), status, quote, symbol), key=lambda instrument: instrument.symbol)
    if output is Output.JSON:
        typer.echo(json.dumps([as_dict(instrument) for instrument in chosen], indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else WIDE).print(_table(chosen))
        _say(f"{len(chosen):,} of {len(listing.instruments):,} instruments of {exchange} {market}")


def _address(exchange: str, name: str, rest: str | None, proxy: str | None) -> ListAddress:
    try:
        market = catalogue.market(exchange, name)
    except LookupError as error:
        _say(str(error))
        raise typer.Exit(2) from None
    fault = None if rest is None else url_fault(rest, ("http", "https"), bare=True)
    if fault is not None:
        _say(f"--rest {rest}: {fault[0]}; {fault[1]}")
        raise typer.Exit(2)
    if proxy is not None and (fault := url_fault(proxy, PROXY_SCHEMES)) is not None:
        _say(f"--proxy: {fault[0]}; {fault[1]}")
        raise typer.Exit(2)
    way = None if proxy is None else Proxy(url=proxy)
    return ListAddress(exchange, name, (rest or market.endpoints.rest).rstrip("/"), way)


def _say(text: str) -> None:
    typer.echo(printable(text), err=True)


def _progress(count: int) -> None:
    typer.echo(f"\r{count:,} instruments", nl=False, err=True)


def _silent(count: int) -> None:
    """Nobody watches."""


def _chosen(
    listed: Iterable[Instrument], status: list[str] | None, quote: list[str] | None, symbol: list[str] | None
) -> list[Instrument]:
    words = {word.lower() for word in status or ()}
    quotes = {code.upper() for code in quote or ()}
    return [
        i
        for i in listed
        if (not words or i.status.lower() in words or ("trading" in words and i.trading))
        and (not quotes or i.quote in quotes)
        and (not symbol or any(fnmatchcase(i.symbol, pattern) for pattern in symbol))
    ]


def as_dict(instrument: Instrument) -> dict[str, Any]:
    """As `-o json` prints it: the names of the `instrument` event, and some more."""
    return {
        "symbol": instrument.symbol,
        "native": instrument.native,
        "base": instrument.base,
        "quote": instrument.quote,
        "status": instrument.status,
        "trading": instrument.trading,
        "tick_size": instrument.tick_size,
        "lot_size": instrument.lot_size,
        "contract_size": instrument.contract_size,
        "contract_currency": instrument.contract_currency,
        "expiry": instrument.expiry_ns,
    }


def _table(listed: Iterable[Instrument]) -> Table:
    drawn = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        drawn.add_column(column, justify="right" if column in {"TICK", "LOT", "CONTRACT"} else "left", no_wrap=True)
    for i in listed:
        contract = " ".join(part for part in (i.contract_size, i.contract_currency) if part)
        row = (i.symbol, i.native, i.status, i.tick_size or "", i.lot_size or "", contract, _day(i.expiry_ns))
        drawn.add_row(*map(printable, row))
    return drawn


def _day(time_ns: int | None) -> str:
    """`2026-12-25 08:00Z`; empty where there is none."""
    return "" if time_ns is None else datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%MZ")
