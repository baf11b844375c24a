"""The proxy of an exchange's connections: its address, from the manifest or a Secret."""

from __future__ import annotations

from collections.abc import Callable

from marketfeed.proxies import ProxyAddressError, ProxyUrl
from marketfeed.resource import Proxy
from marketfeed_shard.secrets import Secrets

ProxyReader = Callable[[], ProxyUrl | None]
"""Gives the proxy for the next connection. Raises `ProxyAddressError` and `SecretError`."""


def reader(proxy: Proxy | None, secrets: Secrets, transport: str) -> ProxyReader:
    """The manifest's proxy; a Secret is read again for each connection."""
    if proxy is None:
        return lambda: None

    def read() -> ProxyUrl:
        text = proxy.url if proxy.url_from is None else secrets.text(proxy.url_from)
        address = ProxyUrl.parse(text or "")
        if address.socks and transport != "websockets":
            raise ProxyAddressError(f"a SOCKS proxy, which the transport {transport} does not have; set transport: websockets")
        return address

    return read
