"""Messages of markets that the product does not offer yet, declared: they prove the vocabulary and both engines."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from marketfeed.exchanges.binance import SPOT as BINANCE_SPOT
from marketfeed.exchanges.exchange import Control, ControlKind, Market
from marketfeed.exchanges.message import Before, Hook, Levels, Numbering, OneOf, Wire, message

_FLAG = {"true": True, "false": False}
_RISING, _CONSECUTIVE = Numbering.RISING, Numbering.CONSECUTIVE

# ---- Binance futures -----------------------------------------------------------------------------------------------------

_TAKER = OneOf("m", {"true": "sell", "false": "buy"})
_BINANCE = (
    message("trades", "{symbol}@trade", at="data", symbol="s", when="p", numbering=_CONSECUTIVE,
            ts="T", id="t", price="p", size="q", side=_TAKER),
    message("trades", "{symbol}@aggTrade", at="data", symbol="s", numbering=_CONSECUTIVE,
            ts="T", id="a", price="p", size="q", side=_TAKER),
    message("bbo", "{symbol}@bookTicker", "!bookTicker", at="data", symbol="s", numbering=_RISING,
            ts="T|E?", bid_price="b", bid_size="B", ask_price="a", ask_size="A", seq="u"),
    message("book", "{symbol}@depth@100ms", "{symbol}@depth@{any}", "{symbol}@depth", at="data", symbol="s", numbering=_RISING,
            ts="T|E?", snapshot=False, bids=Levels("b"), asks=Levels("a"), seq="u", prev_seq="pu"),
    message("candles", "{symbol}@kline_{interval}", at="data/k", symbol="s", ts="../E?", open_time="t", open="o", high="h",
            low="l", close="c", volume="v", quote_volume="q", closed=OneOf("x", _FLAG)),
    message("ticker", "{symbol}@ticker", at="data", symbol="s", ts="E", last="c", open="o", high="h", low="l", volume="v",
            quote_volume="q"),
    message("derivative", "{symbol}@markPrice@1s", "{symbol}@markPrice", "!markPrice@arr", at="data", symbol="s", ts="E",
            mark_price="p", index_price="i?", funding_rate="r", next_funding_time="T"),
    message("liquidations", "{symbol}@forceOrder", "!forceOrder@arr", at="data/o", symbol="s", ts="T|../E", price="p",
            average_price="ap?", size="z", side=OneOf("S", {"SELL": "sell", "BUY": "buy"})),
)  # fmt: skip
_BINANCE_INTERVALS = BINANCE_SPOT.wire.intervals

# ---- Bybit ---------------------------------------------------------------------------------------------------------------

_BYBIT_INTERVALS = {"1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h", "240": "4h",
                    "360": "6h", "720": "12h", "D": "1d", "W": "1w", "M": "1M"}  # fmt: skip
_BYBIT_DAY = {"last": "lastPrice", "open": "prevPrice24h", "high": "highPrice24h", "low": "lowPrice24h",
              "volume": "volume24h", "quote_volume": "turnover24h"}  # fmt: skip
_BYBIT_COMMON = (
    message("trades", "publicTrade.{symbol}", at="data", ts="T", id="i", price="p", size="v",
            side=OneOf("S", {"Buy": "buy", "Sell": "sell"})),
    message("bbo", "orderbook.1.{symbol}", at="data", numbering=_RISING, ts="../cts|../ts", bid_price="b/0/0", bid_size="b/0/1",
            ask_price="a/0/0", ask_size="a/0/1", seq="u"),
    message("book", "orderbook.200.{symbol}", "orderbook.50.{symbol}", at="data", ts="../cts|../ts",
            snapshot=OneOf("u", {"1": True}, otherwise=OneOf("../type", {"snapshot": True, "delta": False})),
            bids=Levels("b"), asks=Levels("a"), seq="u", prev_seq=Before("u")),
    message("candles", "kline.{interval}.{symbol}", at="data", ts="timestamp", open_time="start", open="open", high="high",
            low="low", close="close", volume="volume", quote_volume="turnover", closed=OneOf("confirm", _FLAG)),
)  # fmt: skip
_BYBIT_SPOT = (*_BYBIT_COMMON, message("ticker", "tickers.{symbol}", at="data", ts="../ts", **_BYBIT_DAY))
_BYBIT_FUTURES = (
    *_BYBIT_COMMON,
    message("ticker", "tickers.{symbol}", at="data", keeps=True, ts="../ts", **{k: f"{v}?" for k, v in _BYBIT_DAY.items()}),
    message("derivative", "tickers.{symbol}", at="data", ts="../ts", mark_price="markPrice?", index_price="indexPrice?",
            funding_rate="fundingRate?", next_funding_time="nextFundingTime?", open_interest="openInterest?"),
    message("liquidations", "allLiquidation.{symbol}", at="data", ts="T", price="p", size="v",
            side=OneOf("S", {"Buy": "sell", "Sell": "buy"})),
)  # fmt: skip

# ---- OKX -----------------------------------------------------------------------------------------------------------------

_OKX_INTERVALS = {"1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1H": "1h", "2H": "2h", "4H": "4h",
                  "6Hutc": "6h", "12Hutc": "12h", "1Dutc": "1d", "1D": "1d", "1W": "1w", "1M": "1M"}  # fmt: skip
_OKX_SIDE = OneOf("side", {"buy": "buy", "sell": "sell"})
_OKX_DAY = {"ts": "ts", "last": "last", "open": "open24h", "high": "high24h", "low": "low24h", "volume": "vol24h"}
_OKX_COMMON = (
    message("trades", "trades:{symbol}", "trades-all:{symbol}", at="data", numbering=_RISING, ts="ts", id="tradeId", price="px",
            size="sz", side=_OKX_SIDE, count="count?"),
    message("bbo", "bbo-tbt:{symbol}", at="data", ts="ts", bid_price="bids/0/0", bid_size="bids/0/1", ask_price="asks/0/0",
            ask_size="asks/0/1", seq="seqId?"),
    message("book", "books:{symbol}", at="data", ts="ts", snapshot=OneOf("../action", {"snapshot": True, "update": False}),
            bids=Levels("bids"), asks=Levels("asks"), seq="seqId?", prev_seq="prevSeqId?",
            hook=Hook("checksum", ("checksum",))),
    message("candles", "candle{interval}:{symbol}", at="data", open_time="0", open="1", high="2", low="3", close="4",
            volume="5", quote_volume="7?", closed=OneOf("8?", {"1": True, "0": False})),
)  # fmt: skip
_OKX_SPOT = (*_OKX_COMMON, message("ticker", "tickers:{symbol}", at="data", **_OKX_DAY, quote_volume="volCcy24h"))
_OKX_FUTURES = (
    *_OKX_COMMON,
    message("ticker", "tickers:{symbol}", at="data", **_OKX_DAY),
    message("derivative", "mark-price:{symbol}", at="data", ts="ts", mark_price="markPx"),
    message("derivative", "open-interest:{symbol}", at="data", ts="ts", open_interest="oi"),
    message("derivative", "funding-rate:{symbol}", at="data", ts="ts?", funding_rate="fundingRate?",
            next_funding_time="fundingTime"),
    message("liquidations", "liquidation-orders:SWAP", "liquidation-orders:FUTURES", at="data/details", symbol="../instId",
            ts="ts", price="bkPx", size="sz", side=_OKX_SIDE),
)  # fmt: skip
_OKX_TOPIC = ("arg/channel", "arg/instId|arg/instType")

# ---- Kraken --------------------------------------------------------------------------------------------------------------

_KRAKEN_INTERVALS = {"1": "1m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "240": "4h", "1440": "1d", "10080": "1w"}
_KRAKEN = (
    message("trades", "trade", at="data", symbol="symbol", numbering=_CONSECUTIVE, ts="timestamp", id="trade_id", price="price",
            size="qty", side=_OKX_SIDE),
    message("bbo", "ticker", at="data", symbol="symbol", ts="timestamp?", bid_price="bid", bid_size="bid_qty", ask_price="ask",
            ask_size="ask_qty"),
    message("ticker", "ticker", at="data", symbol="symbol", ts="timestamp?", last="last?", high="high?", low="low?",
            volume="volume?"),
    message("book", "book", at="data", symbol="symbol", ts="timestamp?", bids=Levels("bids", "price", "qty"),
            asks=Levels("asks", "price", "qty"), snapshot=OneOf("../type", {"snapshot": True, "update": False}),
            hook=Hook("checksum", ("checksum",))),
    message("candles", "ohlc", at="data", symbol="symbol", ts="timestamp?", interval=OneOf("interval", _KRAKEN_INTERVALS),
            open_time="interval_begin", open="open", high="high", low="low", close="close", volume="volume",
            hook=Hook("candle_end")),
)  # fmt: skip

# ---- markets -------------------------------------------------------------------------------------------------------------


def _control(body: Any) -> Control | None:
    """Enough to tell an acknowledgement, a heartbeat and a status from data."""
    if not isinstance(body, dict):
        return None
    known = body.keys() & {"event", "op", "method"} or body.get("channel") in ("heartbeat", "status")
    return Control(ControlKind.ALIVE) if known else None


def _market(exchange: str, name: str, wire: Wire) -> Market:
    if exchange == "binance":
        return replace(BINANCE_SPOT, name=name, wire=wire)
    return replace(BINANCE_SPOT, exchange=exchange, name=name, wire=wire, control=_control, envelope=lambda body: body)


MARKETS = {
    (market.exchange, market.name): market
    for market in (
        BINANCE_SPOT,
        _market("binance", "linear", Wire(("stream",), _BINANCE, _BINANCE_INTERVALS)),
        _market("binance", "inverse", Wire(("stream",), _BINANCE, _BINANCE_INTERVALS, contracts=True)),
        _market("bybit", "spot", Wire(("topic",), _BYBIT_SPOT, _BYBIT_INTERVALS)),
        _market("bybit", "linear", Wire(("topic",), _BYBIT_FUTURES, _BYBIT_INTERVALS)),
        _market("bybit", "inverse", Wire(("topic",), _BYBIT_FUTURES, _BYBIT_INTERVALS, contracts=True)),
        _market("okx", "spot", Wire(_OKX_TOPIC, _OKX_SPOT, _OKX_INTERVALS)),
        _market("okx", "linear", Wire(_OKX_TOPIC, _OKX_FUTURES, _OKX_INTERVALS, contracts=True)),
        _market("okx", "inverse", Wire(_OKX_TOPIC, _OKX_FUTURES, _OKX_INTERVALS, contracts=True)),
        _market("kraken", "spot", Wire(("channel",), _KRAKEN, _KRAKEN_INTERVALS)),
    )
}


def symbol_of(exchange: str, market: str, native: str) -> str | None:
    """The normalised name of a native one: by its form, which is enough for recordings."""
    if exchange == "kraken":
        return native.replace("/", "-")
    if exchange == "okx":
        return native.replace("-SWAP", "-PERP")
    found = re.fullmatch(r"(\w+?)(USDT|USDC|USD|ETH|BTC|EUR)(_PERP|_\d{6}|-\w+)?", native)
    if found is None:
        return None
    dated = (found[3] or "").replace("_", "-")
    return f"{found[1]}-{found[2]}{dated or ('' if market == 'spot' else '-PERP')}"
