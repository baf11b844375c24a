"""The client's typed dictionaries have the fields that the events have."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest

from marketfeed.events import BY_CHANNEL, GAP, HEAD, OPTIONAL, SIZED, EventType
from marketfeed_client.events import Event

TYPES = {get_args(get_type_hints(kind)["type"])[0]: kind for kind in get_args(Event)}
ON = {"depth": {"book"}, "size_unit": SIZED, "count": {"trade"}, "backfill": {"trade"}}
"""Optional field → types that may have it."""


def test_there_is_one_for_each_type() -> None:
    assert set(TYPES) == {kind.name for kind in (*BY_CHANNEL.values(), GAP)}
    assert set(ON) == {field.name for field in OPTIONAL}


@pytest.mark.parametrize("kind", [*BY_CHANNEL.values(), GAP], ids=lambda kind: kind.name)
def test_its_fields_are_those_of_the_event(kind: EventType) -> None:
    own = {field.name for field in kind.fields}
    optional = {name for name, types in ON.items() if kind.name in types} | (own if kind.omits_absent else set())
    typed = TYPES[kind.name]
    assert typed.__required_keys__ == {field.name for field in HEAD} | (own - optional)
    assert typed.__optional_keys__ == optional
