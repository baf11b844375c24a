"""Events from a shard's gRPC server."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

import grpc
import grpc.aio
import orjson

from marketfeed.stream_filter import StreamFilter
from marketfeed.v1.marketfeed_pb2 import DESCRIPTOR, ENCODING_JSON, EventBatch, SubscribeRequest
from marketfeed_client.events import Event

METHOD = f"/{DESCRIPTOR.services_by_name['MarketData'].full_name}/Subscribe"
REFUSED = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED})
"""What the same request would meet again and again."""
OPTIONS = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.use_local_subchannel_pool", 1),  # or a new channel would sit out the backoff of the one before
)


async def connect(url: str, wanted: StreamFilter, template: str) -> AsyncGenerator[list[Event], None]:
    """Batches of one connection. Raises `ConnectionError` when it breaks, `ValueError` when the server refuses the request."""
    request = SubscribeRequest(
        exchange=wanted.exchange,
        market=wanted.market,
        channels=wanted.channels,
        symbols=wanted.symbols,
        encoding=ENCODING_JSON,
    )
    async with grpc.aio.insecure_channel(urlsplit(url).netloc, options=OPTIONS) as channel:
        call = channel.unary_stream(
            METHOD, request_serializer=SubscribeRequest.SerializeToString, response_deserializer=EventBatch.FromString
        )(request)
        try:
            await call.initial_metadata()
            yield []
            async for batch in call:
                yield [orjson.loads(event) for event in batch.events]
        except grpc.aio.AioRpcError as error:
            if error.code() in REFUSED:
                raise ValueError(f"{url}: {error.details()}") from None
            raise ConnectionError(f"{url}: {error.code().name}: {error.details()}") from error
        finally:
            call.cancel()
