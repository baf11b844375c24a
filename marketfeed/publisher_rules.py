"""What the values of `spec.publishers` mean, and which of them are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from marketfeed.addresses import host_port_fault, url_fault
from marketfeed.assignment import HTTP_PORT
from marketfeed.problem import Problem, near
from marketfeed.resource import Publishers
from marketfeed.values import section, text, texts

KINDS = tuple(field.alias or name for name, field in Publishers.model_fields.items())
PLACEHOLDERS = ("exchange", "market", "channel", "symbol")
_BRACED = re.compile(r"\{([^{}]*)\}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]*").fullmatch


def publisher_problems(publishers: Mapping[str, Any]) -> Iterator[Problem]:
    """All that is wrong with the publishers."""
    path = "spec.publishers"
    if not any(kind in publishers for kind in KINDS):
        yield Problem(path, "names no publisher", f"add at least one of {', '.join(KINDS)}, such as grpc: {{}}")
    for kind, template in (("redisPubSub", "channel"), ("redisStreams", "key")):
        if isinstance(publishers.get(kind), Mapping):
            yield from _redis(publishers[kind], f"{path}.{kind}")
            yield from _template(text(publishers[kind].get(template)), f"{path}.{kind}.{template}")
    if isinstance(publishers.get("kafka"), Mapping):
        yield from _kafka(publishers["kafka"], f"{path}.kafka")
    if section(publishers.get("grpc")).get("port") == HTTP_PORT:
        yield Problem(
            f"{path}.grpc.port", f"is {HTTP_PORT}, where each shard serves its status", "choose another, such as 9090"
        )
    for kind in KINDS:
        tls = section(publishers.get(kind)).get("tls")
        if isinstance(tls, Mapping):
            yield from _tls(tls, f"{path}.{kind}.tls", server=kind == "grpc")


def _redis(redis: Mapping[str, Any], path: str) -> Iterator[Problem]:
    given = [name for name in ("url", "urlFrom", "sentinel") if name in redis]
    if len(given) != 1:
        told = f"has {' and '.join(given)}" if given else "has none of url, urlFrom and sentinel"
        yield Problem(path, told, "give exactly one of url, urlFrom and sentinel")
    url = text(redis.get("url"))
    if url is not None:
        fault = url_fault(url, ("redis", "rediss"))
        if fault is not None:
            yield Problem(f"{path}.url", *fault)
    sentinel = section(redis.get("sentinel"))
    if sentinel.get("addresses") == []:
        yield Problem(f"{path}.sentinel.addresses", "is empty", "name at least one sentinel, such as sentinel-0:26379")
    if text(sentinel.get("master")) == "":
        yield Problem(f"{path}.sentinel.master", "is empty", "write the name that the sentinels know, such as mymaster")
    for i, address in texts(sentinel.get("addresses")):
        fault = host_port_fault(address, port_required=False)
        if fault is not None:
            yield Problem(f"{path}.sentinel.addresses[{i}]", *fault)
    if "sentinel" in redis and redis.get("cluster") is True:
        yield Problem(f"{path}.cluster", "is true beside sentinel", "keep one of them: a cluster has no sentinels")


def _kafka(kafka: Mapping[str, Any], path: str) -> Iterator[Problem]:
    if kafka.get("bootstrapServers") == []:
        yield Problem(f"{path}.bootstrapServers", "is empty", "name at least one broker, such as broker-0:9092")
    for i, address in texts(kafka.get("bootstrapServers")):
        fault = host_port_fault(address, port_required=True)
        if fault is not None:
            yield Problem(f"{path}.bootstrapServers[{i}]", *fault)
    topic = text(kafka.get("topic"))
    at = f"{path}.topic"
    yield from _template(topic, at)
    if topic and not _TOPIC(_BRACED.sub("", topic).replace("{", "").replace("}", "")):
        yield Problem(at, f"is no name of a topic: {topic!r}", "use letters, digits, dots, dashes and underscores")


def _template(template: str | None, path: str) -> Iterator[Problem]:
    if template is None:
        return
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    if not template:
        yield Problem(path, "is empty", f"write a name; {known} are filled in")
    for name in _BRACED.findall(template):
        if name not in PLACEHOLDERS:
            guess = near(name, PLACEHOLDERS)
            way_out = f"there are {known}"
            yield Problem(path, f"unknown placeholder {{{name}}}", f"did you mean {{{guess}}}? {way_out}" if guess else way_out)
    if set("{}") & set(_BRACED.sub("", template)):
        yield Problem(path, f"has a brace without its other half: {template!r}", f"write placeholders as {known}")


def _tls(tls: Mapping[str, Any], path: str, *, server: bool) -> Iterator[Problem]:
    given = [name for name in ("certFrom", "keyFrom") if name in tls]
    if len(given) == 1:
        yield Problem(path, f"has {given[0]} alone", "give certFrom and keyFrom together")
    elif server and not given:
        yield Problem(path, "has no certificate, and a server needs one", "give certFrom and keyFrom")
