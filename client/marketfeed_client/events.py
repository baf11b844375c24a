"""The events as typed dictionaries: what `docs/events.md` describes, for a type checker."""

# Without `from __future__ import annotations`, or a TypedDict would not know at run time which of its keys may be absent.
from typing import Literal, NotRequired, TypeAlias, TypedDict

Levels: TypeAlias = list[list[str]]
"""Price levels: `[[price, size], …]`, both decimal text."""


class _Head(TypedDict):
    exchange: str
    market: str
    channel: str
    symbol: str
    ts: int | None
    recv: int
    n: int


class _Sized(_Head):
    size_unit: NotRequired[Literal["contracts"]]


class Trade(_Sized):
    type: Literal["trade"]
    id: str | None
    price: str
    size: str
    side: Literal["buy", "sell"] | None
    count: NotRequired[int]
    backfill: NotRequired[bool]


class Bbo(_Sized):
    type: Literal["bbo"]
    bid_price: str | None
    bid_size: str | None
    ask_price: str | None
    ask_size: str | None
    seq: int | None


class Book(_Sized):
    type: Literal["book"]
    snapshot: bool
    bids: Levels
    asks: Levels
    seq: int | None
    prev_seq: int | None
    depth: NotRequired[int]


class Candle(_Sized):
    type: Literal["candle"]
    interval: str
    open_time: int
    close_time: int
    open: str
    high: str
    low: str
    close: str
    volume: str | None
    quote_volume: str | None
    closed: bool | None


class Ticker(_Sized):
    type: Literal["ticker"]
    last: str | None
    open: str | None
    high: str | None
    low: str | None
    volume: str | None
    quote_volume: str | None


class Derivative(_Head):
    type: Literal["derivative"]
    mark_price: NotRequired[str]
    index_price: NotRequired[str]
    funding_rate: NotRequired[str]
    next_funding_time: NotRequired[int]
    open_interest: NotRequired[str]


class Liquidation(_Sized):
    type: Literal["liquidation"]
    price: str | None
    average_price: str | None
    size: str | None
    side: Literal["buy", "sell"] | None
    id: str | None


class Instrument(_Head):
    """What the exchange's list says of a symbol has changed."""

    type: Literal["instrument"]
    status: str | None
    tick_size: str | None
    lot_size: str | None
    contract_size: str | None
    contract_currency: str | None
    expiry: int | None


class Gap(_Head):
    """Events of a stream are, or may be, missing."""

    type: Literal["gap"]
    reason: str
    from_seq: int | None
    to_seq: int | None
    from_ts: int | None
    to_ts: int | None


Event: TypeAlias = Trade | Bbo | Book | Candle | Ticker | Derivative | Liquidation | Instrument | Gap
"""Told apart by `type`. Types and optional fields may be added."""
