"""The reasons that conditions give: the one list of them. docs/conditions.md is generated from it."""

from __future__ import annotations

from enum import StrEnum


class Condition(StrEnum):
    """Types of conditions, in the order in which a status has them."""

    ACCEPTED = "Accepted"
    PROGRESSING = "Progressing"
    READY = "Ready"
    DEGRADED = "Degraded"

    @property
    def meaning(self) -> str:
        """What it says when it is True."""
        return _CONDITIONS[self]


_CONDITIONS = {
    Condition.ACCEPTED: "The spec is valid and can be planned. False: the last accepted one runs on, if there was one.",
    Condition.PROGRESSING: "Something is on its way to what the spec asks for.",
    Condition.READY: (
        "The current spec is at work: every stream is fresh, every required publisher is connected. Turns False when that was "
        "not so for `watchdog.staleAfter`, so that a cut that heals shows nothing; turns True at once."
    ),
    Condition.DEGRADED: "Something needs a look. What is not concerned runs on.",
}


class Reason(StrEnum):
    """One word for why a condition is what it is."""

    # Accepted
    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    SHARD_TOO_SMALL = "ShardTooSmall"
    ADDRESS_BUDGET_EXCEEDED = "AddressBudgetExceeded"
    NOT_SUPPORTED = "NotSupported"
    # how far it is
    UP_TO_DATE = "UpToDate"
    ROLLING_OUT = "RollingOut"
    WAITING_FOR_INSTRUMENTS = "WaitingForInstruments"
    # well, or meant to be as it is
    STREAMS_FRESH = "StreamsFresh"
    AS_EXPECTED = "AsExpected"
    PAUSED = "Paused"
    NOT_ACCEPTED = "NotAccepted"
    NO_SYMBOLS = "NoSymbols"
    # what is wrong, the gravest first: of several, the first is the condition's reason
    CHILDREN_REFUSED = "ChildrenRefused"
    SHARD_UNREACHABLE = "ShardUnreachable"
    REGION_BLOCKED = "RegionBlocked"
    BANNED = "Banned"
    PUBLISHER_DOWN = "PublisherDown"
    STREAMS_DOWN = "StreamsDown"
    STREAMS_REJECTED = "StreamsRejected"
    STREAMS_STALE = "StreamsStale"
    SYMBOLS_UNKNOWN = "SymbolsUnknown"
    INSTRUMENTS_UNAVAILABLE = "InstrumentsUnavailable"

    @property
    def meaning(self) -> str:
        """A sentence for the page of conditions."""
        return _REASONS[self][1]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Which conditions give it."""
        return _REASONS[self][0]


_A, _P, _R, _D = Condition
_REASONS: dict[Reason, tuple[tuple[Condition, ...], str]] = {
    Reason.ACCEPTED: ((_A,), "The spec is valid and can be planned."),
    Reason.INVALID: ((_A,), "The spec breaks a rule; the message names the field, the reason and the way out."),
    Reason.SHARD_TOO_SMALL: ((_A,), "One symbol alone needs more than a shard may hold."),
    Reason.ADDRESS_BUDGET_EXCEEDED: (
        (_A,),
        "All shards together need more than the exchange allows one address: each an attempt to connect and its costliest REST "
        "call in 10 minutes, and all of their connections open at once.",
    ),
    Reason.NOT_SUPPORTED: ((_A,), "The spec is valid, and this version cannot run it yet."),
    Reason.UP_TO_DATE: ((_P,), "Every shard runs what is planned."),
    Reason.ROLLING_OUT: ((_P, _R), "A shard is starting, or has not taken over its newest assignment yet."),
    Reason.WAITING_FOR_INSTRUMENTS: (
        (_P, _R),
        "A symbolSelector chooses from the exchange's instrument list, which could not be had yet.",
    ),
    Reason.STREAMS_FRESH: ((_R,), "Every stream is fresh, every required publisher is connected."),
    Reason.AS_EXPECTED: ((_D,), "Nothing is wrong."),
    Reason.PAUSED: ((_P, _R), "spec.paused is true: there are no shards."),
    Reason.NOT_ACCEPTED: ((_P, _R), "The spec is refused, see Accepted. The last accepted one runs on, if there was one."),
    Reason.NO_SYMBOLS: ((_R,), "There is nothing to run: no symbol that the spec asks for is listed by its exchange."),
    Reason.CHILDREN_REFUSED: ((_R, _D), "The API server refused a child of the feed, for a quota for instance."),
    Reason.SHARD_UNREACHABLE: ((_R, _D), "A shard's pod is missing, does not start or does not tell its status."),
    Reason.REGION_BLOCKED: ((_R, _D), "The exchange serves nobody in the region of this address (HTTP 451)."),
    Reason.BANNED: ((_R, _D), "The exchange has banned this address for a while; it is left alone to the end of it."),
    Reason.PUBLISHER_DOWN: ((_R, _D), "A sink cannot be reached. Events wait in the publisher's buffer."),
    Reason.STREAMS_DOWN: ((_R, _D), "Streams are not subscribed on any open connection."),
    Reason.STREAMS_REJECTED: ((_R, _D), "The exchange refuses names of streams. The others run."),
    Reason.STREAMS_STALE: ((_R, _D), "Streams are silent for longer than their usual pace explains."),
    Reason.SYMBOLS_UNKNOWN: ((_D,), "The exchange does not list symbols that the spec names. The others run."),
    Reason.INSTRUMENTS_UNAVAILABLE: (
        (_D,),
        "The exchange's instrument list cannot be had. What was chosen before runs on.",
    ),
}
