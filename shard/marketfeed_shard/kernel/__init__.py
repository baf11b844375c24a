"""The declarations, compiled. Where the compiled modules are not there, the plain engine runs and says so.

`MARKETFEED_ENGINE=plain` asks for the plain one although the compiled one is there.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType


def load() -> ModuleType | None:
    """The compiled engine's module, or None where it is not built or not wanted."""
    if os.environ.get("MARKETFEED_ENGINE") == "plain":
        return None
    try:
        return importlib.import_module("marketfeed_shard.kernel._engine")
    except ModuleNotFoundError:
        return None
