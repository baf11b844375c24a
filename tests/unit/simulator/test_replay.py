from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from waiting import until
from websockets.asyncio.client import connect

from marketfeed.clock import SystemClock
from marketfeed.exchanges import catalogue
from marketfeed_simulator.binance import BinanceSpot
from marketfeed_simulator.faults import Faults
from marketfeed_simulator.hub import Hub
from marketfeed_simulator.ledger import FileLedger, MemoryLedger, Sent
from marketfeed_simulator.recording import Recording, RecordingError
from marketfeed_simulator.replay import Replay, ReplayPump
from marketfeed_simulator.server import Simulator

ENVELOPED = [
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":7,"p":"1.10","q":"2.0","T":1,"m":true,"M":true}}',
    '{"stream":"ethbtc@bookTicker","data":{"u":5,"s":"ETHBTC","b":"1.0","B":"2.50","a":"1.1","A":"3"}}',
    '{"stream": "btcusdt@trade", "data": {"e":"trade","s":"BTCUSDT","t":8}}',
]
RAW = [
    '{"u":6,"s":"ETHBTC","b":"1.000","B":"2.50","a":"1.1","A":"3"}',
    '{"E":2,"U":3,"a":[],"b":[["1.0","0.0"]],"e":"depthUpdate","s":"BTCUSDT","u":4}',
]
CONTROL = ['{"result":null,"id":1}', ""]


def recording(path: Path) -> Recording:
    return Recording(path, BinanceSpot(), catalogue.market("binance", "spot"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "capture.jsonl"
    lines = [CONTROL[0], *ENVELOPED, *RAW, CONTROL[1]]
    path.write_text("\n".join(lines) + "\n")
    (tmp_path / "capture.recv").write_text("".join(f"{1_000_000_000 + 20_000_000 * n}\n" for n in range(len(lines))))
    return path


def test_recording_knows_its_symbols_and_streams(file: Path) -> None:
    found = recording(file)
    assert [(listing.base, listing.quote) for listing in found.listings] == [("BTC", "USDT"), ("ETH", "BTC")]
    depth = {"btcusdt@depth", "btcusdt@depth@100ms", "btcusdt@depth@1000ms"}
    assert found.topics == {"btcusdt@trade", "ethbtc@bookTicker"} | depth
    assert found.count == 5
    assert found.timed


def test_payloads_keep_the_exchanges_own_text(file: Path) -> None:
    payloads = [message.payload for message, _ in recording(file).messages()]
    assert payloads[:2] == [line.partition('"data":')[2][:-1] for line in ENVELOPED[:2]]
    assert payloads[3:] == RAW


def test_gzipped_files_are_the_same(file: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    (tmp_path / "packed.recv.gz").write_bytes(gzip.compress((tmp_path / "capture.recv").read_bytes()))
    assert list(recording(packed).messages()) == list(recording(file).messages())


def test_recorded_snapshot_is_served(file: Path, tmp_path: Path) -> None:
    body = {"lastUpdateId": 3, "bids": [["1.00", "2"], ["0.9", "1"]], "asks": [["1.20", "2"]]}
    call = {"url": "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000", "body": body}
    (tmp_path / "capture.rest.jsonl").write_text(json.dumps(call) + "\n")
    found = recording(file)
    assert found.book("BTCUSDT", 1) == (3, [("1.00", "2")], [("1.20", "2")])
    assert found.book("ETHBTC", 1) == (0, [], [])
    assert found.book("NOSUCH", 1) is None


def test_broken_rest_file_is_named(file: Path, tmp_path: Path) -> None:
    (tmp_path / "capture.rest.jsonl").write_text('{"url":"x"}\n')
    with pytest.raises(RecordingError, match=r"capture\.rest\.jsonl: line 1"):
        recording(file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no data message"),
        (b'{"result":null,"id":1}\n', "no data message"),
        (RAW[0].encode() + b"\n{broken\n", "line 2"),
        (b"\xff\xfe\n", "decode"),
        (RAW[0].replace("ETHBTC", "XYZ").encode(), "'XYZ' ends with no quote currency"),
    ],
)
def test_file_that_cannot_be_replayed_is_named_with_the_reason(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=said) as told:
        recording(path)
    assert str(path) in str(told.value)


def test_file_that_is_absent_or_too_short_beside_its_times_is_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        recording(tmp_path / "nosuch.jsonl")
    (tmp_path / "capture.recv").write_text("1\n")
    with pytest.raises(RecordingError, match=r"capture\.recv: line 2 is missing"):
        recording(file)
    (tmp_path / "capture.recv").write_text("1\nx\n" + "2\n" * 9)
    with pytest.raises(RecordingError, match=r"capture\.recv: line 2: 'x' is no time in ns"):
        recording(file)


def test_original_speed_needs_the_times(file: Path, tmp_path: Path) -> None:
    (tmp_path / "capture.recv").unlink()
    clock = SystemClock()
    hub = Hub(BinanceSpot(), Faults(clock.monotonic), None, clock)
    with pytest.raises(ValueError, match="full speed"):
        ReplayPump(Replay(recording(file), "original"), hub, clock)


def simulator(file: Path, **options: Any) -> Simulator:
    return Simulator(BinanceSpot(), Replay(recording(file), **options), ledger=MemoryLedger())


async def test_replay_sends_what_is_subscribed_in_recorded_order_and_no_more(file: Path) -> None:
    async with simulator(file, settle_s=0.05) as sim, connect(f"{sim.ws_url}/stream") as ws:
        await ws.send('{"method":"SUBSCRIBE","params":["btcusdt@trade","btcusdt@depth@100ms","nosuch@trade"],"id":1}')
        assert json.loads(await ws.recv())["result"] is None
        texts = [str(await ws.recv()) for _ in range(3)]
        assert texts[0] == ENVELOPED[0]
        assert json.loads(texts[1])["data"] == {"e": "trade", "s": "BTCUSDT", "t": 8}
        assert texts[2] == '{"stream":"btcusdt@depth@100ms","data":' + RAW[1] + "}"
        await until(sim.pump.done.is_set, "the replay is over")  # type: ignore[union-attr]
        assert [sent.text for sent in sim.ledger] == texts


async def test_replay_waits_for_as_many_streams_as_it_was_told(file: Path) -> None:
    async with simulator(file, streams=2) as sim, connect(f"{sim.ws_url}/ws/btcusdt@trade") as ws:
        await until(lambda: sim.connections, "the connection is open")
        assert not sim.ledger
        await ws.send('{"method":"SUBSCRIBE","params":["ethbtc@bookTicker"],"id":1}')
        assert json.loads(await ws.recv())["result"] is None
        assert [json.loads(await ws.recv()).get("t") for _ in range(4)] == [7, None, 8, None]
        assert sim.ledger.texts("ethbtc@bookTicker")[1] == RAW[0]


async def test_original_speed_keeps_the_distances(file: Path) -> None:
    async with simulator(file, speed="original", settle_s=0.0) as sim, connect(f"{sim.ws_url}/ws/btcusdt@trade"):
        await until(sim.pump.done.is_set, "the replay is over")  # type: ignore[union-attr]
        first, second = (sent.time_ns for sent in sim.ledger)
        assert second - first >= 30_000_000  # two lines, 20 ms each, less what the clocks tell apart


def test_file_ledger_has_a_line_a_message(tmp_path: Path) -> None:
    ledger = FileLedger(tmp_path / "ledger.jsonl")
    memory = MemoryLedger()
    for n in range(3):
        sent = Sent(n, 1, "btcusdt@trade", f'{{"t":{n}}}')
        ledger.write(sent)
        memory.write(sent)
    ledger.flush()
    lines = (tmp_path / "ledger.jsonl").read_text().splitlines()
    ledger.close()
    assert [Sent(**json.loads(line)) for line in lines] == memory
    assert all(earlier.time_ns < later.time_ns for earlier, later in pairwise(memory))
