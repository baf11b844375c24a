"""Recorded messages to events, each by itself, and a count of what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from marketfeed.encoding import encode
from marketfeed.exchanges.exchange import Market
from marketfeed.normalizer import Data, Ignored, Malformed, Normalizer, NotData
from marketfeed_cli.integrity import Integrity
from marketfeed_shard import kernel
from marketfeed_shard.kernel.offline import OfflineDecoder

MOST_NAMES: Final = 1000
"""Reasons told apart among what is ignored; they come from outside."""
SHOWN: Final = 8
"""Reasons, or lines, that a summary names."""
_TYPE_AT: Final = len(b'{"type":"')


@dataclass(slots=True)
class Counts:
    """What became of the messages."""

    events: Counter[str] = field(default_factory=Counter)
    """By type."""
    control: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    """By stream, or another reason."""
    failed: int = 0
    lines: list[int] = field(default_factory=list)
    """The first that failed."""

    def ignore(self, reason: str) -> None:
        self.ignored[reason if reason in self.ignored or len(self.ignored) < MOST_NAMES else "others"] += 1

    def fail(self, line: int) -> None:
        self.failed += 1
        if len(self.lines) < SHOWN:
            self.lines.append(line)

    def summary(self) -> str:
        """Four lines."""
        events = ", ".join(f"{kind} {count}" for kind, count in sorted(self.events.items()))
        names = ", ".join(f"{reason} {count}" for reason, count in self.ignored.most_common(SHOWN))
        more = "" if len(self.ignored) <= SHOWN else f", and {len(self.ignored) - SHOWN} more"
        lines = ", ".join(map(str, self.lines)) + (", …" if self.failed > len(self.lines) else "")
        return "\n".join(
            (
                f"events: {self.events.total()}" + (f" ({events})" if events else ""),
                f"control: {self.control}",
                f"ignored: {self.ignored.total()}" + (f" ({names}{more})" if names else ""),
                f"failed: {self.failed}" + (f" (lines {lines})" if lines else ""),
            )
        )


class Converter:
    """Decodes messages without subscription, book or candle state: `recv` and `n` are null, deltas stay deltas."""

    def __init__(
        self, market: Market, names: Callable[[str], str | None], compiled: bool, integrity: Integrity | None = None
    ) -> None:
        """Raises `LookupError` where the compiled engine is asked for and not there.

        `integrity`: looks at every message; it needs what the plain engine makes of it.
        """
        self.counts = Counts()
        self.wrong: list[str] = []
        """What was found wrong with the last message."""
        self.integrity = integrity
        self._control = market.control
        self._plain = Normalizer(market, names)
        self._compiled: OfflineDecoder | None = None
        if compiled:
            engine = kernel.load()
            if engine is None:
                raise LookupError("the compiled engine is not built here; a C compiler and `make setup` build it")
            self._compiled = OfflineDecoder(engine, market, self._plain)

    def convert(self, message: bytes) -> bytes:
        """The events of a message, each with a line feed after it. Raises `Malformed`."""
        events = None if self._compiled is None else self._compiled.decode(message)
        if events is None:
            return self._decode(message)
        if self.integrity is not None:
            self._look(self.integrity, self._plain.decode(message))
        counts = self.counts
        if events.count(b"\n") == 1:
            counts.events[events[_TYPE_AT : events.index(b'"', _TYPE_AT)].decode()] += 1
        elif events:
            counts.events.update(e[_TYPE_AT : e.index(b'"', _TYPE_AT)].decode() for e in events.splitlines())
        else:
            counts.ignore("without an event")
        return events

    def _decode(self, message: bytes) -> bytes:
        decoded = self._plain.decode(message)
        if self.integrity is not None:
            self._look(self.integrity, decoded)
        counts = self.counts
        if isinstance(decoded, Data):
            if not decoded.rows:
                counts.ignore("without an event")
            counts.events.update(row.event["type"] for row in decoded.rows)
            return b"".join(encode(row.event) + b"\n" for row in decoded.rows)
        if isinstance(decoded, Ignored):
            counts.ignore(decoded.reason)
        elif self._control(decoded.body) is not None:
            counts.control += 1
        else:
            raise Malformed("neither data nor a control message that is known")
        return b""

    def _look(self, integrity: Integrity, decoded: Data | Ignored | NotData) -> None:
        self.wrong = integrity.take(decoded.rows) if isinstance(decoded, Data) else []
        if isinstance(decoded, NotData) and (control := self._control(decoded.body)) is not None:
            integrity.control(control)
