from __future__ import annotations

from decimal import Decimal

from marketfeed.resource import SymbolSelector
from marketfeed.selection import ListAddress, Listing, select, unlisted
from marketfeed.symbols import Instrument
from marketfeed.validation import parse


def listing(volumes: dict[str, int] | None = None, halted: tuple[str, ...] = ()) -> Listing:
    """Ten bases against USDT and one against BTC, A0 with the highest volume unless told otherwise."""
    pairs = [(f"A{i}", "USDT") for i in range(10)] + [("A0", "BTC")]
    instruments = [
        Instrument(f"{base}-{quote}", base + quote, base, quote, "TRADING", base not in halted) for base, quote in pairs
    ]
    known = {f"A{i}USDT": 100 - i for i in range(10)} if volumes is None else volumes
    return Listing.of(instruments, {native: Decimal(volume) for native, volume in known.items()})


def test_quote_and_globs_choose() -> None:
    assert select(SymbolSelector(quote=("BTC",)), listing()) == ["A0-BTC"]
    assert select(SymbolSelector(include=("A[01]-*",), exclude=("*-BTC",)), listing()) == ["A0-USDT", "A1-USDT"]
    assert len(select(SymbolSelector(), listing())) == 11


def test_a_limit_takes_the_highest_volumes() -> None:
    chosen = select(SymbolSelector(quote=("USDT",), limit=3), listing({"A7USDT": 9, "A3USDT": 8, "A5USDT": 7, "A1USDT": 6}))
    assert chosen == ["A7-USDT", "A3-USDT", "A5-USDT"]


def test_a_member_leaves_only_below_one_and_a_half_times_the_limit() -> None:
    selector = SymbolSelector(quote=("USDT",), limit=4)
    assert select(selector, listing(), {"A5-USDT"}) == ["A0-USDT", "A1-USDT", "A2-USDT", "A5-USDT"]  # rank 6 of 6
    assert select(selector, listing(), {"A6-USDT"}) == ["A0-USDT", "A1-USDT", "A2-USDT", "A3-USDT"]  # rank 7


def test_a_smaller_limit_keeps_the_members_of_the_highest_volume() -> None:
    assert select(SymbolSelector(quote=("USDT",), limit=2), listing(), {"A0-USDT", "A1-USDT", "A2-USDT"}) == [
        "A0-USDT",
        "A1-USDT",
    ]


def test_what_does_not_trade_is_not_chosen_but_stays_while_it_is_listed() -> None:
    halted = listing(halted=("A1",))
    assert "A1-USDT" not in select(SymbolSelector(), halted)
    assert "A1-USDT" in select(SymbolSelector(), halted, {"A1-USDT", "GONE-USDT"})
    assert "GONE-USDT" not in select(SymbolSelector(), halted, {"A1-USDT", "GONE-USDT"})


def test_without_volumes_members_stay_and_others_follow_by_name() -> None:
    assert select(SymbolSelector(quote=("USDT",), limit=2), listing({}), {"A9-USDT"}) == ["A9-USDT", "A0-USDT"]


def test_symbols_that_are_not_listed_are_named_with_the_near_one() -> None:
    feed = parse(
        {
            "apiVersion": "marketfeed.dev/v1alpha1",
            "kind": "MarketFeed",
            "metadata": {"name": "feed"},
            "spec": {
                "sources": [
                    {"exchange": "binance", "market": "spot", "symbols": ["A0-USDT", "A0-USDD"], "channels": ["trades"]},
                    {"exchange": "binance", "market": "spot", "symbolSelector": {"quote": ["XYZ"]}, "channels": ["trades"]},
                ],
                "publishers": {"grpc": {}},
            },
        }
    )
    lists = {ListAddress.of(source): listing() for source in feed.spec.sources}
    assert [(p.path, p.code) for p in unlisted(feed, lists)] == [
        ("spec.sources[0].symbols[1]", "SymbolsUnknown"),
        ("spec.sources[1].symbolSelector", "SymbolsUnknown"),
    ]
    assert "did you mean A0-USDT?" in str(unlisted(feed, lists)[0])
    assert unlisted(feed, {}) == []
