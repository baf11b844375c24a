"""One shard, judged: its entry in the status, whether all of it is as it should be, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from marketfeed import load
from marketfeed.assignment import Assignment
from marketfeed.report import NAMES, ConnectionState, PublisherState
from marketfeed.resource import Publisher, Publishers
from marketfeed_operator.observed import Absence, Told
from marketfeed_operator.reasons import Reason

STARTING_S: Final = 300.0
"""For so long a shard may be starting: an image is pulled, a turn to connect is waited for."""
TEXT_LENGTH: Final = 160
"""Longest text that is taken over from a shard or an exchange."""
_CARRYING: Final = frozenset({ConnectionState.OPEN, ConnectionState.DRAINING})
_BLOCKS: Final[Mapping[str, Reason]] = {
    "RegionBlocked": Reason.REGION_BLOCKED,
    "Banned": Reason.BANNED,
    "Forbidden": Reason.BANNED,
    "TooManyRequests": Reason.BANNED,
}
"""Words by which a shard tells why it makes no attempt."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that is wrong in one shard."""

    reason: Reason
    what: str
    """A stream, a publisher, or why; empty where the shard says it all."""
    shard: str


@dataclass(frozen=True, slots=True)
class ShardView:
    """One shard as the status and the conditions need it."""

    name: str
    entry: dict[str, Any]
    """Of `status.shards`."""
    well: bool
    """Runs its newest assignment and calls itself ready; every stream that is not refused is live, every required publisher is
    connected."""
    current: bool
    """Runs its newest assignment, as far as is known."""
    findings: tuple[Finding, ...]


def view(assignment: Assignment, told: Told | None, before: Mapping[str, Any] | None, *, lasting: bool) -> ShardView:
    """Judge one shard. `told` None: not asked yet; `before`: its entry in the status so far; `lasting`: it has been unwell for
    too long to be passed over."""
    name = assignment.shard
    if told is None:
        entry = before if before is not None else _entry(assignment, {})
        return ShardView(name, dict(entry), False, bool(entry.get("ready")), ())
    if isinstance(told, Mapping) and told.get("shard") != name:
        told = Absence("another shard answers at its address")
    if isinstance(told, Absence):
        findings = (Finding(Reason.SHARD_UNREACHABLE, short(told.why), name),) if told.fault or lasting else ()
        return ShardView(name, _entry(assignment, {}), False, False, findings)
    entry = _entry(assignment, told)
    current = told.get("generation", 0) >= assignment.generation
    well = (
        current
        and entry["ready"]
        and _all_live(entry["streams"])
        and not any(_down(assignment.publishers, told, required=True))
    )
    return ShardView(name, entry, well, current, tuple(_findings(assignment, told, entry, lasting)))


def _entry(assignment: Assignment, report: Mapping[str, Any]) -> dict[str, Any]:
    streams = report.get("streams", {})
    desired = sum(len(symbol.channels) for symbol in assignment.symbols)
    connections = load.connections(assignment)
    carrying = sum(connection.get("state") in _CARRYING for connection in report.get("connections", ()))
    rejected = [
        {"stream": refusal["stream"], "reason": short(refusal.get("reason", ""))} for refusal in streams.get("rejected", ())
    ]
    return {
        "name": assignment.shard,
        "exchange": assignment.exchange,
        "market": assignment.market,
        "ready": bool(report.get("ready", False)),
        "streams": {
            "desired": desired,
            "live": min(streams.get("live", 0), desired),
            "stale": sorted(streams.get("stale", ()))[:NAMES],
            "rejected": sorted(rejected, key=lambda refusal: refusal["stream"])[:NAMES],
        },
        # While one connection takes over from another there is one more than planned.
        "connections": {"desired": connections, "active": min(carrying, connections)},
    }


def _all_live(streams: Mapping[str, Any]) -> bool:
    """Every stream that the exchange does not refuse; where it refuses all of them, nothing is."""
    live: int = streams["live"]
    return live + len(streams["rejected"]) >= streams["desired"] and (live > 0 or not streams["desired"])


def _findings(assignment: Assignment, report: Mapping[str, Any], entry: Mapping[str, Any], lasting: bool) -> Iterator[Finding]:
    name, streams = assignment.shard, entry["streams"]
    waiting = streams["desired"] - streams["live"] - len(streams["rejected"]) - len(streams["stale"])
    blocks = {block for reason in report.get("reasons", ()) for word, block in _BLOCKS.items() if f": {word}" in reason}
    if waiting > 0:
        for block in sorted(blocks):
            yield Finding(block, "", name)
        if lasting and not blocks:
            yield Finding(Reason.STREAMS_DOWN, "", name)
    for publisher, state, error in _down(assignment.publishers, report, required=False):
        if state != PublisherState.CONNECTING or lasting:
            yield Finding(Reason.PUBLISHER_DOWN, f"{publisher} ({short(error)})" if error else publisher, name)
    for refusal in streams["rejected"]:
        because = f" ({refusal['reason']})" if refusal["reason"] else ""
        yield Finding(Reason.STREAMS_REJECTED, f"{refusal['stream']}{because}", name)
    for stream in streams["stale"]:
        yield Finding(Reason.STREAMS_STALE, stream, name)


def _down(publishers: Publishers, report: Mapping[str, Any], *, required: bool) -> Iterator[tuple[str, str, str]]:
    """(name, state, error) of those that are not connected; `required`: only of those whose outage makes a shard unready."""
    told = report.get("publishers", {})
    for field_name, field in type(publishers).model_fields.items():
        publisher = getattr(publishers, field_name)
        name = field.alias or field_name
        if isinstance(publisher, Publisher) and (publisher.required or not required):
            one = told.get(name, {})
            state = one.get("state", PublisherState.CONNECTING)
            if state != PublisherState.CONNECTED:
                yield name, state, one.get("error") or ""


def short(text: str) -> str:
    """One line of a bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= TEXT_LENGTH else f"{line[: TEXT_LENGTH - 1]}…"
