from __future__ import annotations

from typing import Any

import pytest

from marketfeed_operator.events import Happening, happenings


def status(**conditions: tuple[str, str]) -> dict[str, Any]:
    return {
        "conditions": [
            {"type": kind, "status": told, "reason": reason, "message": f"{kind} message"}
            for kind, (told, reason) in conditions.items()
        ]
    }


NEW = status(Accepted=("True", "Accepted"), Ready=("False", "RollingOut"), Degraded=("False", "AsExpected"))
WELL = status(Accepted=("True", "Accepted"), Ready=("True", "StreamsFresh"), Degraded=("False", "AsExpected"))
REFUSED = status(Accepted=("False", "Invalid"), Ready=("False", "NotAccepted"), Degraded=("False", "AsExpected"))
ILL = status(Accepted=("True", "Accepted"), Ready=("False", "PublisherDown"), Degraded=("True", "PublisherDown"))
WORSE = status(Accepted=("True", "Accepted"), Ready=("False", "StreamsDown"), Degraded=("True", "StreamsDown"))
PAUSED = status(Accepted=("True", "Accepted"), Ready=("False", "Paused"), Degraded=("False", "AsExpected"))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, NEW, ["Normal Accepted"]),
        (NEW, NEW, []),
        (NEW, WELL, ["Normal StreamsFresh"]),
        (WELL, NEW, ["Normal RollingOut"]),
        (WELL, REFUSED, ["Warning Invalid"]),
        (REFUSED, NEW, ["Normal Accepted"]),
        (WELL, ILL, ["Warning PublisherDown", "Warning PublisherDown"]),
        (ILL, WORSE, ["Warning StreamsDown"]),
        (ILL, WELL, ["Normal StreamsFresh", "Normal AsExpected"]),
        (WELL, PAUSED, ["Normal Paused"]),
    ],
)
def test_an_event_for_each_thing_that_happened_and_none_else(before: Any, after: Any, told: list[str]) -> None:
    assert [f"{h.kind} {h.reason}" for h in happenings(before, after)] == told


def test_an_event_says_what_the_condition_says() -> None:
    assert list(happenings({}, NEW)) == [Happening("Normal", "Accepted", "Accepted message")]
