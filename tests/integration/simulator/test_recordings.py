from __future__ import annotations

import json
from pathlib import Path

import pytest
from recordings import captures, lines, needs_recordings
from simulated import SimulatorProcess
from waiting import until, wait_until
from websockets.asyncio.client import connect
from websockets.sync.client import connect as sync_connect

from marketfeed.exchanges import catalogue
from marketfeed_simulator import catalogue as simulated
from marketfeed_simulator.binance import BinanceSpot
from marketfeed_simulator.recording import Recording
from marketfeed_simulator.replay import Replay, ReplayPump
from marketfeed_simulator.server import Simulator
from marketfeed_simulator.session import Session

pytestmark = needs_recordings
CAPTURES = captures("binance", "spot")


@pytest.mark.parametrize("place", list(simulated.EXCHANGES), ids="-".join)
def test_recorded_messages_are_replayed_to_the_letter(recordings: Path, place: tuple[str, str]) -> None:
    exchange, market = simulated.exchange(*place), catalogue.market(*place)
    session = Session(combined=True)
    counts = []
    for path in captures(*place):
        recorded = {line.decode() for line in lines(path)}
        data = [line for line in lines(path) if exchange.recorded(line.decode()) is not None]
        counts.append(len(data))
        if not data:  # a list of instruments
            continue
        found = Recording(path, exchange, market)
        assert found.count == len(data)
        for message, _ in found.messages():
            assert recorded & {message.payload, exchange.envelope(session, message.topics[0], message.payload)}
    assert sum(counts) > 0


@pytest.mark.parametrize("speed", ["full", "original"])
async def test_subscriber_gets_the_recording(recordings: Path, tmp_path: Path, speed: str) -> None:
    """Trades and book tickers of the first seconds of the longest file."""
    source = next(path for path in CAPTURES if path.name.startswith("hft-btcusdt-20240808"))
    some = [line.decode() for line, _ in zip(lines(source), range(300), strict=False)]
    (tmp_path / "part.jsonl").write_text("".join(f"{line}\n" for line in some))
    times = next(source.parent.glob("hft-btcusdt-20240808.recv*"))
    (tmp_path / "part.recv").write_text("".join(f"{t.decode()}\n" for t, _ in zip(lines(times), range(300), strict=False)))
    recording = Recording(tmp_path / "part.jsonl", BinanceSpot(), catalogue.market("binance", "spot"))
    wanted = [line for line in some if '"stream":"btcusdt@depth' not in line]
    replay = Replay(recording, speed, streams=2)  # type: ignore[arg-type]
    async with Simulator(BinanceSpot(), replay) as sim, connect(f"{sim.ws_url}/stream", max_size=None) as ws:
        await ws.send('{"method":"SUBSCRIBE","params":["btcusdt@trade","btcusdt@bookTicker"],"id":1}')
        assert json.loads(await ws.recv())["result"] is None
        assert [await ws.recv() for _ in wanted] == wanted
        assert isinstance(sim.pump, ReplayPump)
        await until(sim.pump.done.is_set, "the replay is over")
        assert sim.sent == len(wanted)


def test_process_replays_a_file_and_lists_its_symbols(recordings: Path, simulator_process: SimulatorProcess) -> None:
    source = next(path for path in CAPTURES if path.name.startswith("cryptofeed"))
    texts = [line.decode() for line in lines(source)]
    streams = sorted({json.loads(text)["stream"] for text in texts})
    simulator_process.start("--replay", str(source), "--speed", "full", "--streams", str(len(streams)))
    listed = {row["symbol"] for row in simulator_process.get("/api/v3/exchangeInfo")["symbols"]}
    assert listed == {stream.partition("@")[0].upper() for stream in streams}
    with sync_connect(f"{simulator_process.ws_url}/stream?streams={'/'.join(streams)}", max_size=None) as ws:
        assert [ws.recv(timeout=10) for _ in texts] == texts
    wait_until(lambda: "replayed" in simulator_process.output(), "the end is told")
    snapshot = simulator_process.get("/api/v3/depth?symbol=NKNUSDT&limit=1000")
    assert snapshot["lastUpdateId"] > 0
