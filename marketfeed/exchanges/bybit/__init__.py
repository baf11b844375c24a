"""Bybit v5: spot, linear (USDT and USDC contracts) and inverse. The market is in the path, the frames do not repeat it.

Sources: the exchange's repository `docs`, folder `docs/v5`, of 2026-07-24.
"""

from marketfeed.exchanges.bybit.markets import INVERSE, LINEAR, SPOT

MARKETS = (SPOT, LINEAR, INVERSE)
