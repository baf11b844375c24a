"""docs/exchanges.md says what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from marketfeed.exchanges import catalogue

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/exchanges.md"


def test_page_of_exchanges_is_the_one_that_the_code_gives() -> None:
    printed = subprocess.run(
        [sys.executable, ROOT / "scripts/exchanges_page.py"], check=True, capture_output=True, text=True
    ).stdout
    assert PAGE.read_text() == printed, "docs/exchanges.md is stale: run `make docs`"


def test_every_market_has_its_section() -> None:
    titles = [line for line in PAGE.read_text().splitlines() if line.startswith("### ")]
    assert sorted(titles) == sorted(f"### {exchange} {market}" for exchange, market in catalogue.MARKETS)


def test_every_limit_has_a_source() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and line.count("|") == 6]
    assert rows
    assert [row for row in rows if row.split("|")[5].strip() == ""] == []


def test_numbers_are_those_of_the_message_that_is_subscribed_to() -> None:
    """Binance's futures have an older form of trades beside it, whose numbers promise less."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| trades | `{symbol}@aggTrade`")]
    assert len(rows) == 2
    assert all(row.endswith("| consecutive |") for row in rows)
