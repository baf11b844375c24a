"""`marketfeed normalize --check` over recorded streams: what others counted in them, and each line that is lost or spoilt.

The counts stand beside the recordings, in their `SOURCES.md`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import expected
import pytest
from recordings import RECORDINGS, lines, needs_recordings

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Market

pytestmark = [needs_recordings, pytest.mark.timeout(300)]

COUNTED = {
    "U/u or pu chain": ("book", "in sequence"),
    "u+1": ("book", "in sequence"),
    "prevSeqId": ("book", "in sequence"),
    "REST snapshot joins stream": ("book", "joined"),
    "OKX checksum": ("book", "checksums"),
    "CRC32": ("book", "checksums"),
    "trade id +1": ("trades", "in sequence"),
    "agg id +1": ("trades", "in sequence"),
    "bookTicker u rising": ("bbo", "in sequence"),
    "orderbook.1 u same/+1": ("bbo", "in sequence", "repeated"),
    "crossed books": ("book", "crossed"),
    "seq rising": (),  # a number that no event of ours has
    "deletes of levels not held": (),
    "checksum=0": (),
}
"""What others counted → the channel and the columns of ours that it is."""
COLUMNS = ("messages", "in sequence", "gaps", "repeated", "checksums", "wrong", "crossed", "joined")


class Capture(NamedTuple):
    """A stream, and what others counted in it."""

    market: Market
    path: Path
    told: dict[str, int]

    def __str__(self) -> str:
        return f"{self.market.exchange}-{self.market.name}-{self.path.name}"

    def events(self, frame: bytes) -> list[dict[str, Any]]:
        return expected.events(self.market.exchange, self.market.name, frame) or []

    @property
    def snapshots(self) -> Path:
        return self.path.with_name(re.sub(r"\.jsonl(\.gz)?$", ".rest.jsonl", self.path.name))


def counted() -> Iterator[Capture]:
    sources = RECORDINGS / "SOURCES.md"
    for row in sources.read_text().splitlines() if sources.exists() else ():
        cells = [cell.strip() for cell in row.split("|")]
        name = re.fullmatch(r"`(\w+)/(\w+)/([^`]+\.jsonl(?:\.gz)?)`", cells[1]) if len(cells) > 10 else None
        if name is None or (name[1], name[2]) not in MARKETS or "go-shapes" in name[3]:
            continue
        parts = re.findall(r"(\D[^;]*?) (\d+)(?:/\d+)?(?:; |$)", cells[10])
        if parts:
            told = {what: int(count) for what, count in parts}
            yield Capture(MARKETS[name[1], name[2]], RECORDINGS / name[1] / name[2] / name[3], told)


CAPTURES = list(counted())
LOSSES = [
    pytest.param(capture, channel, id=f"{capture}-{channel}")
    for capture in CAPTURES
    for channel, hints in (("book", {"U/u or pu chain", "u+1", "prevSeqId"}), ("trades", {"trade id +1", "agg id +1"}))
    if hints & capture.told.keys() and (capture.market.name == "spot" or channel == "book" or "agg id +1" in capture.told)
]
"""Streams whose numbers tell a loss; those of futures' undocumented `@trade` need not be consecutive."""
SUMMED = [capture for capture in CAPTURES if {"OKX checksum", "CRC32"} & capture.told.keys()]


def check(capture: Capture, frames: list[bytes]) -> tuple[dict[str, Counter[str]], list[str], int]:
    """Columns by channel, the lines that are told of, and the exit code."""
    snapshots = ["--snapshots", str(capture.snapshots)] if capture.snapshots.exists() else []
    arguments = ["normalize", "--exchange", capture.market.exchange, "--market", capture.market.name, "--check", *snapshots]
    done = subprocess.run([sys.executable, "-m", "marketfeed_cli", *arguments], input=b"\n".join(frames), capture_output=True)
    told = done.stderr.decode().splitlines()
    head = next(number for number, line in enumerate(told) if line.startswith("stream"))
    columns: dict[str, Counter[str]] = {}
    for line in told[head + 1 :]:
        texts = re.split(r" {2,}", line)
        values = (0 if text == "-" else int(text) for text in texts[1:])
        columns.setdefault(texts[0].split()[0], Counter()).update(dict(zip(COLUMNS, values, strict=True)))
    return columns, [line for line in told if line.startswith("line ")], done.returncode


@pytest.mark.parametrize("capture", CAPTURES, ids=str)
def test_what_others_counted_is_reached_exactly(capture: Capture) -> None:
    columns, wrong, code = check(capture, list(lines(capture.path)))
    for what, count in capture.told.items():
        channel, *ours = COUNTED[what] or ("", "")
        if channel:
            assert sum(columns[channel][column] for column in ours) == count, what
    assert (wrong, code) == ([], 0)


@pytest.mark.parametrize(("capture", "channel"), LOSSES)
def test_a_lost_line_is_told_with_its_bounds(capture: Capture, channel: str) -> None:
    frames = list(islice(lines(capture.path), 4000))
    of_channel: dict[str, list[int]] = {}
    for number, frame in enumerate(frames):
        for event in capture.events(frame)[:1]:
            if event["channel"] == channel:
                of_channel.setdefault(event["symbol"], []).append(number)
    symbol, numbers = max(of_channel.items(), key=lambda item: len(item[1]))
    middle = len(numbers) // 2
    before, lost, after = (capture.events(frames[number]) for number in numbers[middle - 1 : middle + 2])
    if channel == "book":
        first, last = before[-1]["seq"] + 1, after[0]["prev_seq"]
    else:
        first, last = int(lost[0]["id"]), int(lost[-1]["id"])
    columns, told, code = check(capture, frames[: numbers[middle]] + frames[numbers[middle] + 1 :])
    assert told == [f"line {numbers[middle + 1]}: {channel} {symbol}: gap: {first} to {last}"]
    assert (columns[channel]["gaps"], code) == (1, 1)


@pytest.mark.parametrize("capture", SUMMED, ids=str)
def test_one_spoilt_digit_is_told(capture: Capture) -> None:
    frames = list(lines(capture.path))
    number, event = next((n, e) for n, f in enumerate(frames) for e in capture.events(f) if e["channel"] == "book")
    size = event["bids"][0][1]
    frames[number] = frames[number].replace(size.encode(), f"{size[:-1]}{(int(size[-1]) + 1) % 10}".encode(), 1)
    columns, told, code = check(capture, frames)
    (line,) = told
    assert line.startswith(f"line {number + 1}: book {event['symbol']}: the checksum is not ")
    assert (columns["book"]["wrong"], columns["book"]["checksums"], code) == (1, 0, 1)
