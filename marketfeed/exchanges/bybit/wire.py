"""What Bybit's topics and REST bodies hold, declared.

`cts` is the matching engine's time of a book, `ts` the message's.
"""

from __future__ import annotations

from marketfeed.exchanges.message import Before, Best, Levels, Numbering, OneOf, Wire, message

INTERVALS = {"1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h", "240": "4h", "360": "6h",
             "720": "12h", "D": "1d", "W": "1w", "M": "1M"}  # fmt: skip
DEPTHS = (50, 200, 1000)
"""Levels a side of a book (websocket/public/orderbook.mdx, 2026-07-24). That of one level is the channel bbo."""

_FLAG = {"true": True, "false": False}
_TAKER = {"Buy": "buy", "Sell": "sell"}

# Ids of spot are numbers that rise (recorded, 2026-08-09); those of derivatives are UUIDs. `seq` may be that of several.
_SPOT_TRADE = message("trades", "publicTrade.{symbol}", at="data", numbering=Numbering.RISING, ts="T", id="i", price="p",
                      size="v", side=OneOf("S", _TAKER))  # fmt: skip
_TRADE = message("trades", "publicTrade.{symbol}", at="data", numbering=Numbering.UNIQUE, ts="T", id="i", price="p",
                 size="v", side=OneOf("S", _TAKER))  # fmt: skip
# Snapshots only since 2025-03-20, sent again every 3 s with the same `u`; in deltas of before a side that is not named has no
# news, and what was best is removed beside what is now. A side that is empty has no best price.
_BBO = message("bbo", "orderbook.1.{symbol}", at="data", numbering=Numbering.RISING, ts="../cts|../ts", seq="u",
               bid_price=Best("b", "0", "../type", "snapshot"), bid_size=Best("b", "1", "../type", "snapshot"),
               ask_price=Best("a", "0", "../type", "snapshot"), ask_size=Best("a", "1", "../type", "snapshot"))  # fmt: skip
# `u` rises by one with each message; 1 is a restart of the service, and so a snapshot whatever `type` says. The depth of 500
# was removed on 2025-09-11.
_BOOK = message("book", *(f"orderbook.{depth}.{{symbol}}" for depth in (200, 50, 1000, 500)), at="data",
                numbering=Numbering.CHAINED, ts="../cts|../ts",
                snapshot=OneOf("u", {"1": True}, otherwise=OneOf("../type", {"snapshot": True, "delta": False})),
                bids=Levels("b"), asks=Levels("a"), seq="u", prev_seq=Before("u"))  # fmt: skip
_CANDLE = message("candles", "kline.{interval}.{symbol}", at="data", ts="timestamp", open_time="start", close_time="end?",
                  open="open", high="high", low="low", close="close", volume="volume", quote_volume="turnover",
                  closed=OneOf("confirm", _FLAG))  # fmt: skip
_SPOT_TICKER = message("ticker", "tickers.{symbol}", at="data", ts="../ts", last="lastPrice", open="prevPrice24h",
                       high="highPrice24h", low="lowPrice24h", volume="volume24h", quote_volume="turnover24h")  # fmt: skip
# Those of derivatives are deltas after the first: what is missing is unchanged.
_TICKER = message("ticker", "tickers.{symbol}", at="data", keeps=True, ts="../ts", last="lastPrice?", open="prevPrice24h?",
                  high="highPrice24h?", low="lowPrice24h?", volume="volume24h?", quote_volume="turnover24h?")  # fmt: skip
_DERIVATIVE = message("derivative", "tickers.{symbol}", at="data", ts="../ts", mark_price="markPrice?",
                      index_price="indexPrice?", funding_rate="fundingRate?", next_funding_time="nextFundingTime?",
                      open_interest="openInterest?")  # fmt: skip
# S is the side of the position, so the order that liquidates it is the other one; p is the bankruptcy price.
_LIQUIDATION = message("liquidations", "allLiquidation.{symbol}", at="data", ts="T", price="p", size="v",
                       side=OneOf("S", {"Buy": "sell", "Sell": "buy"}))  # fmt: skip

_DERIVATIVES = (_TRADE, _BBO, _BOOK, _CANDLE, _TICKER, _DERIVATIVE, _LIQUIDATION)
SPOT = Wire(("topic",), (_SPOT_TRADE, _BBO, _BOOK, _CANDLE, _SPOT_TICKER), INTERVALS)
LINEAR = Wire(("topic",), _DERIVATIVES, INTERVALS)
INVERSE = Wire(("topic",), _DERIVATIVES, INTERVALS, contracts=True)

# ---- REST bodies ----------------------------------------------------------------------------------------------------------

SPOT_HISTORY = message("trades", at="result/list", numbering=Numbering.RISING, ts="time", id="execId", price="price",
                       size="size", side=OneOf("side", _TAKER))  # fmt: skip
HISTORY = message("trades", at="result/list", numbering=Numbering.UNIQUE, ts="time", id="execId", price="price", size="size",
                  side=OneOf("side", _TAKER))  # fmt: skip
