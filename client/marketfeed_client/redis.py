"""Events from Redis Pub/Sub."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

import orjson
from redis import asyncio as redis
from redis import exceptions
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from marketfeed.stream_filter import StreamFilter, is_glob
from marketfeed.templates import literals
from marketfeed_client.events import Event

MOST_PATTERNS = 64
"""Redis tries every pattern on every message: instead of more, one that takes too much, and the rest is left out here."""
CONNECT_S = 5.0
PING_S = 5.0
"""A server that is silent for so long is asked whether it is there."""
REFUSED = (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError)


def channel_names(template: str, wanted: StreamFilter) -> tuple[list[str], list[str]]:
    """(channels, patterns) to subscribe to, one of them empty: all that can carry what is selected, and perhaps more."""
    values: dict[str, Sequence[str]] = {
        "exchange": [wanted.exchange or "*"],
        "market": [wanted.market or "*"],
        "channel": sorted(set(wanted.channels)) or ["*"],
        "symbol": sorted(set(wanted.symbols)) or ["*"],
    }
    parts = literals(template)
    used = sorted(set(parts[1::2]), key=lambda name: -len(values[name]))
    exact = not any(is_glob(value) for name in used for value in values[name])
    if not exact:
        for name in used:
            if math.prod(len(values[other]) for other in used) > MOST_PATTERNS:
                values[name] = ["*"]
    names = []
    for combination in itertools.product(*(values[name] for name in used)):
        chosen = dict(zip(used, combination, strict=True))
        texts = [chosen[part] if i % 2 else part for i, part in enumerate(parts)]
        if not exact:
            texts = [_glob(text) if i % 2 and is_glob(text) else _escaped(text) for i, text in enumerate(texts)]
        names.append("".join(texts))
    return (names, []) if exact else ([], names)


async def connect(url: str, wanted: StreamFilter, template: str) -> AsyncGenerator[list[Event], None]:
    """Events of one connection. Raises `ConnectionError` when it breaks, `ValueError` for what is refused."""
    channels, patterns = channel_names(template, wanted)
    matches = wanted.matcher()
    try:
        server = redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=CONNECT_S)
    except ValueError:  # its text may hold a part of the password
        raise ValueError("the URL is none of the form redis://[user:password@]host[:port][/database]") from None
    first: dict[bytes, bytes | None] = {}
    """Channel → the pattern whose messages count, where several take them."""
    try:
        async with server, server.pubsub() as subscriber:
            if channels:
                await subscriber.subscribe(*channels)
            else:
                await subscriber.psubscribe(*patterns)
            yield []
            while True:
                message = await _next(subscriber)
                if message["type"] not in {"message", "pmessage"}:
                    continue
                if first.setdefault(message["channel"], message["pattern"]) != message["pattern"]:
                    continue
                event = _event(message)
                if matches(event["exchange"], event["market"], event["channel"], event["symbol"]):
                    yield [event]
    except REFUSED as error:
        raise ValueError(str(error)) from None
    except (exceptions.RedisError, OSError) as error:
        raise ConnectionError(str(error)) from error


async def _next(subscriber: PubSub) -> dict[str, Any]:
    """The next message of any kind. Raises redis-py's errors, `ConnectionError` for a server that answers no ping."""
    message = await subscriber.get_message(timeout=PING_S)
    if message is None:
        await subscriber.ping()
        message = await subscriber.get_message(timeout=PING_S)
    if message is None:
        raise ConnectionError(f"no answer within {PING_S:g} s")
    return dict(message)


def _event(message: dict[str, Any]) -> Event:
    """Raises `ValueError` for what marketfeed did not publish, or not as JSON."""
    try:
        event = orjson.loads(message["data"])
    except orjson.JSONDecodeError:
        event = None
    if not isinstance(event, dict) or not {"type", "exchange", "market", "channel", "symbol"} <= event.keys():
        raise ValueError(f"the channel {message['channel'].decode(errors='replace')} carries what is no event")
    return cast("Event", event)


def _glob(text: str) -> str:
    """A glob as Redis reads it: negation is written otherwise, and the backslash escapes."""
    return text.replace("\\", "\\\\").replace("[!", "[^")


def _escaped(text: str) -> str:
    return re.sub(r"([*?\[\]\\^])", r"\\\1", text)
