"""gRPC: a server in the shard, and a live stream for each client that comes."""

from __future__ import annotations

import asyncio
import socket
from random import random
from typing import Any

import grpc
import grpc.aio

from marketfeed.backoff import Backoff
from marketfeed.report import PublisherReport, PublisherState
from marketfeed.resource import Grpc as Spec
from marketfeed.resource import Tls
from marketfeed.stream_filter import StreamFilter
from marketfeed.v1.marketfeed_pb2 import DESCRIPTOR, ENCODING_JSON, ENCODING_UNSPECIFIED, SubscribeRequest
from marketfeed_shard.publishers.context import Context
from marketfeed_shard.publishers.grpc_subscriptions import Subscriptions
from marketfeed_shard.secrets import SecretError, Secrets
from marketfeed_shard.streams.batch import Batch

SERVICE = DESCRIPTOR.services_by_name["MarketData"].full_name
BASE_S, MOST_S = 0.5, 10.0
"""Bounds of the wait between attempts to listen."""
OPTIONS = (
    ("grpc.so_reuseport", 0),  # or two shards could share a port, and each get some of the clients
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


class Grpc:
    """The publisher `grpc`.

    A client gets each event at once while it keeps up. What it cannot take waits for it, at most `bufferBytes` and none
    longer than `maxAge`; then the oldest are dropped, and its next message tells how many it missed.
    """

    name = "grpc"

    def __init__(self, spec: Spec, context: Context) -> None:
        """Raises `ValueError` for what the manifest may ask and is not offered yet."""
        if spec.slow_client != "drop-oldest":
            raise ValueError(f"publishers.grpc.slowClient: {spec.slow_client} is not offered yet; leave it out for drop-oldest")
        if spec.encoding != "json":
            raise ValueError(f"publishers.grpc.encoding: {spec.encoding} is not offered yet; leave it out for json")
        self.required = spec.required
        self._once_connected = asyncio.Event()
        self._spec = spec
        self._host = context.host
        self._secrets = context.secrets
        self._clock = context.clock
        self._subscriptions = Subscriptions(context.exchange, context.market, context.streams, spec.buffer_bytes, spec.max_age)
        self._wakers: set[asyncio.Event] = set()
        self._server: grpc.aio.Server | None = None
        self._state = PublisherState.CONNECTING
        self._error: str | None = None
        self._closing = False
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen; returns at once, tries on until `close`."""
        self._listening = asyncio.create_task(self._listen())

    async def connected(self) -> None:
        """Returns when it listens; waits for that as long as it takes."""
        await self._once_connected.wait()

    def put(self, batch: Batch) -> None:
        """Take a batch for every client there is. Never blocks, never raises."""
        self._subscriptions.put(batch, self._clock.monotonic())

    async def close(self, deadline_s: float) -> None:
        """Let the clients have what waits within so many seconds, then end their streams: what is left counts as dropped."""
        self._closing = True
        for waker in self._wakers:
            waker.set()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if self._server is not None:
            await self._server.stop(deadline_s)
        for subscription in self._subscriptions:
            subscription.abandon()

    def report(self) -> PublisherReport:
        """For `/status`."""
        now_s = self._clock.monotonic()
        members = list(self._subscriptions)
        oldest_s = min((s for m in members if (s := m.oldest_s()) is not None), default=now_s)
        return PublisherReport(
            self._state,
            sum(member.size_bytes for member in members),
            self._subscriptions.published,
            self._subscriptions.dropped,
            max(0.0, now_s - oldest_s),
            self._error,
        )

    # ---- the server --------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        backoff = Backoff(random, BASE_S, MOST_S)
        while True:
            try:
                self._server = await self._serve()
            except (OSError, SecretError, RuntimeError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                self._state, self._error = PublisherState.FAILED, f"cannot listen on {self._address()}: {reason}"
            else:
                self._state, self._error = PublisherState.CONNECTED, None
                self._once_connected.set()
                return
            next_s = backoff.failed(self._clock.monotonic())
            await asyncio.sleep(next_s - self._clock.monotonic())

    def _address(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._spec.port}"

    async def _serve(self) -> grpc.aio.Server:
        """A server that listens. Raises `OSError`, `SecretError`, gRPC's `RuntimeError`."""
        _try_to_bind(self._host, self._spec.port)
        server = grpc.aio.server(options=OPTIONS)
        handler = grpc.unary_stream_rpc_method_handler(self._subscribe, request_deserializer=SubscribeRequest.FromString)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Subscribe": handler}),))
        if self._spec.tls is None:
            server.add_insecure_port(self._address())
        else:
            server.add_secure_port(self._address(), _credentials(self._spec.tls, self._secrets))
        await server.start()
        return server

    async def _subscribe(self, request: SubscribeRequest, context: Any) -> None:
        """One client, until it leaves or we close: what waits goes out as one message, already encoded."""
        if request.encoding not in {ENCODING_UNSPECIFIED, ENCODING_JSON}:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"encoding {request.encoding} is not offered; JSON is")
        try:
            wanted = StreamFilter(request.exchange, request.market, tuple(request.channels), tuple(request.symbols))
        except ValueError as problem:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(problem))
            raise
        waker = asyncio.Event()
        subscription = self._subscriptions.add(wanted, waker.set)
        self._wakers.add(waker)
        try:
            # The headers tell the client that what is published from now on reaches it.
            await context.send_initial_metadata(())
            while True:
                waker.clear()
                message = subscription.take(self._clock.monotonic())
                if message is not None:
                    await context.write(message)
                    subscription.handed()
                elif self._closing:
                    return
                else:
                    await waker.wait()
        except grpc.aio.InternalError:
            pass  # the client left while it was being written to
        finally:
            self._wakers.discard(waker)
            if self._closing:  # a client that is cut off looks like one that left
                subscription.abandon()
            self._subscriptions.remove(subscription)


def _try_to_bind(host: str, port: int) -> None:
    """Raises `OSError` where the port cannot be had: gRPC itself does not tell why."""
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
        pass


def _credentials(tls: Tls, secrets: Secrets) -> grpc.ServerCredentials:
    """Raises `SecretError`."""
    if tls.cert_from is None or tls.key_from is None:
        raise SecretError("tls needs certFrom and keyFrom")
    chain = (secrets.text(tls.key_from).encode(), secrets.text(tls.cert_from).encode())
    client_ca = secrets.text(tls.client_ca_from).encode() if tls.client_ca_from is not None else None
    return grpc.ssl_server_credentials([chain], client_ca, require_client_auth=client_ca is not None)
