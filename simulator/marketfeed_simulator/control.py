"""The simulator's own HTTP paths, for a test that runs it as a process: `/sim/state`, `/sim/stall?connection=1` and so on.

A command's name and parameters are those of the methods of `Faults`, `Simulator`, `Board` and `Truth`; the HTTP method is not
looked at.
Answers are JSON: `{"result": …}`, or status 400 and `{"error": …}`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, get_args

from marketfeed_simulator.board import Board
from marketfeed_simulator.faults import Faults
from marketfeed_simulator.limits import Violation
from marketfeed_simulator.pumps import MarketPump
from marketfeed_simulator.replay import ReplayPump
from marketfeed_simulator.session import Session
from marketfeed_simulator.tampering import Corruption
from marketfeed_simulator.truth import Truth

PREFIX: Final = "/sim/"
_COMMANDS: Final = {
    "faults": tuple(
        "stall freeze slow silence withhold_snapshots gap duplicate reorder corrupt reject_subscribes reject_pace "
        "rest_slow rest_refuse rest_error refuse ban clear tampered".split()
    ),
    "self": tuple("pause resume emit tell skip set_rate cut expire announce_shutdown maintenance reset_numbers".split()),
    "board": ("list", "delist", "status"),
    "truth": ("trades", "book", "last_step"),
}
"""Where a command is found → its names."""


class Commanded(Protocol):
    """The simulator, as far as it is read here; it is commanded by the names above."""

    faults: Faults
    pump: MarketPump | ReplayPump
    board: Board | None
    truth: Truth | None

    @property
    def connections(self) -> Mapping[int, Session]:
        """Those that are open, by number."""
        ...

    @property
    def sent(self) -> int:
        """Data messages so far."""
        ...

    @property
    def violations(self) -> Sequence[Violation]:
        """Limits that clients broke."""
        ...


class _BadCommandError(ValueError):
    """The message is for whoever sent it."""


def is_ours(path: str) -> bool:
    """Whether a path is one of the simulator's own."""
    return path.startswith(PREFIX)


async def act(simulator: Commanded, path: str, query: Mapping[str, str]) -> tuple[int, str]:
    """Do what a path says; HTTP status and body."""
    name = path.removeprefix(PREFIX)
    try:
        if name == "state":
            return 200, json.dumps(_state(simulator))
        command = _command(simulator, name)
        result = command(**_arguments(command, query))
        if inspect.isawaitable(result):
            result = await result
    except (ValueError, LookupError, TypeError) as error:
        return 400, json.dumps({"error": str(error)})
    return 200, json.dumps({"result": result})


def _command(simulator: Commanded, name: str) -> Callable[..., Any]:
    place = next((place for place, names in _COMMANDS.items() if name in names), None)
    if place is None:
        known = ", ".join(("state", *(known for names in _COMMANDS.values() for known in names)))
        raise _BadCommandError(f"unknown command {name!r}; there are {known}")
    owner = simulator if place == "self" else getattr(simulator, place)
    if owner is None:
        raise _BadCommandError(f"{name}: a replay has no market of its own")
    command: Callable[..., Any] = getattr(owner, name)
    return command


def _state(simulator: Commanded) -> dict[str, Any]:
    return {
        "connections": [
            {"connection": number, "streams": list(session.topics)} for number, session in simulator.connections.items()
        ],
        "sent": simulator.sent,
        "running": simulator.pump.running.is_set(),
        "violations": [violation._asdict() for violation in simulator.violations],
    }


def _arguments(command: Callable[..., Any], query: Mapping[str, str]) -> dict[str, Any]:
    """The query as the command's parameters have it; `null` is None."""
    parameters = inspect.signature(command).parameters
    unknown = query.keys() - parameters.keys()
    if unknown:
        raise _BadCommandError(f"unknown parameter {min(unknown)!r}; there are {', '.join(parameters) or 'none'}")
    return {name: _value(name, text, str(parameters[name].annotation)) for name, text in query.items()}


def _value(name: str, text: str, annotation: str) -> Any:
    kinds = annotation.split(" | ")
    if text == "null" and "None" in kinds:
        return None
    if kinds[0] == "Corruption" and text not in get_args(Corruption):
        raise _BadCommandError(f"{name}={text}: there are {', '.join(get_args(Corruption))}")
    try:
        return {"int": int, "float": float}.get(kinds[0], str)(text)
    except ValueError:
        raise _BadCommandError(f"{name}={text} is no {kinds[0]}") from None
