"""The same small run of each exchange over TLS, by the other transport, and through a proxy.

`MARKETFEED_MARKETS=all`: every market, and the other transport on all ways.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from exchange_run import running
from proxies import HttpProxy

CHANNELS = ("trades", "bbo", "book", "candles.1m", "ticker")
WAYS = [("tls", "picows"), ("proxy", "picows"), ("plain", "websockets")]
if os.environ.get("MARKETFEED_MARKETS") == "all":
    WAYS += [("tls", "websockets"), ("proxy", "websockets")]


@pytest.fixture
async def proxy() -> AsyncIterator[HttpProxy]:
    made = HttpProxy()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(made.serving())
        yield made


@pytest.mark.parametrize(("way", "transport"), WAYS)
async def test_all_arrives_whatever_the_way(
    tmp_path: Path,
    exchange: str,
    market: str,
    transport: str,
    way: str,
    server_tls: ssl.SSLContext,
    ca_file: Path,
    proxy: HttpProxy,
) -> None:
    source: dict[str, Any] = {"transport": transport}
    options: dict[str, Any] = {}
    if way == "tls":
        options = {"tls": server_tls, "env": {"SSL_CERT_FILE": str(ca_file)}}
    if way == "proxy":
        source["proxy"] = {"url": f"http://127.0.0.1:{proxy.port}"}
    async with running(tmp_path, exchange, market, channels=CHANNELS, source=source, **options) as run:
        await run.live()
        await run.flow(200)
        run.sim.cut()
        await run.live()
        await run.flow(100)
        await run.settle()
        assert bool(proxy.asked) is (way == "proxy")
