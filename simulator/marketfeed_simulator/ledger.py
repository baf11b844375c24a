"""What was sent: every data message, on which connection, when, and its exact text."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol, TextIO

import orjson


class Sent(NamedTuple):
    """One data message."""

    time_ns: int
    """Wall clock when it was handed to the socket."""
    connection: int
    """Number of the connection, from 1 on in the order in which they came."""
    stream: str
    text: str
    """As on the wire, envelope included; bytes that are no UTF-8 are written as escapes."""


class Ledger(Protocol):
    """Where what was sent is written down."""

    def write(self, sent: Sent) -> None: ...

    def flush(self) -> None:
        """What was written so far can be read by others."""
        ...

    def close(self) -> None: ...


class MemoryLedger(list[Sent]):
    """In memory, for tests: a list."""

    def write(self, sent: Sent) -> None:
        self.append(sent)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def texts(self, stream: str) -> list[str]:
        """What was sent of one stream, in order, whatever the connection."""
        return [sent.text for sent in self if sent.stream == stream]


class FileLedger:
    """One JSON object a line with the fields of `Sent`. Raises `OSError` where the file cannot be written."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8")

    def write(self, sent: Sent) -> None:
        self._file.write(orjson.dumps(sent._asdict()).decode() + "\n")

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()
