"""The publishers there are. A further one is a file beside this and a line in `MAKERS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from marketfeed.resource import Publishers
from marketfeed_shard.publishers.context import Context
from marketfeed_shard.publishers.grpc import Grpc
from marketfeed_shard.publishers.publisher import Publisher
from marketfeed_shard.publishers.redis_pubsub import RedisPubSub

MAKERS: Final[dict[str, Callable[[Any, Context], Publisher]]] = {
    "redisPubSub": RedisPubSub,
    "grpc": Grpc,
}


def create(spec: Publishers, context: Context) -> list[Publisher]:
    """The publishers that a manifest asks for. Raises `ValueError` for what is not offered yet."""
    made = []
    for field, info in Publishers.model_fields.items():
        part = getattr(spec, field)
        if part is None:
            continue
        name = info.alias or field
        if name not in MAKERS:
            raise ValueError(f"publishers.{name}: is not offered yet; there are {', '.join(MAKERS)}")
        made.append(MAKERS[name](part, context))
    return made
