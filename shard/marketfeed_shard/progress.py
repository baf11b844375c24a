"""How far each stream was published, in a file that survives the process.

The file is mapped into memory and written when the last sink has answered for a batch, so that after a kill it tells to the
event what went out; the operating system keeps what was written. A shard that starts announces the gap from there.
"""

from __future__ import annotations

import mmap
import struct
from array import array
from dataclasses import dataclass
from pathlib import Path

from marketfeed_shard.batch import POSITION, SLOT, WIDTH, Batch
from marketfeed_shard.streams import UNKNOWN

_HEADER = struct.Struct("<8sq")
_MAGIC = b"mfprog1\n"
_NAME_BYTES = 112
_MARK = struct.Struct("<qq")
_RECORD_BYTES = _NAME_BYTES + _MARK.size


@dataclass(frozen=True, slots=True)
class Mark:
    """The last event of a stream that was published."""

    position: int
    """Its number by the exchange, or UNKNOWN."""
    received_ns: int


class Progress:
    """One mark a stream, by slot."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier process left at `path`; a file that is none of ours is replaced."""
        self._path = path
        self.known = _read(path)
        """Stream name → mark, as the earlier process left it."""
        self._names: list[str] = []
        self._map: mmap.mmap | None = None

    def resize(self, names: list[str]) -> None:
        """Give every stream its record, in the order of the slots; marks that are there are kept."""
        marks = {**self.known, **self.marks()}
        capacity = max(64, 2 * len(names))
        fresh = self._path.with_suffix(".new")
        with fresh.open("w+b") as file:
            file.truncate(_HEADER.size + capacity * _RECORD_BYTES)
            mapped = mmap.mmap(file.fileno(), 0)
        mapped[: _HEADER.size] = _HEADER.pack(_MAGIC, capacity)
        for slot, name in enumerate(names):
            at = _HEADER.size + slot * _RECORD_BYTES
            encoded = name.encode()
            if len(encoded) > _NAME_BYTES:
                raise ValueError(f"stream name longer than {_NAME_BYTES} bytes: {name}")
            mapped[at : at + len(encoded)] = encoded
            mark = marks.get(name, Mark(UNKNOWN, 0))
            _MARK.pack_into(mapped, at + _NAME_BYTES, mark.position, mark.received_ns)
        fresh.replace(self._path)
        if self._map is not None:
            self._map.close()
        self._map, self._names = mapped, list(names)

    def marks(self) -> dict[str, Mark]:
        """What is written now, for streams that have a mark."""
        return {} if self._map is None else _marks(self._map)

    def commit(self, batch: Batch) -> None:
        """All sinks have answered for these events."""
        mapped = self._map
        if mapped is None:
            return
        last: dict[int, int] = {}
        index: array[int] = batch.index
        for at in range(0, len(index), WIDTH):
            last[index[at + SLOT]] = index[at + POSITION]
        for slot, position in last.items():
            at = _HEADER.size + slot * _RECORD_BYTES + _NAME_BYTES
            _MARK.pack_into(mapped, at, position, batch.received_ns)

    def close(self) -> None:
        """Let go of the file; it stays."""
        if self._map is not None:
            self._map.close()
            self._map = None


def _read(path: Path) -> dict[str, Mark]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    return _marks(content)


def _marks(content: bytes | mmap.mmap) -> dict[str, Mark]:
    if len(content) < _HEADER.size or _HEADER.unpack_from(content)[0] != _MAGIC:
        return {}
    found = {}
    for at in range(_HEADER.size, len(content) - _RECORD_BYTES + 1, _RECORD_BYTES):
        name = content[at : at + _NAME_BYTES].rstrip(b"\0")
        position, received_ns = _MARK.unpack_from(content, at + _NAME_BYTES)
        if name and received_ns:
            found[name.decode(errors="replace")] = Mark(position, received_ns)
    return found
