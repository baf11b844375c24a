"""The status of a feed: one function of what is known of it, with the clock as an argument.

Nothing in it ticks: no times but those of transitions, no counters, no order by chance. So a feed that goes on as before has
the same status, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from marketfeed.clock import Clock
from marketfeed.problem import Problem
from marketfeed_operator.findings import STARTING_S, Finding, ShardView, short, view
from marketfeed_operator.observed import Judgement, Memory, Observed
from marketfeed_operator.reasons import Condition, Reason

MESSAGE_LENGTH: Final = 1000
LISTED: Final = 5
"""Names that a message lists; of the others it tells the number."""
NAMES_IN_ALL: Final = 2000
"""Of stale streams, and of refused ones, in the entries of all shards together."""

_WORDS: Final[Mapping[Reason, tuple[str, str]]] = {
    Reason.CHILDREN_REFUSED: ("refused by the API server", "{what}"),
    Reason.SHARD_UNREACHABLE: ("no status from", "{shards} ({what})"),
    Reason.REGION_BLOCKED: ("blocked in this region (HTTP 451)", "{shards}"),
    Reason.BANNED: ("banned by the exchange for a while", "{shards}"),
    Reason.PUBLISHER_DOWN: ("publishers without their sink", "{what} in {shards}"),
    Reason.STREAMS_DOWN: ("streams without a connection", "in {shards}"),
    Reason.STREAMS_REJECTED: ("refused by the exchange", "{what}"),
    Reason.STREAMS_STALE: ("silent for longer than usual", "{what}"),
    Reason.SYMBOLS_UNKNOWN: ("not listed by the exchange", "{what}"),
    Reason.INSTRUMENTS_UNAVAILABLE: ("no instrument list for", "{what}"),
}
"""How findings are told, the gravest first: what they have in common, and each of them."""
GRAVITY: Final = {reason: i for i, reason in enumerate(_WORDS)}
_Verdict = tuple[bool, Reason, str]
"""Status, reason and message of a condition."""


def status(previous: Mapping[str, Any], observed: Observed, memory: Memory, clock: Clock) -> Judgement:
    """The whole `.status` that follows the previous one (empty: there was none)."""
    views, memory = _views(previous, observed, memory, clock.monotonic())
    findings = [finding for shard in views for finding in shard.findings]
    findings += [Finding(Reason.CHILDREN_REFUSED, child, "") for child in observed.refused]
    findings += [Finding(Reason.SYMBOLS_UNKNOWN, symbol, "") for symbol in observed.plan.unknown]
    if views:
        findings += [Finding(Reason.INSTRUMENTS_UNAVAILABLE, selector, "") for selector in _unlisted(observed)]
    verdicts: dict[Condition, _Verdict] = {
        Condition.ACCEPTED: _accepted(observed.problems),
        Condition.PROGRESSING: _progressing(observed, views),
        Condition.READY: _ready(previous, observed, memory, views, findings, clock.monotonic()),
        Condition.DEGRADED: _degraded(findings),
    }
    entries = _entries(views)
    return Judgement(
        {
            "observedGeneration": observed.generation,
            "conditions": [
                _condition(previous, kind, verdict, observed.generation, clock) for kind, verdict in verdicts.items()
            ],
            "shards": entries,
            "totals": {
                "shards": len(entries),
                "connections": _sum(entries, "connections", "active"),
                "streams": _sum(entries, "streams", "live"),
            },
        },
        memory,
    )


def differs(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a status is worth writing. The order in which the API server keeps conditions and shards is no difference."""
    return _ordered(old) != _ordered(new)


def condition(status: Mapping[str, Any], kind: Condition) -> Mapping[str, Any] | None:
    """One condition of a status."""
    return next((c for c in status.get("conditions", ()) if c.get("type") == kind), None)


def _views(previous: Mapping[str, Any], observed: Observed, memory: Memory, now_s: float) -> tuple[list[ShardView], Memory]:
    entries = {entry["name"]: entry for entry in previous.get("shards", ())}
    # What an operator that has just started can know.
    ready = {name for name, entry in entries.items() if entry.get("ready")}
    was_well = memory.was_well | (ready - memory.unwell_since_s.keys())
    views: list[ShardView] = []
    since_s: dict[str, float] = {}
    for assignment in () if observed.paused else observed.plan.assignments:
        name = assignment.shard
        unwell_s = now_s - memory.unwell_since_s.get(name, now_s)
        patience_s = observed.stale_after_s if name in was_well else max(STARTING_S, observed.stale_after_s)
        shard = view(assignment, observed.told.get(name), entries.get(name), lasting=unwell_s >= patience_s)
        if not shard.well:
            since_s[name] = memory.unwell_since_s.get(name, now_s)
        views.append(shard)
    names = {shard.name for shard in views}
    return views, Memory(since_s, frozenset((was_well | {shard.name for shard in views if shard.well}) & names))


def _entries(views: Sequence[ShardView]) -> list[dict[str, Any]]:
    """Of all shards; where these are many, with fewer names each, so that the object stays within what etcd takes."""
    most = max(1, NAMES_IN_ALL // max(1, len(views)))
    return [
        {**entry, "streams": {**streams, "stale": streams["stale"][:most], "rejected": streams["rejected"][:most]}}
        for entry, streams in ((shard.entry, shard.entry["streams"]) for shard in views)
    ]


def _unlisted(observed: Observed) -> list[str]:
    """Selectors without an instrument list, each with why."""
    faults = observed.list_faults
    return [f"{place} ({short(faults[place])})" if place in faults else place for place in observed.plan.waiting]


def _accepted(problems: Sequence[Problem]) -> _Verdict:
    if not problems:
        return True, Reason.ACCEPTED, "the spec is valid and can be planned"
    code = problems[0].code
    reason = Reason(code) if code in {r.value for r in Reason if Condition.ACCEPTED in r.conditions} else Reason.INVALID
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return False, reason, _bounded(str(problems[0]), more)


def _progressing(observed: Observed, views: Sequence[ShardView]) -> _Verdict:
    if observed.problems:
        return False, Reason.NOT_ACCEPTED, _not_accepted(views)
    if observed.paused:
        return False, Reason.PAUSED, "the feed is paused"
    if observed.plan.waiting and not views:
        return True, Reason.WAITING_FOR_INSTRUMENTS, f"no instrument list yet for {_listed(_unlisted(observed))}"
    late = [shard.name for shard in views if not shard.current]
    if late:
        return True, Reason.ROLLING_OUT, f"shards on their way to their newest assignment: {_listed(late)}"
    return False, Reason.UP_TO_DATE, "every shard runs what is planned"


def _ready(
    previous: Mapping[str, Any],
    observed: Observed,
    memory: Memory,
    views: Sequence[ShardView],
    findings: Iterable[Finding],
    now_s: float,
) -> _Verdict:
    before = condition(previous, Condition.READY)
    was_ready = (
        before is not None and before.get("status") == "True" and before.get("observedGeneration") == observed.generation
    )
    if observed.problems:
        return False, Reason.NOT_ACCEPTED, _not_accepted(views)
    if observed.paused:
        return False, Reason.PAUSED, "the feed is paused"
    if observed.plan.waiting and not (was_ready and views):
        return False, Reason.WAITING_FOR_INSTRUMENTS, f"no instrument list yet for {_listed(_unlisted(observed))}"
    if not views:
        return False, Reason.NO_SYMBOLS, "no symbol that the spec asks for is listed by its exchange"
    since_s = memory.unwell_since_s
    healing = all(now_s - s < observed.stale_after_s for s in since_s.values())
    if not since_s or (was_ready and healing):
        return True, Reason.STREAMS_FRESH, "every stream is fresh, every required publisher is connected"
    # A child that is refused belongs to no shard, and may be why one is missing.
    grave = _gravest([f for f in findings if f.shard in since_s or f.reason is Reason.CHILDREN_REFUSED])
    if grave:
        return False, grave[0].reason, _told(grave)
    return False, Reason.ROLLING_OUT, f"shards without all of their streams yet: {_listed(since_s)}"


def _degraded(findings: Sequence[Finding]) -> _Verdict:
    if not findings:
        return False, Reason.AS_EXPECTED, "nothing is wrong"
    reasons = sorted({finding.reason for finding in findings}, key=GRAVITY.__getitem__)
    told = [_told([finding for finding in findings if finding.reason is reason]) for reason in reasons]
    return True, reasons[0], _bounded("; ".join(told))


def _gravest(findings: Sequence[Finding]) -> list[Finding]:
    """Those of the gravest reason."""
    worst = min((GRAVITY[finding.reason] for finding in findings), default=None)
    return [finding for finding in findings if GRAVITY[finding.reason] == worst]


def _told(findings: Sequence[Finding]) -> str:
    """Findings of one reason in words."""
    headline, words = _WORDS[findings[0].reason]
    shards: dict[str, list[str]] = {}
    for finding in findings:
        shards.setdefault(finding.what, []).append(finding.shard)
    items = [words.format(what=what, shards=_listed(where)) for what, where in shards.items()]
    return _bounded(f"{headline}: {_listed(items)}")


def _not_accepted(views: Sequence[ShardView]) -> str:
    return "the spec is refused, see Accepted; " + ("the last accepted one runs on" if views else "nothing runs")


def _condition(
    previous: Mapping[str, Any], kind: Condition, verdict: _Verdict, generation: int, clock: Clock
) -> dict[str, Any]:
    """The condition as the API server has it; its transition time moves only with its status."""
    true, reason, message = verdict
    told = "True" if true else "False"
    before = condition(previous, kind)
    since = before.get("lastTransitionTime") if before is not None and before.get("status") == told else None
    now = datetime.fromtimestamp(clock.time_ns() // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": str(kind),
        "status": told,
        "reason": str(reason),
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": since or now,
    }


def _sum(entries: Iterable[Mapping[str, Any]], what: str, active: str) -> str:
    there, wanted = 0, 0
    for entry in entries:
        there += entry[what][active]
        wanted += entry[what]["desired"]
    return f"{there}/{wanted}"


def _listed(names: Iterable[str]) -> str:
    """The first few by name, and how many more."""
    ordered = sorted(names)
    more = len(ordered) - LISTED
    return ", ".join(ordered[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _bounded(text: str, end: str = "") -> str:
    room = MESSAGE_LENGTH - len(end)
    return (text if len(text) <= room else f"{text[: room - 1]}…") + end


def _ordered(status: Mapping[str, Any]) -> dict[str, Any]:
    ordered = dict(status)
    ordered["conditions"] = sorted(status.get("conditions", ()), key=lambda c: c["type"])
    ordered["shards"] = sorted(status.get("shards", ()), key=lambda shard: shard["name"])
    return ordered
