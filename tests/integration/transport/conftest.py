"""Every way to an exchange."""

from __future__ import annotations

import ssl
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trustme
import uvloop
from sockets import Bed, Way, bed

WAYS = [
    *(Way(library, tls, proxy) for library in ("picows", "websockets") for tls in (False, True) for proxy in (None, "http")),
    Way("websockets", True, "socks5"),
]


@pytest.fixture(params=WAYS, ids=str)
async def way(request: Any, server_tls: ssl.SSLContext, test_ca: trustme.CA) -> AsyncIterator[Bed]:
    """One of the ways: the test runs on each."""
    async with bed(request.param, server_tls, test_ca) as made:
        yield made


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], AbstractEventLoop]]:
    """The event loop that shards run on."""
    return {"uvloop": uvloop.new_event_loop}
