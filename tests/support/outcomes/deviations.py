"""The one table of what other projects' outcomes tell and ours do not, or otherwise, each with its reason."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

from outcomes.compared import Case


class Deviation(NamedTuple):
    """What is not the same."""

    cases: str
    """Pattern of `style exchange market channel number`."""
    fields: str
    """Pattern of what is compared; `*`: nothing of the case is."""
    why: str

    def is_about(self, case: Case, field: str) -> bool:
        return fnmatchcase(str(case), self.cases) and fnmatchcase(field, self.fields)


_EVENT_TIME = "theirs is the time of the message, ours that of the matching engine"
_RECEIPT = "without a time in the message theirs is that of receipt, ours null"
_BUFFERED = "it publishes a change when it has the snapshot before it; offline ours stand by themselves"
_DEEP_BOOK = "needs a login: not offered"
_PARTIAL = "snapshots of a few levels: not offered, a book is"
_UNITS = "it counts volume in the base currency and its worth in the quote currency, ours as the exchange does"
_NO_QUOTES = "it takes quotes from the ticker, ours from their own stream"

DEVIATIONS = (
    # ---- other protocols, and channels that are not offered ----
    Deviation("* kraken-futures *", "*", "not offered: the documented feed ends in 2027"),
    Deviation("* kraken-v1 *", "*", "an older protocol; its checksums are under test"),
    Deviation("* okx * books-l2-tbt *", "*", _DEEP_BOOK),
    Deviation("* okx * books5 *", "*", _PARTIAL),
    Deviation("* binance spot depth-partial *", "*", _PARTIAL),
    Deviation("crypto-msg-parser binance * depthUpdate 01[78]", "*", _PARTIAL),
    Deviation("crypto-msg-parser binance inverse depthUpdate 020", "*", _PARTIAL),
    Deviation("* binance * t*_all *", "*", "a channel of options"),
    Deviation("* bybit * liquidation *", "*", "ended: allLiquidation took its place"),
    Deviation("tardis okx * liquidations *", "*", "a channel that tardis made of REST answers"),
    Deviation("tardis binance linear openInterest *", "*", "made by tardis of a REST answer, without the time that it tells"),
    Deviation("* okx * open_interest *", "*", "over REST; ours come from the stream"),
    Deviation("* okx * l2_snapshot *", "*", "over REST, of 2022: without seqId a book cannot begin with it"),
    Deviation("nautilus binance linear markPriceUpdate 048", "*", "asserts a moving average, which no event of ours has"),
    Deviation("tardis kraken spot book 102", "*", "a stock: its symbol AAPLx has a lower-case letter, ours have none"),
    # ---- what is published when ----
    Deviation("tardis okx linear bbo-tbt 031", "book_ticker", "it takes quotes from this stream since 2022-05-06"),
    Deviation("tardis binance * depthUpdate 04[67]", "book_change", _BUFFERED),
    Deviation("tardis binance * depthUpdate 055", "book_change", _BUFFERED),
    Deviation("tardis binance * depthSnapshot* 048", "book_change.bids", "the changes before it are merged into it"),
    Deviation("tardis binance * depthSnapshot* 056", "book_change.[ab]*s", "the changes before it are merged into it"),
    Deviation("tardis binance linear aggTrade *", "trade", "it takes trades from @trade"),
    Deviation("tardis binance linear trade 060", "trade", "it leaves out trades of the insurance fund"),
    Deviation("tardis kraken spot trade 100", "trade", "trades from before the subscription: live, ours asks for none"),
    Deviation("tardis bybit linear allLiquidation 125", "liquidation", "it takes them from this stream since 2025-02-26"),
    Deviation("* okx * tickers *", "book_ticker", _NO_QUOTES),
    Deviation("nautilus okx spot tickers *", "*_price", _NO_QUOTES),
    Deviation("nautilus okx spot tickers *", "*_size", _NO_QUOTES),
    Deviation("tardis okx linear * *", "derivative_ticker.indexPrice", "an index counts for those who follow it: live only"),
    Deviation("tardis binance linear markPriceUpdate *", "derivative_ticker.openInterest", "told by the case left out above"),
    # ---- times and units ----
    Deviation("tardis binance * bookTicker 0[67]*", "book_ticker.timestamp", _EVENT_TIME),
    Deviation("tardis binance linear depthUpdate *", "book_change.timestamp", _EVENT_TIME),
    Deviation("crypto-msg-parser binance *", "*.timestamp", _EVENT_TIME),
    Deviation("tardis binance spot bookTicker *", "book_ticker.timestamp", _RECEIPT),
    Deviation("tardis binance * depthSnapshot*", "book_change.timestamp", _RECEIPT),
    Deviation("tardis okx linear funding-rate *", "derivative_ticker.timestamp", _RECEIPT),
    Deviation("tardis okx linear * 02[89]", "derivative_ticker.timestamp", "theirs is the latest that it saw, by receipt"),
    Deviation("nautilus okx spot candle1D *", "bar.ts_event", "theirs is the time of opening here, ours that of closing"),
    Deviation("crypto-msg-parser * inverse * *", "candlestick_msg.*volume", _UNITS),
    Deviation("crypto-msg-parser okx linear candle1m *", "candlestick_msg.volume", _UNITS),
    Deviation("crypto-msg-parser okx spot candle1m *", "candlestick_msg.quote_volume", "rows of 2022 lack the column it is in"),
)


def deviations(case: Case, field: str) -> list[Deviation]:
    """Why this field of a case may differ; `*`: why nothing of it is compared."""
    return [row for row in DEVIATIONS if row.is_about(case, field)]
