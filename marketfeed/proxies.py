"""The address of a proxy, and never its password in a text."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import quote, unquote, urlsplit

from marketfeed.addresses import url_fault
from marketfeed.source_rules import PROXY_SCHEMES

_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}

_LONGEST: Final = 255
"""Bytes of a name or a password that SOCKS can carry (RFC 1929)."""


class ProxyAddressError(Exception):
    """The proxy's address cannot be used; the message never tells what it is."""


@dataclass(frozen=True, slots=True)
class ProxyUrl:
    """A proxy's address. Shown as text it has no credentials."""

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `ProxyAddressError`."""
        if url_fault(text, PROXY_SCHEMES) is not None:
            raise ProxyAddressError(f"the proxy's address is no URL with {', '.join(PROXY_SCHEMES)}, a host and a port")
        parts = urlsplit(text)
        host = parts.hostname or ""
        port = parts.port or _PORTS[parts.scheme]
        if parts.username is None:
            return cls(parts.scheme, host, port)
        username, password = unquote(parts.username), unquote(parts.password or "")
        if not (username + password).isascii() or ":" in username or max(len(username), len(password)) > _LONGEST:
            raise ProxyAddressError("the proxy's user or password is too long, or has characters that proxies do not know")
        return cls(parts.scheme, host, port, username, password)

    @property
    def socks(self) -> bool:
        """Whether it speaks SOCKS, else HTTP."""
        return self.scheme.startswith("socks")

    @property
    def looks_up_names(self) -> bool:
        """Whether it gets the exchange's name; else, with socks5, an address that was looked up here."""
        return self.scheme != "socks5"

    @property
    def authorization(self) -> str | None:
        """Credentials for HTTP (RFC 7617); not to be shown."""
        if self.username is None:
            return None
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    def __str__(self) -> str:
        return f"{self.scheme}://{self._authority}"

    def with_credentials(self) -> str:
        """The whole URL, for a library; not to be shown."""
        if self.username is None:
            return str(self)
        return f"{self.scheme}://{quote(self.username, '')}:{quote(self.password or '', '')}@{self._authority}"

    def http_options(self, url: str) -> dict[str, Any]:
        """What an aiohttp call of this URL takes to go through it, where it speaks HTTP.

        Its credentials go with CONNECT, or with the call where there is none.
        """
        headers = {} if self.authorization is None else {"Proxy-Authorization": self.authorization}
        return {"proxy": str(self), "proxy_headers" if url.startswith("https:") else "headers": headers}

    @property
    def _authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
