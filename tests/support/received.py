"""What a consumer of a run's events saw, and what it should have seen."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import redis
from redis_server import HOST


class Consumer:
    """Everything that came by Redis Pub/Sub, in the order in which it came."""

    def __init__(self, port: int, host: str = HOST) -> None:
        self.events: list[dict[str, Any]] = []
        self.arrived_ns: list[int] = []
        """When each of them came, by the wall clock."""
        self._host = host
        self._port = port
        self._ended = threading.Event()
        self._subscribed = threading.Event()
        self._thread = threading.Thread(target=self._consume, daemon=True)

    def start(self) -> None:
        """Returns when it is subscribed."""
        self._thread.start()
        assert self._subscribed.wait(10)

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(10)

    def again(self) -> None:
        """Wait until it is subscribed again, after Redis was restarted."""
        assert self._subscribed.wait(20)

    def _consume(self) -> None:
        while not self._ended.is_set():
            try:
                with redis.Redis(host=self._host, port=self._port) as client, client.pubsub() as channel:
                    channel.psubscribe("md.*")
                    while not self._ended.is_set():
                        message = channel.get_message(timeout=0.1)
                        if message is not None and message["type"] == "psubscribe":
                            self._subscribed.set()
                        elif message is not None:
                            event = json.loads(message["data"])
                            expected = "md.{exchange}.{market}.{channel}.{symbol}".format(**event)
                            assert message["channel"].decode() == expected
                            self.arrived_ns.append(time.time_ns())
                            self.events.append(event)
            except redis.ConnectionError:
                self._subscribed.clear()
                self._ended.wait(0.02)


def by_stream(events: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """(channel, symbol) → its events, in order."""
    streams: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for event in events:
        streams[event["channel"], event["symbol"]].append(event)
    return streams


def assert_counted(events: Iterable[Mapping[str, Any]]) -> None:
    """`n` of every stream has no hole, and begins anew only with a start."""
    for stream, items in by_stream(events).items():
        last = 0
        for event in items:
            begins = event["type"] == "gap" and event["reason"] == "started"
            assert event["n"] == (1 if begins else last + 1), (stream, event, last)
            last = event["n"]


def expected_event(text: str, symbols: Mapping[str, str]) -> dict[str, Any]:
    """A trade or book ticker as Binance sent it → the event, without `recv` and `n`: written independently of the engines."""
    message = json.loads(text)
    data = message.get("data", message)
    head = {"exchange": "binance", "market": "spot", "symbol": symbols[data["s"]]}
    if data.get("e") == "trade":
        return {
            **head,
            "type": "trade",
            "channel": "trades",
            "ts": data["T"] * 10**6,
            "id": str(data["t"]),
            "price": data["p"],
            "size": data["q"],
            "side": "sell" if data["m"] else "buy",
        }
    return {
        **head,
        "type": "bbo",
        "channel": "bbo",
        "ts": data["T"] * 10**6 if "T" in data else data["E"] * 10**6 if "E" in data else None,
        "bid_price": data["b"],
        "bid_size": data["B"],
        "ask_price": data["a"],
        "ask_size": data["A"],
        "seq": data["u"],
    }


def bare(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event without what the shard adds."""
    return {key: value for key, value in event.items() if key not in {"recv", "n"}}
