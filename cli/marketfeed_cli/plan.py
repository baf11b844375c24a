"""`marketfeed plan`: the shards that a feed would have, without starting any."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any, Final, NoReturn

import typer

from marketfeed.assignment import Share
from marketfeed.exchanges import catalogue
from marketfeed.listing import InstrumentsError
from marketfeed.load import connections
from marketfeed.planner import Plan
from marketfeed.planner import plan as planned
from marketfeed.problem import NotAccepted
from marketfeed.resource import MarketFeed
from marketfeed.support import unsupported
from marketfeed_cli.listings import listings
from marketfeed_cli.manifest import lines, read_lines
from marketfeed_cli.state import read_assignments
from marketfeed_cli.validate import Instruments, Online, ProxySecrets

COLUMNS: Final = 80
INDENT: Final = "    "


class Output(StrEnum):
    """What is printed."""

    TABLE = "table"
    JSON = "json"


def plan(
    file: Annotated[str, typer.Option("-f", "--file", help="A manifest, or - for standard input.")],
    output: Annotated[Output, typer.Option("-o", "--output", help="table, or json and nothing else.")] = Output.TABLE,
    online: Online = False,
    instruments_file: Instruments = None,
    secrets: ProxySecrets = None,
    state: Annotated[
        Path | None, typer.Option(help="Plan on from the shards that `marketfeed run --state` keeps there.")
    ] = None,
) -> None:
    """Print the shards of a feed, what each holds and why it is as large as it is. Exit code 2 if there can be none."""
    feed, faults = read_lines(file)
    if feed is None:
        _refuse(faults)
    try:
        lists = listings([feed], instruments_file or [], online, secrets)
        result = planned(feed, lists, read_assignments(state) if state else ())
    except InstrumentsError as error:
        _refuse([str(error)])
    except NotAccepted as refused:
        _refuse(lines(file, refused.problems))
    if result.waiting:
        way_out = "--online asks the exchange, --instruments FILE reads its saved list"
        _refuse([f"{file}: {path}: needs the exchange's instrument list; {way_out}" for path in result.waiting])
    for warning in lines(file, unsupported(feed)):
        typer.echo(f"warning: {warning}", err=True)
    for symbol in result.unknown:
        typer.echo(f"warning: {file}: not listed, left out: {symbol}", err=True)
    if output is Output.JSON:
        typer.echo(json.dumps(as_dict(feed, result), indent=2))
    else:
        typer.echo(table(feed, result))


def _refuse(faults: list[str]) -> NoReturn:
    for fault in faults:
        typer.echo(fault, err=True)
    raise typer.Exit(2)


def as_dict(feed: MarketFeed, result: Plan) -> dict[str, Any]:
    """As `-o json` prints it."""
    shards: list[dict[str, Any]] = []
    for assignment in result.assignments:
        market = catalogue.market(assignment.exchange, assignment.market)
        channels = [channel for streams in assignment.symbols for channel in streams.channels]
        shards.append(
            {
                "name": assignment.shard,
                "exchange": assignment.exchange,
                "market": assignment.market,
                "symbols": [streams.symbol for streams in assignment.symbols],
                "channels": {streams.symbol: list(streams.channels) for streams in assignment.symbols},
                "streams": len(channels),
                "connections": connections(assignment),
                "messagesPerSecond": round(sum(market.rates[c.partition(".")[0]] for c in channels), 3),
                "limits": assignment.limits.model_dump(mode="json", by_alias=True),
                "connects": _share(assignment.connects),
                "connectsBurst": _share(assignment.connects_burst),
                "rest": _share(assignment.rest),
                "reason": result.reasons[assignment.shard],
            }
        )
    totals = {key: sum(shard[key] for shard in shards) for key in ("streams", "connections", "messagesPerSecond")}
    return {
        "feed": feed.metadata.name,
        "paused": feed.spec.paused,
        "shards": shards,
        "totals": {"shards": len(shards), "symbols": sum(len(shard["symbols"]) for shard in shards), **totals},
        "unknownSymbols": list(result.unknown),
    }


def _share(share: Share | None) -> dict[str, Any] | None:
    return None if share is None else share.model_dump(mode="json", by_alias=True, exclude_none=True)


def table(feed: MarketFeed, result: Plan) -> str:
    """As `-o table` prints it: columns, each shard's reason below it."""
    content = as_dict(feed, result)
    head = ("SHARD", "SYMBOLS", "STREAMS", "CONNECTIONS", "MESSAGES/S")
    rows = [
        (s["name"], f"{len(s['symbols']):,}", f"{s['streams']:,}", f"{s['connections']:,}", f"{s['messagesPerSecond']:,.0f}")
        for s in content["shards"]
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    texts = []
    for row in (head, *rows):
        name, *figures = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        texts.append("   ".join((name.strip().ljust(widths[0]), *figures)))
    for i, shard in enumerate(content["shards"]):
        texts[i + 1] += "\n" + fill(shard["reason"], COLUMNS, initial_indent=INDENT, subsequent_indent=INDENT)
    if feed.spec.paused:
        texts.append("The feed is paused: none of them runs.")
    return "\n".join(texts)
