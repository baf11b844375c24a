"""Redis' answers to PUBLISH, counted: no Python object an answer unless one is an error."""

from __future__ import annotations

from collections.abc import Iterator


class Replies:
    """Reads `:<receivers>` and `-<error>` lines, wherever the socket cuts them."""

    def __init__(self) -> None:
        self._begun = b""
        """The beginning of a line that was cut, where it may be an error's."""
        self._inside = False
        """Whether a number's line was cut."""

    def feed(self, data: bytes) -> Iterator[int | str]:
        """What arrived: how many commands succeeded in a row, or the text of one that did not, in order.

        Raises `ValueError` for what is no answer to PUBLISH.
        """
        if not self._begun and b"-" not in data:
            yield data.count(b"\n")
            self._inside = not data.endswith(b"\n")
            return
        yield from self._by_line(data)

    def _by_line(self, data: bytes) -> Iterator[int | str]:
        if self._inside:
            data = b":" + data
        *lines, self._begun = (self._begun + data).split(b"\n")
        self._inside = False
        good = 0
        for line in lines:
            if line.startswith(b"-"):
                if good:
                    yield good
                    good = 0
                yield line[1:].decode(errors="replace").rstrip("\r")
            elif line.startswith(b":"):
                good += 1
            else:
                raise ValueError(f"no answer to PUBLISH: {line[:100]!r}")
        if good:
            yield good
