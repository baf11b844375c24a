from __future__ import annotations

import importlib
import sys
from importlib.metadata import version

import pytest
from engines import needs_kernel

from marketfeed_shard import kernel


def minor(text: str) -> list[str]:
    return text.split(".")[:2]


@needs_kernel
def test_kernel_is_compiled_against_the_minor_version_of_picows_that_runs() -> None:
    listener = importlib.import_module("marketfeed_shard.kernel._listener")
    assert minor(listener.BUILT_FOR_PICOWS) == minor(version("picows"))


def test_plain_engine_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETFEED_ENGINE", "plain")
    assert kernel.load() is None


def test_without_compiled_modules_there_is_no_compiled_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "marketfeed_shard.kernel._engine", None)
    assert kernel.load() is None
