"""The events that marketfeed publishes: their types, their fields in order, and what each field holds.

One JSON object per event: the keys of `HEAD`, then the fields of its type in the order given here, then those of
`OPTIONAL` that it has. Prices, sizes and rates are the exchange's own decimal text. Times are integer nanoseconds since
the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final


class Kind(Enum):
    """What a field holds, and so how a text of the exchange is checked and written."""

    DECIMAL = "decimal"
    """A number, kept as the exchange's text; an exponent is written out."""
    TEXT = "text"
    """Any text, such as an identifier; a JSON number is taken as its text."""
    INTEGER = "integer"
    """A JSON integer."""
    TIME = "time"
    """Nanoseconds since the epoch; the exchanges tell ms, µs or RFC 3339."""
    WORD = "word"
    """One of few values that the declaration itself names: a side, a flag, an interval."""
    LEVELS = "levels"
    """Price levels: `[[price, size], …]`, both decimal text."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event."""

    name: str
    kind: Kind
    meaning: str


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event: the channel it comes on and its own fields, in the order in which they are written."""

    name: str
    channel: str
    fields: tuple[Field, ...]
    position: str | None = None
    """The field that tells where in its stream an event stands, where the exchange numbers them."""
    omits_absent: bool = False
    """True: a field that the exchange does not tell is left out; else it is written as null."""


class GapReason(StrEnum):
    """Why events of a stream are, or may be, missing."""

    STARTED = "started"
    """The shard, or this stream in it, begins; `n` begins anew with this event."""
    DISCONNECTED = "disconnected"
    """The connection was lost and made again."""
    SEQUENCE = "sequence"
    """The exchange's own numbering has a hole."""
    CHECKSUM = "checksum"
    """The book's checksum did not fit."""
    BACKFILL = "backfill"
    """Missed trades could not be fetched."""
    DROPPED = "dropped"
    """A publisher could not deliver: its sink was away or too slow."""


def _decimal(name: str, meaning: str) -> Field:
    return Field(name, Kind.DECIMAL, meaning)


TS: Final = Field("ts", Kind.TIME, "when the exchange says that it happened, else when it sent the message, else null")

HEAD: Final = (
    Field("type", Kind.WORD, "the event's type"),
    Field("exchange", Kind.WORD, "binance, bybit, okx or kraken"),
    Field("market", Kind.WORD, "spot, linear or inverse"),
    Field("channel", Kind.WORD, "trades, bbo, book, candles.<interval>, ticker, derivative, liquidations, instruments"),
    Field("symbol", Kind.TEXT, "normalised: BTC-USDT, BTC-USDT-PERP, BTC-USDT-261225"),
    TS,
    Field("recv", Kind.TIME, "wall clock at the socket read; null offline"),
    Field("n", Kind.INTEGER, "counts the events of a stream as published, gaps included; null offline"),
)

OPTIONAL: Final = (
    Field("depth", Kind.INTEGER, "levels a side, on snapshots of a book that is cut"),
    Field("size_unit", Kind.WORD, "`contracts` where sizes count contracts"),
    Field("count", Kind.INTEGER, "fills that the exchange joined into this trade"),
    Field("backfill", Kind.WORD, "true: fetched afterwards over REST"),
)

TRADE: Final = EventType(
    "trade",
    "trades",
    (
        Field("id", Kind.TEXT, "the exchange's trade id"),
        _decimal("price", "in the quote asset"),
        _decimal("size", "in the base asset, or contracts"),
        Field("side", Kind.WORD, "buy or sell: the taker's"),
    ),
    position="id",
)
BBO: Final = EventType(
    "bbo",
    "bbo",
    (
        _decimal("bid_price", "best bid"),
        _decimal("bid_size", "size at the best bid"),
        _decimal("ask_price", "best ask"),
        _decimal("ask_size", "size at the best ask"),
        Field("seq", Kind.INTEGER, "the exchange's sequence number"),
    ),
    position="seq",
)
BOOK: Final = EventType(
    "book",
    "book",
    (
        Field("snapshot", Kind.WORD, "true: replaces the book; false: changes it"),
        Field("bids", Kind.LEVELS, "absolute sizes; zero removes the level"),
        Field("asks", Kind.LEVELS, "absolute sizes; zero removes the level"),
        Field("seq", Kind.INTEGER, "sequence number after this event"),
        Field("prev_seq", Kind.INTEGER, "sequence number that it applies to; null on snapshots"),
    ),
    position="seq",
)
CANDLE: Final = EventType(
    "candle",
    "candles",
    (
        Field("interval", Kind.WORD, "1s to 1M"),
        Field("open_time", Kind.TIME, "first instant"),
        Field("close_time", Kind.TIME, "last millisecond inside"),
        _decimal("open", "first price"),
        _decimal("high", "highest price"),
        _decimal("low", "lowest price"),
        _decimal("close", "last price so far"),
        _decimal("volume", "in the base asset, or contracts"),
        _decimal("quote_volume", "in the quote asset"),
        Field("closed", Kind.WORD, "true: final; null: the exchange does not tell"),
    ),
)
TICKER: Final = EventType(
    "ticker",
    "ticker",
    (
        _decimal("last", "last price"),
        _decimal("open", "price 24 h ago"),
        _decimal("high", "highest of 24 h"),
        _decimal("low", "lowest of 24 h"),
        _decimal("volume", "24 h, in the base asset, or contracts"),
        _decimal("quote_volume", "24 h, in the quote asset"),
    ),
)
DERIVATIVE: Final = EventType(
    "derivative",
    "derivative",
    (
        _decimal("mark_price", "mark price"),
        _decimal("index_price", "index price"),
        _decimal("funding_rate", "rate of the current period"),
        Field("next_funding_time", Kind.TIME, "the coming settlement"),
        _decimal("open_interest", "open contracts, in the market's unit of size"),
    ),
    omits_absent=True,
)
LIQUIDATION: Final = EventType(
    "liquidation",
    "liquidations",
    (
        _decimal("price", "price of the order"),
        _decimal("average_price", "average price of its fills"),
        _decimal("size", "filled"),
        Field("side", Kind.WORD, "of the liquidating order: sell when a long is liquidated"),
        Field("id", Kind.TEXT, "the exchange's id"),
    ),
)
INSTRUMENT: Final = EventType(
    "instrument",
    "instruments",
    (
        Field("status", Kind.TEXT, "the exchange's own word; null: it lists the symbol no more"),
        _decimal("tick_size", "step of prices"),
        _decimal("lot_size", "step of sizes"),
        _decimal("contract_size", "what one contract is worth"),
        Field("contract_currency", Kind.TEXT, "in this currency"),
        Field("expiry", Kind.TIME, "of dated instruments"),
    ),
)
GAP: Final = EventType(
    "gap",
    "",
    (
        Field("reason", Kind.WORD, ", ".join(GapReason)),
        Field("from_seq", Kind.INTEGER, "first missing sequence number or trade id"),
        Field("to_seq", Kind.INTEGER, "last missing sequence number or trade id"),
        Field("from_ts", Kind.TIME, "receipt of the last event before"),
        Field("to_ts", Kind.TIME, "receipt of the first event after"),
    ),
)

BY_CHANNEL: Final = {t.channel: t for t in (TRADE, BBO, BOOK, CANDLE, TICKER, DERIVATIVE, LIQUIDATION, INSTRUMENT)}
"""The data event of each channel; `candles.1m` and the like stand under `candles`."""

SIZED: Final = frozenset({"trade", "bbo", "book", "candle", "ticker", "liquidation"})
"""Types that carry sizes, and so `size_unit` where these count contracts."""


def event_type(channel: str) -> EventType:
    """The type of data event that a channel carries: `candles.1m` → candle."""
    return BY_CHANNEL[channel.partition(".")[0]]
