"""`marketfeed validate`: whether manifests are accepted, and what is wrong with those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from marketfeed.listing import InstrumentsError
from marketfeed.planner import plan
from marketfeed.problem import NotAccepted, Problem
from marketfeed.resource import MarketFeed
from marketfeed.selection import Listings, unlisted
from marketfeed.support import unsupported
from marketfeed.validation import parse
from marketfeed_cli.listings import listings
from marketfeed_cli.manifest import ManifestError, documents, lines

Online = Annotated[bool, typer.Option("--online", help="Ask the exchanges' own instrument lists whether symbols exist.")]
Instruments = Annotated[
    list[Path] | None, typer.Option("--instruments", help="The exchange's own instrument list, saved; repeat for more.")
]

ProxySecrets = Annotated[
    Path | None,
    typer.Option("--secrets", help="For --online through a proxy whose address is in a Secret: DIR/<secret name>/<key>."),
]


def validate(
    file: Annotated[list[str], typer.Option("-f", "--file", help="A manifest, or - for standard input; repeat for more.")],
    online: Online = False,
    instruments_file: Instruments = None,
    secrets: ProxySecrets = None,
) -> None:
    """Check manifests: all that is wrong, with the file, the field, the reason and the way out. Exit code 2 if anything is."""
    accepted: list[tuple[str, MarketFeed]] = []
    faults: list[str] = []
    for path in file:
        found, wrong = _checked(path)
        accepted += found
        faults += wrong
    try:
        lists = listings([feed for _, feed in accepted], instruments_file or [], online, secrets)
    except InstrumentsError as error:
        faults.append(str(error))
        accepted, lists = [], {}  # whether they are is not known
    for place, feed in accepted:
        wrong = lines(place, [*unlisted(feed, lists), *_unplannable(feed, lists)])
        faults += wrong
        for warning in lines(place, unsupported(feed)):
            typer.echo(f"warning: {warning}", err=True)
        if not wrong:
            typer.echo(f"{place}: ok: {summary(feed)}")
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(2)


def _checked(path: str) -> tuple[list[tuple[str, MarketFeed]], list[str]]:
    try:
        read = documents(path)
    except ManifestError as error:
        return [], [str(error)]
    accepted: list[tuple[str, MarketFeed]] = []
    faults: list[str] = []
    names: dict[tuple[str | None, str], str] = {}
    for document in read:
        try:
            feed = parse(document.manifest)
        except NotAccepted as refused:
            faults += lines(document.place, refused.problems)
            continue
        first = names.setdefault((feed.metadata.namespace, feed.metadata.name), document.place)
        if first != document.place:
            taken = f"{feed.metadata.name!r} is the name of {first} already"
            faults.append(f"{document.place}: metadata.name: {taken}; give each feed a name of its own")
        else:
            accepted.append((document.place, feed))
    return accepted, faults


def _unplannable(feed: MarketFeed, lists: Listings) -> Sequence[Problem]:
    """Limits that leave no room for a symbol, or for all shards."""
    try:
        plan(feed, lists)
    except NotAccepted as refused:
        return refused.problems
    return ()


def summary(feed: MarketFeed) -> str:
    """A feed in a few words."""
    sources = feed.spec.sources
    symbols = {(s.exchange, s.market, symbol) for s in sources for symbol in s.symbols or ()}
    chosen = " and those that selectors choose" if any(s.symbol_selector is not None for s in sources) else ""
    return f"feed {feed.metadata.name}, {_count(len(sources), 'source')}, {_count(len(symbols), 'symbol')}{chosen}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
