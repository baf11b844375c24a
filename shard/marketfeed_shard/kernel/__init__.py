"""The declarations, compiled. Where the compiled modules are not there, the plain engine runs and says so."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, cast

from marketfeed.exchanges.exchange import Market
from marketfeed.normalizer import Normalizer
from marketfeed_shard import compiled
from marketfeed_shard.kernel.routes import LiveRoutes, Owner

if TYPE_CHECKING:
    from marketfeed_shard.kernel.plain import Engine


def load() -> ModuleType | None:
    """The compiled engine's module, or None where it is not built or not wanted."""
    return compiled.module("kernel._engine")


def compiled_engine(
    market: Market, normalizer: Normalizer, owner: Owner, latency_bounds_ms: Sequence[float] = ()
) -> Engine | None:
    """The engine that runs a market's declarations over the owner's streams, or None where there is no compiled one."""
    module = load()
    if module is None:
        return None
    routes = LiveRoutes(market, normalizer, owner)
    return cast("Engine", module.Engine(routes.tables, routes, latency_bounds_ms))
