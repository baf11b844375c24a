"""How a day ends early."""

from __future__ import annotations


class BrokenError(AssertionError):
    """Something that must hold did not; the message says what."""
