"""Text frames of a WebSocket server: written here as bytes, so that many go out in one write (RFC 6455, section 5.2)."""

from __future__ import annotations

_TEXT = 0x81
"""FIN and the opcode of text."""


def text_header(length_bytes: int) -> bytes:
    """What stands before a text of this length. A server does not mask."""
    if length_bytes < 126:
        return bytes((_TEXT, length_bytes))
    if length_bytes < 1 << 16:
        return bytes((_TEXT, 126)) + length_bytes.to_bytes(2, "big")
    return bytes((_TEXT, 127)) + length_bytes.to_bytes(8, "big")
