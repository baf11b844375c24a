"""A shard's state directory: what has to survive its process, each in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson

from marketfeed.assignment import Ban
from marketfeed_shard.recovery.instruments import Facts
from marketfeed_shard.state.attempts import Attempts
from marketfeed_shard.state.bans import KeptBan
from marketfeed_shard.state.memory import Past
from marketfeed_shard.state.progress import Progress
from marketfeed_shard.state.spent import Spent


class StateDirectory:
    """It is the `Memory` of the shard's core."""

    def __init__(self, path: Path, where: str) -> None:
        """`where`: the address of the exchange; a ban counts for one."""
        self.progress = Progress(path / "progress")
        self._attempts = Attempts(path / "attempts")
        self._spent = Spent(path / "spent")
        self._ban = KeptBan(path / "ban", where)
        self._listed = path / "instruments"

    def past(self) -> Past:
        """What an earlier process left."""
        return Past(self._attempts.times_ns, self._spent.calls, self._ban.ban, _read(self._listed))

    def attempted(self, at_ns: int) -> None:
        self._attempts.add(at_ns)

    def spent(self, at_ns: int, weight: int) -> None:
        self._spent.add(at_ns, weight)

    def banned(self, ban: Ban) -> None:
        self._ban.keep(ban)

    def listed(self, known: Mapping[str, Facts]) -> None:
        fresh = self._listed.with_suffix(".new")
        fresh.write_bytes(orjson.dumps({symbol: facts.as_list() for symbol, facts in known.items()}))
        fresh.replace(self._listed)

    def close(self) -> None:
        """Let go of the files; they stay."""
        self.progress.close()
        self._attempts.close()
        self._spent.close()


def _read(path: Path) -> dict[str, Facts]:
    """What was listed; a file that is none of ours is nothing."""
    try:
        return {symbol: Facts(*values) for symbol, values in orjson.loads(path.read_bytes()).items()}
    except (FileNotFoundError, orjson.JSONDecodeError, AttributeError, TypeError):
        return {}
