"""Symbols as Bybit writes them (enum.mdx, 2026-07-24)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from marketfeed_simulator.listing import PERPETUAL, Listing

_MONTHS: Final = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_QUARTERS: Final = {3: "H", 6: "M", 9: "U", 12: "Z"}


def native(listing: Listing) -> str:
    """BTCUSDT; USDC perpetual BTCPERP; dated BTCUSDT-25DEC26, of USDC BTC-25DEC26; inverse BTCUSD, dated BTCUSDZ26."""
    pair = listing.base if listing.quote == "USDC" and listing.term else listing.base + listing.quote
    if not listing.term:
        return pair
    if listing.term == PERPETUAL:
        return f"{pair}PERP" if listing.quote == "USDC" else pair
    day = datetime.strptime(listing.term, "%y%m%d")
    if listing.inverse:
        return f"{pair}{_QUARTERS.get(day.month, 'Z')}{day:%y}"
    return f"{pair}-{day.day:02d}{_MONTHS[day.month - 1]}{day:%y}"
