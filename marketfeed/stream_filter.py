"""Which streams a consumer wants: by exchange and market, by channel and symbol with globs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import translate

MOST_GLOBS = 256
"""Of one list: a consumer's globs are tried on every stream."""


def is_glob(text: str) -> bool:
    """Whether a text stands for more than itself: it has `*`, `?` or `[`."""
    return any(mark in text for mark in "*?[")


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """What to get; an empty field takes all. `*`, `?` and `[…]` in channels and symbols are globs, case counts.

    Raises `ValueError` for more globs than `MOST_GLOBS` in a list.
    """

    exchange: str = ""
    market: str = ""
    channels: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, texts in (("channels", self.channels), ("symbols", self.symbols)):
            globs = sum(map(is_glob, texts))
            if globs > MOST_GLOBS:
                raise ValueError(f"{name} has {globs} globs, at most {MOST_GLOBS} are taken: name what is wanted")

    def matcher(self) -> Callable[[str, str, str, str], bool]:
        """A function of exchange, market, channel and symbol that tells whether a stream is wanted."""
        channel_wanted, symbol_wanted = _one_of(self.channels), _one_of(self.symbols)

        def wanted(exchange: str, market: str, channel: str, symbol: str) -> bool:
            return (
                self.exchange in {"", exchange}
                and self.market in {"", market}
                and channel_wanted(channel)
                and symbol_wanted(symbol)
            )

        return wanted


def _one_of(texts: Iterable[str]) -> Callable[[str], bool]:
    exact = frozenset(text for text in texts if not is_glob(text))
    globs = [text for text in texts if is_glob(text)]
    if not exact and not globs:
        return lambda _: True
    if not globs:
        return exact.__contains__
    matches = re.compile("|".join(translate(glob) for glob in globs)).match
    return lambda text: text in exact or matches(text) is not None
