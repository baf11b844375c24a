"""The client library: `async for event in subscribe("grpc://…")`."""

from marketfeed_client.events import Bbo, Book, Candle, Derivative, Event, Gap, Instrument, Liquidation, Ticker, Trade
from marketfeed_client.subscribe import subscribe

__all__ = ["Bbo", "Book", "Candle", "Derivative", "Event", "Gap", "Instrument", "Liquidation", "Ticker", "Trade", "subscribe"]
