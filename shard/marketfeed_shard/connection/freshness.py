"""How long a stream of each channel may be silent before that says anything: its natural period. Data.

A stream is judged by its own pace (`pulse`), but never sooner than here.
"""

from __future__ import annotations

FLOORS_S = {
    "trades": 60.0,  # a busy symbol trades every second; a quiet one is told by its own pace
    "bbo": 60.0,  # changes more often than it trades
    "book": 90.0,  # OKX repeats one that does not change about every 60 s (docs-v5 order-book-channel, 2026-07)
    "candles": 120.0,  # once in two seconds where somebody trades, else not before the next one begins
    "ticker": 120.0,  # once a second where it changed, with trades only on Kraken
    "derivative": 120.0,  # mark prices come every second or so; OKX tells funding rates every 30 to 90 s
    "liquidations": float("inf"),  # rare by nature: silence is the good news
}
"""By channel, candles without their interval."""
LEAST_MESSAGES = {"trades": 20, "candles": 20}
"""Before so many messages the pace of a stream is not known that depends on what people trade; others: from the first one."""


def floor_s(channel: str) -> float:
    """For a channel of ours, candles with their interval."""
    return FLOORS_S[channel.partition(".")[0]]


def least_messages(channel: str) -> int:
    """How many messages tell the pace of a stream of this channel."""
    return LEAST_MESSAGES.get(channel.partition(".")[0], 1)
