"""Whether a manifest is accepted: all that is wrong with it at once, without asking anyone.

That symbols exist is another question, which needs the exchange's own list: `selection`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from marketfeed import structure
from marketfeed.problem import NotAccepted, Problem
from marketfeed.publisher_rules import publisher_problems
from marketfeed.resource import MarketFeed, Watchdog, seconds
from marketfeed.source_rules import source_problems
from marketfeed.values import section, text

NAME_LENGTH: Final = 40
_DNS_1035: Final = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?").fullmatch
_DNS_1123: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?").fullmatch


def validate(manifest: Mapping[str, Any]) -> list[Problem]:
    """All that is wrong with a manifest, its structure first; nothing: it is accepted."""
    return _examined(manifest)[1]


def parse(manifest: Mapping[str, Any]) -> MarketFeed:
    """The manifest as types. Raises `NotAccepted` with all that is wrong with it."""
    feed, problems = _examined(manifest)
    if feed is None or problems:
        raise NotAccepted(problems)
    return feed


def _examined(manifest: Mapping[str, Any]) -> tuple[MarketFeed | None, list[Problem]]:
    tidy, feed, problems = structure.check(manifest)
    return feed, list(dict.fromkeys([*problems, *_rules(tidy)]))


def _rules(manifest: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _metadata(section(manifest.get("metadata")))
    spec = section(manifest.get("spec"))
    sources = spec.get("sources")
    if sources == []:
        yield Problem("spec.sources", "is empty", "name at least one source")
    if isinstance(sources, list):
        yield from source_problems(sources)
    if isinstance(spec.get("publishers"), Mapping):
        yield from publisher_problems(spec["publishers"])
    yield from _watchdog(section(spec.get("watchdog")))


def _metadata(metadata: Mapping[str, Any]) -> Iterator[Problem]:
    name, namespace = text(metadata.get("name")), text(metadata.get("namespace"))
    if name is not None and (len(name) > NAME_LENGTH or not _DNS_1035(name)):
        reason = f"has {len(name)} characters" if _DNS_1035(name) else f"is no name of a feed: {name!r}"
        way_out = f"write at most {NAME_LENGTH} characters: lower-case letters, digits and dashes, a letter first, no dash last"
        yield Problem("metadata.name", reason, way_out)
    if namespace is not None and (len(namespace) > 63 or not _DNS_1123(namespace)):
        way_out = "write at most 63 characters: lower-case letters, digits and dashes, no dash first or last"
        yield Problem("metadata.namespace", f"is no namespace: {namespace!r}", way_out)


def _watchdog(watchdog: Mapping[str, Any]) -> Iterator[Problem]:
    default = Watchdog()
    stale_after_s = _seconds(watchdog.get("staleAfter"), default.stale_after)
    check_interval_s = _seconds(watchdog.get("checkInterval"), default.check_interval)
    if stale_after_s is None or check_interval_s is None or stale_after_s >= check_interval_s:
        return
    at = "staleAfter" if "staleAfter" in watchdog else "checkInterval"
    reason = f"staleAfter ({stale_after_s:g}s) is below checkInterval ({check_interval_s:g}s)"
    yield Problem(f"spec.watchdog.{at}", reason, "make staleAfter at least as long as checkInterval")


def _seconds(value: Any, default_s: float) -> float | None:
    if value is None:
        return default_s
    try:
        return seconds(value) if isinstance(value, str) else None
    except ValueError:
        return None
