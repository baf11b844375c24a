"""A batch as its sink's bytes: RESP commands for Redis, a repeated field for gRPC.

Compiled where that is built, else in plain Python; both write the same bytes. Raises `ValueError` for an index that does
not fit its data or the streams.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from marketfeed_shard import compiled
from marketfeed_shard.streams.batch import END, SLOT, START, WIDTH

EVENTS_TAG = b"\x0a"
"""Of the field `events` of the message `EventBatch`: number 1, length-delimited."""


def publish_prefix(channel: str) -> bytes:
    """A PUBLISH to this channel, up to the length of its message."""
    name = channel.encode()
    return b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$" % (len(name), name)


def varint(value: int) -> bytes:
    """An unsigned integer as Protobuf writes it."""
    written = bytearray()
    while value >= 128:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)


def plain_resp(data: bytes, index: array[int], prefixes: list[bytes]) -> bytes:
    """One command an event, each begun by its slot's prefix."""
    parts = []
    for at in range(0, len(index), WIDTH):
        slot, event = _event(data, index, at, len(prefixes))
        parts.append(b"%b%d\r\n%b\r\n" % (prefixes[slot], len(event), event))
    return b"".join(parts)


def plain_protobuf(data: bytes, index: array[int], mask: bytes) -> tuple[bytes, int]:
    """(the field `events` of those events whose slot is not 0 in the mask, their number)."""
    parts = []
    for at in range(0, len(index), WIDTH):
        slot, event = _event(data, index, at, len(mask))
        if mask[slot]:
            parts.append(EVENTS_TAG + varint(len(event)) + event)
    return b"".join(parts), len(parts)


def _event(data: bytes, index: array[int], at: int, slots: int) -> tuple[int, bytes]:
    slot, start, end = index[at + SLOT], index[at + START], index[at + END]
    if start < 0 or end < start or end > len(data) or slot < 0:
        raise ValueError("a batch's index lies outside of its data")
    if slot >= slots:
        raise ValueError("a batch names a slot without a stream")
    return slot, data[start:end]


resp: Callable[[bytes, array[int], list[bytes]], bytes] = plain_resp
protobuf: Callable[[bytes, array[int], bytes], tuple[bytes, int]] = plain_protobuf

_compiled = compiled.module("publishers._framing")
if _compiled is not None:
    resp, protobuf = _compiled.resp, _compiled.protobuf
