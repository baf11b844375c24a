"""Messages by the declarations of a market: sound ones, some with faults, and anything at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from marketfeed.events import OPTIONAL, TS, Kind, event_type
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Before, Best, Levels, OneOf, Source

SYMBOLS = {"spot": "BTC-USDT", "linear": "BTC-USDT-PERP", "inverse": "BTC-USD-PERP"}
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(""),
    st.sampled_from(["1", "0", "-1", "1.5", "1e5", "BTCUSDT", "BTC/USDT", "BTC-USDT-SWAP", "buy", "Sell", "snapshot", "delta",
                     "update", "1m", "1767225600000", "2026-01-01T00:00:00.5Z", 1767225600000, 1767225600000000, 7, 1.5]),
)  # fmt: skip


ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
)
VALUES = {Kind.DECIMAL: "1.5", Kind.TEXT: "9", Kind.INTEGER: 7, Kind.TIME: 1767225600000}


def put(node: dict[str, Any], path: str, value: Any) -> None:
    *steps, last = path.rstrip("?").partition("|")[0].removeprefix("../").split("/")
    for step in steps:
        node = node.setdefault(step, {})
    node[last] = value


def shaped(node: Any) -> Any:
    """Places in an array are keys until all of them are known."""
    if not isinstance(node, dict):
        return node
    if node and all(key.isdigit() for key in node):
        return [shaped(node.get(str(place))) for place in range(max(map(int, node)) + 1)]
    return {key: shaped(value) for key, value in node.items()}


def placed(source: Source, kind: Kind) -> Iterator[tuple[str, Any]]:
    """Where a field comes from, and a value that it may have there."""
    if isinstance(source, OneOf):
        yield source.path, next(iter(source.values))
        yield from placed(source.otherwise, kind) if source.otherwise is not None else ()
    elif isinstance(source, Levels):
        yield source.path, [shaped({source.price: "1.5", source.size: "2"})]
    elif isinstance(source, Best):
        yield source.path, [["1.5", "2"]]
        yield source.kind, source.whole
    elif isinstance(source, Before):
        yield source.path, 7
    elif isinstance(source, str):
        yield source, VALUES.get(kind, "x")


def topical(market: Market, pattern: str) -> dict[str, Any]:
    """A message with a topic of this pattern, and one record that has every field of all that it feeds."""
    native = market.native(SYMBOLS[market.name])
    fed = [message for message in market.wire.messages if pattern in message.topics]
    record: dict[str, Any] = {}
    around: dict[str, Any] = {}
    for message in fed:
        kinds = {field.name: field.kind for field in (TS, *event_type(message.channel).fields, *OPTIONAL)}
        found = [place for name, source in message.fields.items() for place in placed(source, kinds[name])]
        for path, value in (*found, (message.symbol, native), (message.when, "1")):
            if path is not None:
                put(around if path.startswith("../") else record, path, value)
    *outer, last = fed[0].at.split("/")
    whole = {**shaped(around), last: [shaped(record)]}
    for step in reversed(outer):
        whole = {step: [whole]}
    topic = pattern.format(symbol=native, interval=next(iter(market.wire.intervals), "1m"), any="x")
    for path, text in zip(market.wire.topic, topic.split(":"), strict=False):
        put(whole, path, text)
    return whole


def spoilt(node: Any, draw: st.DrawFn, faults: int) -> Any:
    """Some of its values are others, or missing."""
    for _ in range(faults):
        inner = node
        while isinstance(inner, dict | list) and inner:
            key = draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner))))
            if not isinstance(inner[key], dict | list) or not inner[key] or draw(st.integers(0, 5)) == 0:
                inner[key] = draw(ANYTHING)
                break
            inner = inner[key]
    return node


@st.composite
def texts(draw: st.DrawFn, market: Market) -> str:
    """A message with a topic of the market, its records as they should be, or nearly so, or anything at all."""
    message = draw(st.sampled_from(market.wire.messages))
    whole = topical(market, draw(st.sampled_from(message.topics)))
    if draw(st.integers(0, 9)) == 0:
        whole[message.at.partition("/")[0]] = draw(ANYTHING)
    whole = spoilt(whole, draw, draw(st.sampled_from((0, 1, 2, 3))))
    return json.dumps(whole, ensure_ascii=draw(st.booleans()))


def frames(market: Market) -> st.SearchStrategy[bytes]:
    """Bytes, for the most part those of such a message."""
    told = texts(market).map(str.encode)
    return st.one_of(told, told, told, st.binary(max_size=200), st.text().map(lambda text: text.encode(errors="surrogatepass")))
