"""Redis Pub/Sub: one PUBLISH an event, at most once, lowest latency."""

from __future__ import annotations

import asyncio
import ssl
from random import random

from marketfeed.backoff import Backoff
from marketfeed.report import PublisherReport, PublisherState
from marketfeed.resource import RedisPubSub as Spec
from marketfeed.templates import fill
from marketfeed_shard.publishers.context import Context
from marketfeed_shard.publishers.framing import publish_prefix, resp
from marketfeed_shard.publishers.outbox import Outbox
from marketfeed_shard.publishers.redis_connection import RedisConnection, RedisError, Target, connect, target, told
from marketfeed_shard.publishers.replies import Replies
from marketfeed_shard.secrets import SecretError
from marketfeed_shard.streams.batch import Batch

WINDOW_BYTES = 1 << 20
"""Of events sent and not answered: what a broken connection costs at most."""
HANG_S = 5.0
"""How long a connection may owe an answer before it is replaced."""
TICK_S = 0.1
"""How often ages are looked at when nothing else happens."""
ANNOUNCE_EVERY_S = 1.0
"""While batches wait and some are still dropped, losses are announced at most so often."""
REFUSED_SHOWN_S = 5.0
"""How long after the last refusal of an event it is shown as this publisher's state."""
BASE_S, MOST_S = 0.1, 5.0
"""Bounds of the wait between attempts to connect."""


class RedisPubSub:
    """The publisher `redisPubSub`.

    Events go out as one write a batch. They wait here, not in the socket, when Redis is away or slow: at most `bufferBytes`,
    none longer than `maxAge`.
    """

    name = "redisPubSub"

    def __init__(self, spec: Spec, context: Context) -> None:
        """Raises `ValueError` for what the manifest may ask and is not offered yet."""
        if spec.sentinel is not None or spec.cluster:
            raise ValueError("publishers.redisPubSub: sentinel and cluster are not offered yet; give url or urlFrom")
        if spec.encoding != "json":
            raise ValueError(f"publishers.redisPubSub.encoding: {spec.encoding} is not offered yet; leave it out for json")
        self.required = spec.required
        self._once_connected = asyncio.Event()
        self._spec = spec
        self._context = context
        self._clock = context.clock
        self._announce = context.announce
        self._streams = context.streams
        self._prefixes: list[bytes] = []
        self._outbox = Outbox(spec.buffer_bytes, min(WINDOW_BYTES, spec.buffer_bytes), spec.max_age)
        self._connection: RedisConnection | None = None
        self._replies = Replies()
        self._backoff = Backoff(random, BASE_S, MOST_S, stable_s=MOST_S)
        self._state = PublisherState.CONNECTING
        self._error: str | None = None
        self._where: Target | None = None
        self._refused_s: float | None = None
        self._dropped_for: str | None = None
        self._announced_s = float("-inf")
        self._closed = False
        self._empty = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to connect; returns at once, goes on until `close`."""
        self._tasks = [asyncio.create_task(self._keep_connected()), asyncio.create_task(self._tick())]

    async def connected(self) -> None:
        """Returns when it has been connected once; waits for that as long as it takes."""
        await self._once_connected.wait()

    def put(self, batch: Batch) -> None:
        """Take a batch: sent at once where Redis takes it, else kept within the bounds. Never blocks, never raises."""
        if self._closed:
            self._outbox.dropped += len(batch)
            return
        now_s = self._clock.monotonic()
        self._outbox.put(batch, now_s)
        self._send(now_s)
        if self._outbox.waiting:
            self._outbox.trim(now_s)

    async def close(self, deadline_s: float) -> None:
        """Deliver what waits within so many seconds, then let go: what is left counts as dropped."""
        try:
            async with asyncio.timeout(deadline_s):
                while self._outbox.waiting or self._outbox.owed:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            pass  # what is left is counted below
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.abort()
            await connection.lost
        self._outbox.abandon()

    def report(self) -> PublisherReport:
        """For `/status`."""
        now_s = self._clock.monotonic()
        state, error = self._state, self._error
        if state is PublisherState.CONNECTED and self._refused_s is not None:
            if now_s - self._refused_s < REFUSED_SHOWN_S:
                state = PublisherState.FAILED
            else:
                self._refused_s = self._error = error = None
        box = self._outbox
        return PublisherReport(state, box.queued_bytes, box.published, box.dropped, box.lag_s(now_s), error)

    # ---- out and in --------------------------------------------------------------------------------------------------

    def _send(self, now_s: float) -> None:
        connection = self._connection
        if connection is None:
            return
        while not connection.paused and (batch := self._outbox.take(now_s)) is not None:
            if len(self._prefixes) < len(self._streams):
                self._name_channels()
            connection.transport.write(resp(batch.data, batch.index, self._prefixes))

    def _name_channels(self) -> None:
        exchange, market, template = self._context.exchange, self._context.market, self._spec.channel
        for stream in self._streams[len(self._prefixes) :]:
            name = fill(template, exchange=exchange, market=market, channel=stream.channel, symbol=stream.symbol)
            self._prefixes.append(publish_prefix(name))

    def _received(self, data: bytes) -> None:
        now_s = self._clock.monotonic()
        taken = False
        try:
            for answer in self._replies.feed(data):
                if isinstance(answer, int):
                    self._outbox.answered(answer, now_s)
                    taken = taken or answer > 0
                else:
                    self._outbox.refused(now_s)
                    self._refuse(answer, now_s)
        except ValueError as problem:
            self._drop_connection(str(problem))
            return
        self._send(now_s)
        if taken:
            self._announce_losses(now_s)
        self._note_empty()

    def _refuse(self, text: str, now_s: float) -> None:
        self._refused_s = now_s
        self._error = text if self._where is None else self._where.shown(text)
        if text.startswith("NOAUTH"):
            self._drop_connection(text)

    def _announce_losses(self, now_s: float) -> None:
        """Redis takes events: tell what it did not get. While more is being dropped, not for each drop."""
        due = not self._outbox.waiting or now_s - self._announced_s >= ANNOUNCE_EVERY_S
        if self._outbox.losses and due:
            self._announced_s = now_s
            self._announce(self._outbox.losses.take())

    def _note_empty(self) -> None:
        if not self._outbox.waiting and not self._outbox.owed:
            self._empty.set()

    # ---- the connection ----------------------------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        while True:
            self._state = PublisherState.CONNECTING
            try:
                self._where = None
                self._where = target(self._spec, self._context.secrets)
                connection = await connect(self._where)
            except (RedisError, SecretError, OSError, UnicodeError) as error:  # UnicodeError: of a host name
                self._error = told(error, self._where)
                lasting = isinstance(error, RedisError | SecretError | ssl.SSLError | UnicodeError)
                self._state = PublisherState.FAILED if lasting else PublisherState.BACKOFF
            else:
                self._connected(connection)
                await asyncio.wait({connection.lost})
                self._disconnected(connection.lost.result())
            next_s = self._backoff.failed(self._clock.monotonic())
            await asyncio.sleep(next_s - self._clock.monotonic())

    def _connected(self, connection: RedisConnection) -> None:
        now_s = self._clock.monotonic()
        self._backoff.succeeded(now_s)
        self._state, self._error, self._refused_s = PublisherState.CONNECTED, None, None
        self._replies = Replies()
        self._connection = connection
        connection.on_data = self._received
        connection.on_resume = lambda: self._send(self._clock.monotonic())
        self._once_connected.set()
        self._send(now_s)
        if not self._outbox.owed:  # nothing whose answer would show that it delivers again
            self._announce_losses(now_s)

    def _disconnected(self, reason: Exception | None) -> None:
        self._connection = None
        self._state = PublisherState.BACKOFF
        reason = reason or ConnectionResetError("the server closed the connection")
        self._error = self._dropped_for or told(reason, self._where)
        self._dropped_for = None
        self._refused_s = None
        self._outbox.broken()
        self._note_empty()

    def _drop_connection(self, why: str) -> None:
        if self._connection is not None:
            self._dropped_for = told(RedisError(why), self._where)
            self._connection.abort()
            self._connection = None

    async def _tick(self) -> None:
        """What no event brings about: ages run out, and a silent connection is found."""
        period_s = min(TICK_S, self._spec.max_age / 2)
        while True:
            await asyncio.sleep(period_s)
            now_s = self._clock.monotonic()
            self._outbox.trim(now_s)
            if self._connection is not None and self._outbox.owed and now_s - self._outbox.progress_s > HANG_S:
                self._drop_connection(f"no answer within {HANG_S:g} s")
            self._note_empty()
