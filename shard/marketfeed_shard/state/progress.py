"""How far each stream was published, in a file that survives the process.

The file is mapped into memory and written when the last sink has answered for a batch, so that after a kill it tells to the
event what went out; the operating system keeps what was written. A shard that starts announces the gap from there.
"""

from __future__ import annotations

import mmap
import struct
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from marketfeed_shard import compiled
from marketfeed_shard.streams.batch import POSITION, SLOT, WIDTH, Batch
from marketfeed_shard.streams.table import UNKNOWN

_HEADER = struct.Struct("<8sq")
_MAGIC = b"mfprog1\n"
_NAME_BYTES = 112
_MARK = struct.Struct("<qq")
_RECORD_BYTES = _NAME_BYTES + _MARK.size


def _write_plain(records: memoryview, record_bytes: int, mark_at: int, index: array[int], received_ns: int) -> None:
    """As `_marks.write`, which see."""
    last = {index[at + SLOT]: index[at + POSITION] for at in range(0, len(index), WIDTH)}
    for slot, position in last.items():
        here = slot * record_bytes + mark_at
        if received_ns >= _MARK.unpack_from(records, here)[1]:
            _MARK.pack_into(records, here, position, received_ns)


_write: Callable[[memoryview, int, int, array[int], int], None] = _write_plain
_compiled = compiled.module("state._marks")
if _compiled is not None:
    _write = _compiled.write


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
        self._map: mmap.mmap | None = None
        self._records: memoryview | None = None

    def resize(self, names: list[str]) -> None:
        """Give every stream its record, in the order of the slots. Marks are kept, those of other streams too."""
        marks = {**self.known, **self.marks()}
        names = [*names, *sorted(marks.keys() - set(names))]
        fresh = self._path.with_suffix(".new")
        with fresh.open("w+b") as file:
            file.truncate(_HEADER.size + max(1, len(names)) * _RECORD_BYTES)
            mapped = mmap.mmap(file.fileno(), 0)
        mapped[: _HEADER.size] = _HEADER.pack(_MAGIC, len(names))
        for at, name in enumerate(names):
            encoded = name.encode()
            if len(encoded) > _NAME_BYTES:
                raise ValueError(f"stream name longer than {_NAME_BYTES} bytes: {name}")
            mark = marks.get(name, Mark(UNKNOWN, 0))
            start = _HEADER.size + at * _RECORD_BYTES
            mapped[start : start + len(encoded)] = encoded
            _MARK.pack_into(mapped, start + _NAME_BYTES, mark.position, mark.received_ns)
        fresh.replace(self._path)
        self.close()
        self._map, self._records = mapped, memoryview(mapped)[_HEADER.size :]

    def marks(self) -> dict[str, Mark]:
        """What is written now, for streams that have a mark."""
        return {} if self._map is None else _marks(self._map)

    def commit(self, batch: Batch) -> None:
        """All sinks have answered for these events. Batches may come late: those for which a slow client was waited."""
        if self._records is not None:
            _write(self._records, _RECORD_BYTES, _NAME_BYTES, batch.index, batch.received_ns)

    def close(self) -> None:
        """Let go of the file; it stays."""
        if self._map is not None and self._records is not None:
            self._records.release()
            self._map.close()
            self._map = self._records = None


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
