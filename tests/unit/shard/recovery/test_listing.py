from __future__ import annotations

import asyncio
import gc

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed_shard.recovery.listing import Gathering


async def test_a_list_that_is_given_up_leaves_nothing_for_the_event_loop_to_end() -> None:
    before = asyncio.all_tasks()
    gathering = Gathering(MARKETS["binance", "spot"])
    assert gathering.call.path.startswith("/api/v3/exchangeInfo")
    gathering.close()
    del gathering
    gc.collect()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
