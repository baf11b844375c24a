"""Binance: spot, USD-M futures (`linear`) and COIN-M futures (`inverse`), on their combined streams (`/stream`).

Sources: the page "WebSocket Streams for Binance" (web-socket-streams.md) and "General REST API information" (rest-api.md) of
2026-07-21; the pages of the derivatives, as stored in 2026 (developers.binance.com, usds-margined-futures and
coin-margined-futures); measurements of fstream.binance.com of 2026-07-30 and 2026-10-07. Where a measurement is stricter than
a page, it is the measurement that is kept.
"""

from marketfeed.exchanges.binance.futures import INVERSE, LINEAR
from marketfeed.exchanges.binance.spot import SPOT

MARKETS = (SPOT, LINEAR, INVERSE)
