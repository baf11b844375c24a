"""Both engines over one market, side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketfeed.encoding import encode
from marketfeed.exchanges.exchange import Market
from marketfeed.normalizer import Data, Malformed, Normalizer
from marketfeed_shard import kernel
from marketfeed_shard.kernel.offline import OfflineDecoder

needs_kernel = pytest.mark.skipif(kernel.load() is None, reason="the compiled kernel is not built")


class Both:
    """The plain engine as the reference, the compiled one beside it."""

    def __init__(self, market: Market, names: Callable[[str], str | None]) -> None:
        engine = kernel.load()
        assert engine is not None
        self.plain = Normalizer(market, names)
        self.compiled = OfflineDecoder(engine, market, Normalizer(market, names))
        self.accepted = self.declined = 0

    def events(self, frame: bytes) -> list[dict[str, Any]] | None:
        """A message's events; None where it is malformed, or no data. Asserts that the engines agree."""
        compiled = self.compiled.decode(frame)
        events = self._plain(frame)
        if compiled is None:
            self.declined += 1
        else:
            self.accepted += 1
            assert events is not None, f"the compiled engine accepts what the plain one does not: {frame!r}"
            assert compiled == b"".join(encode(event) + b"\n" for event in events), frame
        return events

    def _plain(self, frame: bytes) -> list[dict[str, Any]] | None:
        try:
            decoded = self.plain.decode(frame)
        except Malformed:
            return None
        return [row.event for row in decoded.rows] if isinstance(decoded, Data) else None
