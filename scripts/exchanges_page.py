"""Prints docs/exchanges.md: the exchanges as the code has them. `make docs` writes it, a test compares it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Hole, Limit, Market, Window
from marketfeed.normalizer import Normalizer

INTRODUCTION = """\
# Exchanges

Generated from `marketfeed/exchanges/` by `make docs`.

Every number stands beside the document that states it, with its date; what no document states says so. A *ceiling* is how far a
manifest may raise a default; a limit without a field in the manifest is fixed. `{symbol}` stands for the exchange's own name of
a symbol. *Numbers* tells what those of the exchange promise within one stream: that they rise, rise by one, or name the one
before.
"""
SAMPLES = {"spot": "BTC-USDT", "linear": "BTC-USDT-PERP", "inverse": "BTC-USD-PERP"}
OF_MANIFEST = {
    "streams_per_connection": "limits.streamsPerConnection",
    "messages_per_second": "limits.messagesPerSecond",
    "connects_per_5_minutes": "limits.connectsPer5Minutes",
    "connections_per_shard": "sharding.connectionsPerShard",
}
LIMITS = {
    "streams_per_connection": "topics on one connection",
    "topic_bytes": "characters of all topics of one connection",
    "deep_books": "deep books on one connection",
    "messages_per_second": "client messages a second on one connection",
    "requests": "(un)subscribe requests on one connection",
    "request_topics": "topics in one request",
    "request_bytes": "bytes of one request",
    "connects_per_5_minutes": "attempts to connect in 5 minutes, by address",
    "connects": "attempts to connect beside that, by address",
    "connections_per_address": "connections open at once, by address",
    "connections_per_shard": "connections of one shard",
    "lifetime_s": "seconds until the exchange ends a connection",
    "rest": "weight of REST calls, by address",
}


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION.rstrip(), overview()]
    for exchange in catalogue.exchanges():
        parts.append(f"## {exchange}")
        parts += [section(catalogue.market(exchange, name)) for name in catalogue.markets(exchange)]
        parts += [f"No {name}: {why}." for (e, name), why in catalogue.REFUSED.items() if e == exchange]
    return "\n\n".join(parts) + "\n"


def overview() -> str:
    """Every market on one line."""
    rows = []
    for market in catalogue.MARKETS.values():
        limits = market.limits
        rows.append(
            (
                f"{market.exchange} {market.name}",
                ", ".join(c for c in market.channels if "." not in c),
                f"{len(intervals(market))} intervals",
                _number(limits.streams_per_connection.default),
                _number(limits.connections_per_shard.default),
                heartbeat(market),
            )
        )
    head = ("market", "channels", "candles", "topics on a connection", "connections of a shard", "kept alive by")
    return table(head, rows)


def section(market: Market) -> str:
    """One market: what it offers, where, how far."""
    parts = [
        f"### {market.exchange} {market.name}",
        table(("channel", "native topics", "at", "numbers"), channels(market)),
        "\n".join(f"* {line}" for line in facts(market)),
        table(("limit", "default", "ceiling", "in a manifest", "source"), limits_of(market)),
    ]
    return "\n\n".join(parts)


def channels(market: Market) -> Iterator[Sequence[str]]:
    """Each channel, candles on one line: what is subscribed to, on which address, and what its numbers promise."""
    native = market.native(SAMPLES[market.name])
    shown = [c for c in market.channels if not c.startswith("candles.")]
    if intervals(market):
        shown.append(f"candles.{intervals(market)[0]}")
    for channel in shown:
        topics = market.topics(channel, native, None)
        names = ", ".join(f"`{_generic(topic.name, native, market)}`" for topic in topics)
        places = dict.fromkeys(f"{topic.endpoint} `{topic.path}`" for topic in topics)
        kind = channel.partition(".")[0]
        numbers = numbering(market, kind, topics[0].name)
        polls = [poll for poll in market.polls if poll.channel == kind]
        for poll in polls:
            names += f"; REST `{_generic(poll.call(native).path, native, market)}` every {poll.every_s:g} s"
        title = f"candles.<{', '.join(intervals(market))}>" if kind == "candles" else channel
        yield (
            title.replace("<", "&lt;").replace(">", "&gt;"),
            names,
            ", ".join(places),
            "—" if numbers == "none" else numbers,
        )


def numbering(market: Market, kind: str, topic: str) -> str:
    """What the numbers of the message that is subscribed to promise: older forms of a channel are declared, too."""
    ours = [message for message in market.wire.messages if message.channel == kind]
    routed = [market.wire.messages[number] for number, _ in Normalizer(market, lambda native: None).routes(topic)]
    return next((message for message in ours if message in routed), ours[0]).numbering.value


def facts(market: Market) -> Iterator[str]:
    """What is not about one channel."""
    native, ends = market.native(SAMPLES[market.name]), market.endpoints
    others = [name for name in ends.others if ends.others[name] != ends.ws]
    apart = f" (apart: {', '.join(ends.others)})" if ends.others else ""
    yield f"addresses: `{ends.ws}`{apart}{''.join(f', {n} `{ends.others[n]}`' for n in others)}, REST `{ends.rest}`"
    unit = "contracts" if market.wire.contracts else "the base asset"
    yield f"symbols: `{SAMPLES[market.name]}` is `{native}`; sizes count {unit}"
    yield f"kept alive by {heartbeat(market)}; an answer is due in {market.heartbeat.timeout_s:g} s"
    yield f"compression: {'with `transport: websockets`' if market.compression else 'none that the exchange states'}"
    if market.depths:
        cut = "; levels that fall out of it are not told" if market.cuts_books else ""
        yield f"depths of the book: {', '.join(map(str, market.depths))}, without `bookDepth` {market.default_depth}{cut}"
    else:
        yield "depth of the book: all levels that change"
    if market.snapshot is None:
        yield "a book begins with a snapshot on the socket"
    else:
        call = market.snapshot.call(native, None)
        when = (
            "begins with"
            if market.snapshot.after_s is None
            else f"without a snapshot within {market.snapshot.after_s:g} s takes"
        )
        yield f"a book {when} REST `{_generic(call.path, native, market)}`, weight {call.weight}"
    if market.history is None:
        yield "missed trades cannot be had"
    else:
        call = market.history.call(native, Hole(None, None, 0))
        pages = "page by page" if market.history.pages else "the latest ones only"
        path = f"`{_generic(call.path, native, market)}`, weight {call.weight}"
        yield f"missed trades: REST {path}, {market.history.rows:,} rows, {pages}"
    lists = ", ".join(f"`{call.path}` (weight {call.weight})" for call in market.instruments.calls)
    yield f"instruments: REST {lists}"
    if market.instruments.volumes_calls:
        yield f"24 h volumes: REST {', '.join(f'`{call.path}`' for call in market.instruments.volumes_calls)}"


def limits_of(market: Market) -> Iterator[Sequence[str]]:
    """Each limit that the market has, with its source."""
    for name, meaning in LIMITS.items():
        value = getattr(market.limits, name)
        field = f"`{OF_MANIFEST[name]}`" if name in OF_MANIFEST else ""
        if isinstance(value, Limit):
            yield meaning, _number(value.default), _number(value.ceiling), field, value.source
        elif isinstance(value, Window):
            yield meaning, f"{value.count:,} in {value.seconds:g} s", "", field, value.source


def intervals(market: Market) -> list[str]:
    """Of its candles."""
    return [c.partition(".")[2] for c in market.channels if c.startswith("candles.")]


def heartbeat(market: Market) -> str:
    """What we send, how often."""
    beat = market.heartbeat
    what = "a ping frame" if beat.payload is None else f"`{beat.payload}`"
    return f"{what} every {beat.interval_s:g} s"


def table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _generic(text: str, native: str, market: Market) -> str:
    """A topic or a path with a place for the symbol, however it is written there."""
    index = market.index(native)
    for known, word in (
        (native, "{symbol}"),
        (native.lower(), "{symbol}"),
        (quote(native, safe=""), "{symbol}"),
        (index, "{index}"),
    ):
        if known:
            text = text.replace(known, word)
    return text


def _number(value: float) -> str:
    return f"{value:,g}" if value < 10_000 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.stdout.write(page())
