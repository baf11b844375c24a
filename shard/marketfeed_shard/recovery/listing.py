"""An instrument list, call by call: `marketfeed.listing.gather`, driven by hand instead of by an event loop."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from marketfeed.exchanges.exchange import Call, Market
from marketfeed.listing import gather
from marketfeed.selection import ListAddress, Listing


class Gathering:
    """One list on its way. Ask for `call`, hand its answer in, until there is a listing."""

    def __init__(self, market: Market) -> None:
        self._weight = max(call.weight for call in market.instruments.calls)
        self._steps = gather(ListAddress(market.exchange, market.name, ""), _Asked)
        self._path: str = self._steps.send(None)

    @property
    def call(self) -> Call:
        """What has to be asked for next. A further page may weigh as much as the dearest call."""
        return Call(self._path, self._weight)

    def answered(self, body: bytes) -> Listing | None:
        """The answer to `call`: the whole list, or null where there is another call. Raises `InstrumentsError`."""
        try:
            self._path = self._steps.send(body)
        except StopIteration as end:
            listing: Listing = end.value
            return listing
        return None

    def close(self) -> None:
        """There will be no list."""
        self._steps.close()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call that `gather` waits for."""

    path: str

    def __await__(self) -> Generator[str, bytes, bytes]:
        return (yield self.path)
