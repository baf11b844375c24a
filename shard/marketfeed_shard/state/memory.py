"""What has to survive a shard's process, and what an earlier one left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from marketfeed.assignment import Ban
from marketfeed_shard.recovery.instruments import Facts


class Memory(Protocol):
    """To be told of what has to survive."""

    def attempted(self, at_ns: int) -> None:
        """A socket is about to be opened."""
        ...

    def spent(self, at_ns: int, weight: int) -> None:
        """A REST call is about to go out."""
        ...

    def banned(self, ban: Ban) -> None:
        """The exchange wants no attempt before then."""
        ...

    def listed(self, known: Mapping[str, Facts]) -> None:
        """What the exchange lists of the carried symbols."""
        ...


@dataclass(frozen=True, slots=True)
class Past:
    """What an earlier process left."""

    attempts_ns: Sequence[int] = ()
    """Wall clock of attempts to connect, oldest first."""
    spent: Sequence[tuple[int, int]] = ()
    """(wall clock in ns, weight) of REST calls, oldest first."""
    ban: Ban | None = None
    listed: Mapping[str, Facts] = field(default_factory=dict)
