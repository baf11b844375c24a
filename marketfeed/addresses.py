"""Addresses in a manifest, judged by their form alone: nothing is looked up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?").fullmatch


def url_fault(text: str, schemes: Sequence[str], *, bare: bool = False) -> tuple[str, str] | None:
    """(reason, way out) of a URL that cannot be used; `bare`: the exchange's own paths follow, so no query may."""
    example = f"write {' or '.join(f'{scheme}://' for scheme in schemes)} and host:port"
    if not text.isprintable() or " " in text or not text:
        return f"is no URL: {text!r}", example
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        return f"is no URL: {str(error)[:1].lower()}{str(error)[1:]}", example
    if parts.scheme not in schemes or "://" not in text:
        told = f"has the scheme {parts.scheme!r}" if "://" in text and parts.scheme else "has no scheme"
        return f"{told}; here it is {' or '.join(schemes)}", example
    if not _named(parts) or port == 0:
        return "names no host" if not parts.hostname else "has no usable host and port", example
    if bare and (parts.query or parts.fragment or "?" in text or "#" in text):
        return "has a query or a fragment, and the exchange's own paths follow it", "end it after host, port and path prefix"
    return None


def _named(parts: SplitResult) -> bool:
    return parts.hostname is not None and _HOST(parts.hostname) is not None


def host_port_fault(text: str, *, port_required: bool) -> tuple[str, str] | None:
    """(reason, way out) of a text that is not host:port."""
    example = "write host:port, such as broker-0:9092" if port_required else "write host or host:port"
    if "/" in text or "@" in text:
        return "is a URL or a path, not host:port", example
    fault = url_fault(f"tcp://{text}", ["tcp"])
    if fault is not None:
        return f"is no host:port: {text!r}", example
    if port_required and urlsplit(f"tcp://{text}").port is None:
        return "names no port", example
    return None


def host_and_port(text: str) -> tuple[str, int]:
    """What to listen on, written HOST:PORT; an IPv6 address stands in brackets. Raises `ValueError`: what is wrong with it."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise ValueError("is no address; write HOST:PORT, such as 127.0.0.1:8080")
    return host.removeprefix("[").removesuffix("]"), int(port)
