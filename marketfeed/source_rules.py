"""What the values of `spec.sources` mean, and which of them are refused.

Rules see the manifest's own values and pass over those of a wrong type: these are told by `structure`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from marketfeed import events
from marketfeed.addresses import url_fault
from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Limit, Market
from marketfeed.problem import Problem, choose, near
from marketfeed.resource import SYMBOLS_OF_A_SOURCE
from marketfeed.symbol_rules import misfit
from marketfeed.symbols import is_code, is_symbol
from marketfeed.values import number, section, text, texts

APART = ("wsPublic", "wsMarket", "wsBusiness")
WS_FIELDS = ("ws", *APART)
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
SYMBOL_BYTES = 64
Named = dict[tuple[str, str], dict[tuple[str, str], str]]
"""(exchange, market) → (symbol, channel) → the path that names it first."""


def source_problems(sources: Sequence[Any]) -> Iterator[Problem]:
    """All that is wrong with the sources."""
    named: Named = {}
    for i, fields in enumerate(sources):
        if not isinstance(fields, Mapping):
            continue
        path = f"spec.sources[{i}]"
        market = None
        exchange, name = text(fields.get("exchange")), text(fields.get("market"))
        if exchange is not None:
            market = yield from _market(exchange, name, path)
        yield from _channels(fields, market, path)
        yield from _choice(fields, path)
        yield from _symbols(fields, market, path)
        yield from _selector(section(fields.get("symbolSelector")), f"{path}.symbolSelector")
        yield from _depth(fields, market, f"{path}.bookDepth")
        yield from _endpoint(section(fields.get("endpoint")), market, f"{path}.endpoint")
        yield from _limits(section(fields.get("limits")), market, f"{path}.limits")
        if isinstance(fields.get("proxy"), Mapping):
            yield from _proxy(fields["proxy"], text(fields.get("transport")) or "picows", f"{path}.proxy")
        if exchange is not None and name is not None:
            yield from _repeated(fields, named.setdefault((exchange, name), {}), path)


def _market(exchange: str, name: str | None, path: str) -> Generator[Problem, None, Market | None]:
    known = catalogue.exchanges()
    if exchange not in known:
        yield Problem(f"{path}.exchange", f"unknown exchange {exchange!r}", choose(exchange, known))
    elif name is not None:
        markets = catalogue.markets(exchange)
        if name in markets:
            return catalogue.market(exchange, name)
        why = catalogue.REFUSED.get((exchange, name))
        told = f"unknown market {name!r}: {exchange} has {', '.join(markets)}"
        yield Problem(f"{path}.market", f"{exchange} has no market {name}: {why}" if why else told, choose(name, markets))
    return None


def _name(market: Market) -> str:
    return f"{market.exchange} {market.name}"


def _channels(fields: Mapping[str, Any], market: Market | None, path: str) -> Iterator[Problem]:
    channels = fields.get("channels")
    if channels == []:
        yield Problem(f"{path}.channels", "is empty", "name at least one channel, such as trades")
    seen: set[str] = set()
    for i, channel in texts(channels):
        at = f"{path}.channels[{i}]"
        if channel in seen:
            yield Problem(at, f"{channel!r} is named twice", "name it once")
        elif market is not None and channel not in market.channels:
            yield _unknown_channel(channel, market, at)
        elif market is None and channel.partition(".")[0] not in events.BY_CHANNEL:
            yield Problem(at, f"unknown channel {channel!r}", choose(channel, events.BY_CHANNEL))
        seen.add(channel)


def _unknown_channel(channel: str, market: Market, at: str) -> Problem:
    kind, _, interval = channel.partition(".")
    name = _name(market)
    intervals = [c.partition(".")[2] for c in market.channels if c.startswith("candles.")]
    plain = [c for c in market.channels if "." not in c] + (["candles.<interval>"] if intervals else [])
    if kind == "candles" and intervals:
        told = f"has no interval {interval!r}" if interval else "names no interval"
        return Problem(at, f"{channel!r} {told}", f"{name} has candles of {', '.join(intervals)}")
    if channel in events.BY_CHANNEL or kind == "candles":
        return Problem(at, f"{name} has no channel {channel!r}", f"it has {', '.join(plain)}")
    guess = near(channel, plain)
    way_out = f"{name} has {', '.join(plain)}"
    return Problem(at, f"unknown channel {channel!r}", f"did you mean {guess}? {way_out}" if guess else way_out)


def _choice(fields: Mapping[str, Any], path: str) -> Iterator[Problem]:
    given = [name for name in ("symbols", "symbolSelector") if name in fields]
    if len(given) == 2:
        yield Problem(path, "has both symbols and symbolSelector", "keep one of them; a second source can have the other")
    if not given:
        yield Problem(path, "has neither symbols nor symbolSelector", "add one, such as symbols: [BTC-USDT]")


def _symbols(fields: Mapping[str, Any], market: Market | None, path: str) -> Iterator[Problem]:
    symbols = fields.get("symbols")
    if symbols == []:
        yield Problem(f"{path}.symbols", "is empty", "name at least one symbol, such as BTC-USDT")
    if isinstance(symbols, list) and len(symbols) > SYMBOLS_OF_A_SOURCE:
        reason = f"has {len(symbols)} symbols, more than {SYMBOLS_OF_A_SOURCE}"
        yield Problem(f"{path}.symbols", reason, "spread them over several sources")
    for i, symbol in texts(symbols):
        at = f"{path}.symbols[{i}]"
        if len(symbol.encode()) > SYMBOL_BYTES:
            yield Problem(at, f"is longer than {SYMBOL_BYTES} bytes: {symbol[:20]!r}…", "write the symbol alone")
        elif not is_symbol(symbol):
            guess = symbol.upper().replace("/", "-").replace("_", "-")
            forms = "write BASE-QUOTE, BASE-QUOTE-PERP or BASE-QUOTE-yymmdd"
            yield Problem(at, f"is no symbol: {symbol[:80]!r}", f"write {guess}" if is_symbol(guess) else forms)
        elif market is not None and (found := misfit(symbol, market)) is not None:
            what, way_out = found
            yield Problem(at, f"is no symbol of {_name(market)}: {symbol!r} is {what}", way_out)


def _selector(selector: Mapping[str, Any], path: str) -> Iterator[Problem]:
    for name in ("quote", "include", "exclude"):
        if selector.get(name) == []:
            yield Problem(f"{path}.{name}", "is empty", "name at least one, or leave the field out")
        for i, word in texts(selector.get(name)):
            if not word or (name == "quote" and not is_code(word)):
                kind = "a currency, in upper case, such as USDT" if name == "quote" else "a pattern, such as BTC-*"
                yield Problem(f"{path}.{name}[{i}]", f"selects nothing: {word!r}", f"write {kind}")


def _depth(fields: Mapping[str, Any], market: Market | None, path: str) -> Iterator[Problem]:
    depth = number(fields.get("bookDepth"))
    if market is not None and market.depths and depth is not None and depth > max(market.depths):
        deepest = f"books of {', '.join(map(str, market.depths))} levels"
        yield Problem(path, f"is {depth:g}, and {_name(market)} has {deepest}", f"write at most {max(market.depths)}")


def _endpoint(endpoint: Mapping[str, Any], market: Market | None, path: str) -> Iterator[Problem]:
    for name in (*WS_FIELDS, "rest"):
        url = text(endpoint.get(name))
        if url is None:
            continue
        fault = url_fault(url, ("http", "https") if name == "rest" else ("ws", "wss"), bare=True)
        if fault is not None:
            yield Problem(f"{path}.{name}", *fault)
        elif name in APART and market is not None and name not in market.endpoints.others:
            own = ", ".join(market.endpoints.others)
            way_out = f"it has {own}; ws is for all of them" if own else "write it as ws"
            yield Problem(f"{path}.{name}", f"{_name(market)} keeps no such address apart", way_out)


def _limits(limits: Mapping[str, Any], market: Market | None, path: str) -> Iterator[Problem]:
    ceilings: dict[str, Limit | None] = dict.fromkeys(("streamsPerConnection", "messagesPerSecond", "connectsPer5Minutes"))
    if market is not None:
        own = market.limits
        known = (own.streams_per_connection, own.messages_per_second, own.connects_per_5_minutes)
        ceilings = dict(zip(ceilings, known, strict=True))
    for name, limit in ceilings.items():
        value = number(limits.get(name))
        if value is None:
            continue
        way_out = f"write 1 to {limit.ceiling:g}" if limit else "write at least 1"
        if value < 1:
            yield Problem(f"{path}.{name}", f"is {value:g}, below 1", way_out)
        elif limit is not None and market is not None and value > limit.ceiling:
            yield Problem(f"{path}.{name}", f"is {value:g}, above the ceiling {limit.ceiling:g} of {_name(market)}", way_out)


def _proxy(proxy: Mapping[str, Any], transport: str, path: str) -> Iterator[Problem]:
    given = [name for name in ("url", "urlFrom") if name in proxy]
    if len(given) != 1:
        told = "has both url and urlFrom" if given else "has neither url nor urlFrom"
        yield Problem(path, told, "give exactly one of them")
    url = text(proxy.get("url"))
    if url is None:
        return
    fault = url_fault(url, PROXY_SCHEMES)
    if fault is not None:
        yield Problem(f"{path}.url", *fault)
    elif url.startswith("socks") and transport != "websockets":
        way_out = "set transport: websockets beside it, or use an http proxy"
        yield Problem(f"{path}.url", f"is a socks proxy, which the transport {transport} does not have", way_out)


def _repeated(fields: Mapping[str, Any], named: dict[tuple[str, str], str], path: str) -> Iterator[Problem]:
    channels = list(dict.fromkeys(channel for _, channel in texts(fields.get("channels"))))
    own: set[str] = set()
    for i, symbol in texts(fields.get("symbols")):
        at = f"{path}.symbols[{i}]"
        if symbol in own:
            yield Problem(at, f"{symbol} is named twice", "name it once")
            continue
        own.add(symbol)
        before = [channel for channel in channels if (symbol, channel) in named]
        if before:
            place = named[symbol, before[0]]
            yield Problem(at, f"{symbol} with {', '.join(before)} is named by {place} already", "name it in one of them")
        for channel in channels:
            named.setdefault((symbol, channel), at)
