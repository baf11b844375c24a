"""What Binance's streams and REST bodies hold, declared.

The symbol is taken from the record: a stream's name can disagree with it. Optional fields are those that older messages lack:
those of 2017 have no `U`, recorded ones of 2019 no trade id.
"""

from __future__ import annotations

from marketfeed.exchanges.message import Before, Levels, Message, Numbering, OneOf, Wire, message

SPOT_INTERVALS = {i: i for i in "1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M".split()}
FUTURES_INTERVALS = {i: i for i in SPOT_INTERVALS if i != "1s"}  # refused there: measured, 2026-10-07

_FLAG = {"true": True, "false": False}
_TAKER = OneOf("m", {"true": "sell", "false": "buy"})  # m: the buyer was the maker
_DEPTH = ("{symbol}@depth@100ms", "{symbol}@depth@{any}", "{symbol}@depth")

_AGG_TRADE = message("trades", "{symbol}@aggTrade", at="data", symbol="s", numbering=Numbering.CONSECUTIVE,
                     ts="T|E?", id="a?", price="p", size="q", side=_TAKER)  # fmt: skip
_BBO = message("bbo", "{symbol}@bookTicker", "!bookTicker", at="data", symbol="s", numbering=Numbering.RISING,
               ts="T|E?", bid_price="b", bid_size="B", ask_price="a", ask_size="A", seq="u?")  # fmt: skip
_CANDLE = message("candles", "{symbol}@kline_{interval}", at="data/k", symbol="s", ts="../E?", open_time="t", close_time="T?",
                  open="o", high="h", low="l", close="c", volume="v", quote_volume="q?",
                  closed=OneOf("x?", _FLAG))  # fmt: skip
_TICKER = message("ticker", "{symbol}@ticker", "!ticker@arr", at="data", symbol="s",
                  ts="E?", last="c?", open="o?", high="h?", low="l?", volume="v?", quote_volume="q?")  # fmt: skip

# ---- spot: the channel of trades is `@trade` ------------------------------------------------------------------------------

_SPOT_TRADE = message("trades", "{symbol}@trade", at="data", symbol="s", numbering=Numbering.CONSECUTIVE,
                      ts="T|E?", id="t?", price="p", size="q", side=_TAKER)  # fmt: skip
_SPOT_BOOK = message("book", *_DEPTH, at="data", symbol="s", numbering=Numbering.CHAINED, ts="E?", snapshot=False,
                     bids=Levels("b"), asks=Levels("a"), seq="u", prev_seq=Before("U?"))  # fmt: skip
SPOT = Wire(("stream",), (_SPOT_TRADE, _AGG_TRADE, _BBO, _SPOT_BOOK, _CANDLE, _TICKER), SPOT_INTERVALS)

# ---- futures: it is `@aggTrade`, the documented one -----------------------------------------------------------------------

# `@trade` is on no page, but served and recorded; a spent id comes with price 0 (measured, 2026-07-30) and is left
# out, so that its ids only rise.
_FUTURES_TRADE = message("trades", "{symbol}@trade", at="data", symbol="s", when="p", numbering=Numbering.RISING,
                         ts="T|E?", id="t?", price="p", size="q", side=_TAKER)  # fmt: skip
_FUTURES_BOOK = message("book", *_DEPTH, at="data", symbol="s", numbering=Numbering.CHAINED, ts="T|E?", snapshot=False,
                        bids=Levels("b"), asks=Levels("a"), seq="u", prev_seq="pu")  # fmt: skip
_MARK_PRICE = message("derivative", "{symbol}@markPrice@1s", "{symbol}@markPrice", "!markPrice@arr", "!markPrice@arr@1s",
                      at="data", symbol="s", ts="E", mark_price="p", index_price="i?", funding_rate="r?",
                      next_funding_time="T?")  # fmt: skip
# S is the side of the order that liquidates: SELL ends a long. The last one of a second is told, not all of them.
_LIQUIDATION = message("liquidations", "{symbol}@forceOrder", "!forceOrder@arr", at="data/o", symbol="s", ts="T|../E",
                       price="p", average_price="ap?", size="z", side=OneOf("S", {"SELL": "sell", "BUY": "buy"}))  # fmt: skip
_FUTURES = (_FUTURES_TRADE, _AGG_TRADE, _BBO, _FUTURES_BOOK, _CANDLE, _TICKER, _MARK_PRICE, _LIQUIDATION)
LINEAR = Wire(("stream",), _FUTURES, FUTURES_INTERVALS)
INVERSE = Wire(("stream",), _FUTURES, FUTURES_INTERVALS, contracts=True)

# ---- REST bodies ----------------------------------------------------------------------------------------------------------

SNAPSHOT: Message = message("book", at="", numbering=Numbering.CHAINED, ts="T|E?", snapshot=True,
                            bids=Levels("bids"), asks=Levels("asks"), seq="lastUpdateId")  # fmt: skip
SPOT_HISTORY: Message = message("trades", at="", numbering=Numbering.CONSECUTIVE, ts="time", id="id", price="price", size="qty",
                                side=OneOf("isBuyerMaker", {"true": "sell", "false": "buy"}))  # fmt: skip
FUTURES_HISTORY: Message = message("trades", at="", numbering=Numbering.CONSECUTIVE, ts="T", id="a", price="p", size="q",
                                   side=_TAKER)  # fmt: skip
OPEN_INTEREST: Message = message("derivative", at="", ts="time", open_interest="openInterest")
