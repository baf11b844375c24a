"""How the demo looks: a live table in a terminal, else one plain line a second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from marketfeed_cli.tally import Interval, Latency, Tally

SYMBOLS_IN_A_LINE = 3
SIDE_STYLE = {"buy": "green", "sell": "red"}


class View(Protocol):
    """Shows what a consumer sees."""

    def show(self, tally: Tally, interval: Interval, elapsed_s: float) -> None:
        """All of it, at the end of an interval."""
        ...


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _latency(latency: Latency) -> str:
    return f"p50 {_ms(latency.p50_ms)} p99 {_ms(latency.p99_ms)} ms"


def line(tally: Tally, interval: Interval, elapsed_s: float) -> str:
    """One interval in one plain line, with the newest prices of the first symbols."""
    prices = [f"{name} {symbol.price or '-'}" for name, symbol in sorted(tally.symbols.items())[:SYMBOLS_IN_A_LINE]]
    return (
        f"{elapsed_s:4.0f} s | {interval.rate:,.0f} messages/s | exchange to shard {_latency(interval.exchange)}"
        f" | shard to here {_latency(interval.consumer)} | gaps {tally.gaps} missing {tally.missing} | {', '.join(prices)}"
    )


def screen(tally: Tally, interval: Interval, elapsed_s: float, rows: int) -> Group:
    """One interval as a table of at most so many symbols."""
    head = Text.assemble(
        (f"{interval.rate:,.0f} messages/s", "bold"),
        f"   {tally.events:,} in {elapsed_s:.0f} s   gaps {tally.gaps}   missing {tally.missing}\n",
        f"trade to shard   {_latency(interval.exchange)}\n",
        f"shard to here    {_latency(interval.consumer)}",
    )
    table = Table("symbol", box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for name in ("price", "bid", "ask", "messages/s"):
        table.add_column(name, justify="right")
    for name, symbol in sorted(tally.symbols.items())[:rows]:
        price = Text(symbol.price or "", style=SIDE_STYLE.get(symbol.side or "", ""))
        table.add_row(name, price, symbol.bid, symbol.ask, f"{symbol.rate:,.0f}")
    more = len(tally.symbols) - rows
    return Group(head, Text(), table, Text(f"and {more} more" if more > 0 else ""), Text("Ctrl-C ends it", style="dim"))


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, tally: Tally, interval: Interval, elapsed_s: float) -> None:
        self._console.print(line(tally, interval, elapsed_s), soft_wrap=True)


class _Terminal:
    HEAD_LINES = 8

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, tally: Tally, interval: Interval, elapsed_s: float) -> None:
        rows = max(1, self._live.console.height - self.HEAD_LINES)
        self._live.update(screen(tally, interval, elapsed_s, rows), refresh=True)


@contextmanager
def view(console: Console) -> Iterator[View]:
    """The view that this console can have."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield _Terminal(live)
    else:
        yield _Lines(console)
