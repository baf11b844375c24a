"""Events of a feed, from wherever it publishes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from random import random
from typing import Final
from urllib.parse import urlsplit

from marketfeed.backoff import Backoff
from marketfeed.resource import TEMPLATE
from marketfeed.stream_filter import StreamFilter
from marketfeed_client import grpc, redis
from marketfeed_client.events import Event

BASE_S, MOST_S = 0.1, 5.0
"""Bounds of the wait between attempts to connect."""

Connect = Callable[[str, StreamFilter, str], AsyncGenerator[list[Event], None]]
"""(url, wanted, template) → what arrives over one connection, until it breaks; raises `ConnectionError` then."""

TRANSPORTS: Final[dict[str, Connect]] = {"grpc": grpc.connect, "redis": redis.connect, "rediss": redis.connect}


def subscribe(
    url: str,
    *,
    exchange: str | None = None,
    market: str | None = None,
    channels: Iterable[str] | None = None,
    symbols: Iterable[str] | None = None,
    template: str = TEMPLATE,
) -> AsyncIterator[Event]:
    """Events as they are published, until the caller stops; what breaks is connected again, without end.

    `url`: `grpc://host:port` of a shard, or `redis://…` and `rediss://…` of the server that a feed publishes to by Pub/Sub,
    on channels named by `template`. What is None is not looked at; `channels` and `symbols` take globs. What was published
    while it was not connected is missing, and `n` tells how much.

    Raises `ValueError` for an unknown scheme, or what the server refuses for good.
    """
    scheme = urlsplit(url).scheme
    if scheme not in TRANSPORTS:
        raise ValueError(f"{scheme or 'no scheme'}: events come by {', '.join(f'{name}://' for name in TRANSPORTS)}")
    if isinstance(channels, str) or isinstance(symbols, str):
        raise TypeError("channels and symbols are lists of texts, not one text")
    wanted = StreamFilter(exchange or "", market or "", tuple(channels or ()), tuple(symbols or ()))
    return _events(TRANSPORTS[scheme], url, wanted, template)


async def _events(connect: Connect, url: str, wanted: StreamFilter, template: str) -> AsyncGenerator[Event, None]:
    loop = asyncio.get_running_loop()
    backoff = Backoff(random, BASE_S, MOST_S, stable_s=MOST_S)
    while True:
        began = True
        try:
            async with aclosing(connect(url, wanted, template)) as batches:
                async for batch in batches:
                    if began:
                        backoff.succeeded(loop.time())
                        began = False
                    for event in batch:
                        yield event
        except ConnectionError:
            pass  # tried again below; the events themselves tell what is missing
        next_s = backoff.failed(loop.time())
        await asyncio.sleep(next_s - loop.time())
