"""Entry point of the command `marketfeed`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command. Its parts take a moment to be loaded, and a feed may be told to end before they are."""
    if sys.argv[1:2] == ["run"]:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _end_at_once)
    from marketfeed_cli.app import app

    app()


def _end_at_once(number: int, frame: FrameType | None) -> None:
    """Nothing is begun yet, so nothing has to be taken down: `run` sets handlers of its own before it starts anything."""
    os._exit(0)
