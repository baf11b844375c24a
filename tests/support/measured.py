"""Times that tests measure."""

from __future__ import annotations

import statistics
from collections import defaultdict


class Times:
    """Seconds, by what took them."""

    def __init__(self) -> None:
        self.of: dict[str, list[float]] = defaultdict(list)

    def lines(self) -> list[str]:
        """Median and worst of each."""
        return [
            f"{what}: median {statistics.median(values):.3f} s, worst {max(values):.3f} s, of {len(values)}"
            for what, values in sorted(self.of.items())
        ]
