"""Recorded books of four exchanges through the data path: every change follows on the one before, every checksum fits.

How many there are was counted by others; it stands beside the recordings. One corrupted digit and one lost message are found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from books import Consumer
from engines import needs_kernel
from recorded_books import Capture, Replay, counted
from recordings import RECORDINGS, captures, lines, needs_recordings

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Market
from marketfeed.normalizer import Row
from marketfeed_shard.books.book import Book, book_kind
from marketfeed_shard.books.checksums import Checksum

pytestmark = [needs_recordings, needs_kernel, pytest.mark.timeout(300)]

ENGINES = ("compiled", "plain")
PLAIN_FRAMES = 3000
"""The plain engine is slow, and one file is as good as another."""
CAPTURES = [pytest.param(c, id=f"{c.market.exchange}-{c.market.name}-{c.path.name}") for c in counted()]


@pytest.fixture
def replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Capture], Replay]]:
    made: list[Replay] = []

    def begin(engine: str, capture: Capture) -> Replay:
        monkeypatch.setenv("MARKETFEED_ENGINE", engine)
        made.append(Replay(tmp_path / str(len(made)), capture))
        return made[-1]

    yield begin
    for one in made:
        one.close()


Begin = Callable[[str, Capture], Replay]


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_change_follows_and_every_checksum_fits(capture: Capture, replay: Begin) -> None:
    run = replay("compiled", capture)
    for frame, rows in capture.frames:
        run.feed(frame, rows)
    assert run.kinds.keys() <= {"started", "snapshot", "change"}
    if capture.what in {"CRC32", "OKX checksum"}:
        assert run.kinds["snapshot"] + run.kinds["change"] == capture.count
    else:
        begun_by_us = len(run.slots) if capture.what == "U/u or pu chain" else 0
        assert run.kinds["change"] - begun_by_us == capture.count
    for symbol, consumer in run.consumers.items():
        assert consumer.levels() == run.bed.pipeline.books.levels(run.slots[symbol])


@pytest.mark.parametrize("capture", CAPTURES)
def test_both_engines_publish_the_same_books(capture: Capture, replay: Begin) -> None:
    runs = [replay(engine, capture) for engine in ENGINES]
    for run in runs:
        for number, (frame, rows) in enumerate(capture.frames[:PLAIN_FRAMES]):
            if number % 97 != 50:  # some are lost
                run.feed(frame, rows)
    one, other = runs
    assert one.published == other.published
    assert one.bed.pipeline.table.repeated == other.bed.pipeline.table.repeated
    for slot in one.slots.values():
        assert one.bed.pipeline.books.levels(slot) == other.bed.pipeline.books.levels(slot)


@pytest.mark.parametrize("capture", [c for c in CAPTURES if c.values[0].what in {"CRC32", "OKX checksum"}])
@pytest.mark.parametrize("engine", ENGINES)
def test_one_corrupted_digit_is_found_at_once(engine: str, capture: Capture, replay: Begin) -> None:
    run = replay(engine, capture)
    for number, (frame, rows) in enumerate(capture.frames):
        wrong = _corrupted(frame, rows[0], run.consumers.get(rows[0].symbol)) if number > len(capture.frames) // 2 else None
        run.feed(frame if wrong is None else wrong, rows)
        if wrong is not None:
            break
    assert run.published[-1]["type"] == "gap"
    assert run.published[-1]["reason"] == "checksum"
    assert run.kinds["snapshot"] + run.kinds["change"] == number


def _corrupted(frame: bytes, row: Row, consumer: Consumer | None) -> bytes | None:
    """Another last digit in the size of the best bid or ask, where the message brings one."""
    assert consumer is not None
    for side, levels in zip(("bids", "asks"), consumer.levels(), strict=True):
        for price, size in row.event[side]:
            if price == levels[0][0] and size[-1] in "12345678":
                ahead = re.escape(price).encode() + rb'(?:","|,"qty":)' + re.escape(size[:-1]).encode()
                wrong, count = re.subn(rb"(%s)%s" % (ahead, size[-1].encode()), rb"\g<1>9", frame)
                assert count == 1
                return wrong
    return None


@pytest.mark.parametrize("capture", CAPTURES)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_lost_message_is_announced(engine: str, capture: Capture, replay: Begin) -> None:
    run = replay(engine, capture)
    frames = capture.frames[:PLAIN_FRAMES]
    lost = next(n for n, (_, rows) in enumerate(frames) if n > len(frames) // 2 and not rows[0].event["snapshot"])
    symbol = frames[lost][1][0].symbol
    for number, (frame, rows) in enumerate(frames):
        if number != lost:
            run.feed(frame, rows)
    announced = [e for e in run.published if e["type"] == "gap" and e["reason"] != "started"]
    assert [(e["symbol"], e["reason"]) for e in announced] == [(symbol, "sequence" if _numbered(frames) else "checksum")]
    if _numbered(frames):
        before = [e["seq"] for e in run.published if e["type"] == "book" and e["symbol"] == symbol]
        after = next(rows[0].event["prev_seq"] for _, rows in frames[lost + 1 :] if rows[0].symbol == symbol)
        assert (announced[0]["from_seq"], announced[0]["to_seq"]) == (before[-1] + 1, after)


def _numbered(frames: list[tuple[bytes, list[Row]]]) -> bool:
    return frames[0][1][0].event["seq"] is not None


def rest_books() -> Iterator[tuple[Market, Path]]:
    for exchange, name in MARKETS:
        for path in sorted((RECORDINGS / exchange / name).glob("*.rest.jsonl")):
            if exchange == "binance" and b"/depth?" in path.read_bytes()[:200]:
                yield MARKETS[exchange, name], path


@pytest.mark.parametrize(("market", "path"), [pytest.param(m, p, id=f"{m.name}-{p.name}") for m, p in rest_books()])
@pytest.mark.parametrize("engine", ENGINES)
def test_recorded_snapshots_join_the_recorded_changes(engine: str, market: Market, path: Path, replay: Begin) -> None:
    stem = path.name.removesuffix(".rest.jsonl")
    capture = Capture(market, next(p for p in captures(market.exchange, market.name) if p.name.startswith(stem)), "", 0)
    run = replay(engine, capture)
    answers = {}
    for line in lines(path):
        answer = json.loads(line, parse_float=str)
        symbol = market.symbol(re.search(r"symbol=(\w+)", answer["url"])[1])  # type: ignore[index]
        answers[symbol] = json.dumps(answer["body"]).encode()
    for symbol in {rows[0].symbol for _, rows in capture.frames[:PLAIN_FRAMES]}:
        run.add(symbol)
    for frame, rows in capture.frames[:PLAIN_FRAMES]:
        run.feed(frame, rows)
        symbol = rows[0].symbol
        body = answers.get(symbol)
        if body is not None and rows[0].event["seq"] > json.loads(body)["lastUpdateId"]:
            assert run.load(symbol, body)
            del answers[symbol]
    loaded = [e for e in run.published if e["type"] == "book" and e["snapshot"]]
    assert loaded
    assert not answers.keys() & run.slots.keys()
    assert {e["reason"] for e in run.published if e["type"] == "gap"} == {"started"}


# ---- Kraken's first WebSocket API ----------------------------------------------------------------------------------------

V1 = [path for path in captures("kraken-v1") if b"book-" in path.read_bytes()]


@pytest.mark.parametrize("path", V1, ids=lambda path: path.name)
@pytest.mark.parametrize("engine", ENGINES)
def test_checksums_of_kraken_v1_fit(engine: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETFEED_ENGINE", engine)
    told = re.search(rf"`kraken-v1/spot/{re.escape(path.name)}`.*CRC32 (\d+)/(\d+)", (RECORDINGS / "SOURCES.md").read_text())
    assert told is not None
    books: dict[str, Book] = {}
    new, right = book_kind(), 0
    for line in lines(path):
        message = json.loads(line)
        if not isinstance(message, list) or not str(message[-2]).startswith("book-"):
            continue
        for part in message[1:-2]:
            name, depth = message[-1], int(message[-2].removeprefix("book-"))
            kept = books.setdefault(name, new(Checksum.DIGITS, depth))
            snapshot = "as" in part or "bs" in part
            if snapshot and path.name.startswith("go-shapes"):
                kept = books[name] = new(Checksum.DIGITS, depth)
            bids, asks = ([level[:2] for level in part.get(key, ())] for key in (("bs", "as") if snapshot else ("b", "a")))
            kept.apply(snapshot, bids, asks)
            if "c" in part:
                right += kept.agrees(part["c"])
    assert right == int(told[1])
