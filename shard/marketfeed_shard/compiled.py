"""The compiled modules. Each has a plain twin that runs where it is not built.

`MARKETFEED_ENGINE=plain` asks for the plain ones although the compiled ones are there.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType


def module(name: str) -> ModuleType | None:
    """The module `marketfeed_shard.<name>`, or None where it is not built or not wanted."""
    if os.environ.get("MARKETFEED_ENGINE") == "plain":
        return None
    try:
        return importlib.import_module(f"marketfeed_shard.{name}")
    except ModuleNotFoundError:
        return None
