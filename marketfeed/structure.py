"""A manifest's structure: fields that there are, types that they have. What the values mean is `validation`'s.

Nulls are settled here as the API server does it: such a field is absent; of a list it is said that it is empty.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from marketfeed.problem import Problem, choose, join
from marketfeed.resource import API_VERSION, IN_MANIFEST, KIND, MarketFeed

METADATA: Final = frozenset(
    "name generateName namespace labels annotations finalizers ownerReferences uid resourceVersion generation selfLink "
    "creationTimestamp deletionTimestamp deletionGracePeriodSeconds managedFields".split()
)
"""Fields of Kubernetes' ObjectMeta: those that are none of ours are left alone."""
_ALLOWED: Final[Mapping[str, frozenset[str]]] = {"": frozenset({"status"}), "metadata": METADATA}

_TYPES: Final[Mapping[str, tuple[str, str]]] = {
    "bool_type": ("true or false", "write true or false, without quotes"),
    "int_type": ("a whole number", "write a whole number, without quotes"),
    "int_from_float": ("a whole number", "write a whole number"),
    "float_type": ("a number", "write a number, without quotes"),
    "tuple_type": ("a list", "write a list, such as [a, b]"),
    "model_type": ("a section", "write its fields below it, indented"),
    "dict_type": ("a section", "write its fields below it, indented"),
}
_MISSING: Final[Mapping[str, str]] = {
    "apiVersion": f"add apiVersion: {API_VERSION}",
    "kind": f"add kind: {KIND}",
    "metadata": "add it, with the feed's name below it",
    "sources": "add it, and name at least one source below it",
    "channels": "add it, such as channels: [trades]",
    "publishers": "add it, with at least one publisher below it, such as grpc: {}",
}
_END: Final = 2**63
_PATTERNS: Final[Mapping[str, tuple[str, str]]] = {
    "name": ("no name of a Secret", "write lower-case letters, digits, dashes and dots"),
    "key": ("no key of a Secret", "write letters, digits, dashes, dots and underscores"),
}
_BOUNDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "greater_than_equal": ("ge", "below", "at least"),
    "greater_than": ("gt", "not above", "more than"),
    "less_than_equal": ("le", "above", "at most"),
}


def check(manifest: Mapping[str, Any]) -> tuple[dict[str, Any], MarketFeed | None, list[Problem]]:
    """The manifest with its nulls settled, the same as types where these fit, and what is wrong with its structure."""
    problems: list[Problem] = []
    tidy = _section(manifest, MarketFeed, "", problems)
    try:
        text = json.dumps(tidy)
        return tidy, MarketFeed.model_validate_json(text, strict=True, context=IN_MANIFEST), problems
    except ValidationError as error:
        told = {problem.path for problem in problems}
        found = (_translated(details) for details in error.errors(include_url=False))
        return tidy, None, problems + [problem for problem in found if problem.path not in told]


def _section(value: Mapping[Any, Any], model: type[BaseModel], path: str, problems: list[Problem]) -> dict[str, Any]:
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    tidy: dict[str, Any] = {}
    for key, content in value.items():
        at = join(path, _key(key))
        if key in fields:
            settled = _settled(content, fields[key], at, problems)
            if settled is not None:
                tidy[key] = settled
        elif key not in _ALLOWED.get(path, ()):
            problems.append(Problem(at, "is an unknown field", choose(_key(key), fields)))
    return tidy


def _settled(value: Any, annotation: Any, path: str, problems: list[Problem]) -> Any:
    """The value as JSON may have it; None: absent."""
    kind, inner = _shape(annotation)
    if kind == "section":
        if isinstance(value, Mapping):
            return _section(value, inner, path, problems)
    elif kind == "list":
        if value is None:
            return []
        if isinstance(value, list | tuple):
            return [_settled(item, inner, join(path, i), problems) for i, item in enumerate(value)]
    return _plain(value, path, problems)


def _shape(annotation: Any) -> tuple[str, Any]:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return _shape(next(a for a in get_args(annotation) if a is not NoneType))
    if origin is tuple:
        return "list", get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section", annotation
    return "value", None


def _plain(value: Any, path: str, problems: list[Problem]) -> Any:
    """A value that JSON has; what it has not is a problem, and null in its place."""
    if isinstance(value, Mapping):
        return {_key(k): _plain(v, join(path, _key(k)), problems) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, join(path, i), problems) for i, v in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        problems.append(Problem(path, "is no finite number", "write a number"))
    elif isinstance(value, int) and not -_END <= value < _END:
        problems.append(Problem(path, "is a number of more than 64 bits", "write a smaller one"))
    elif isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
        problems.append(Problem(path, "is no valid Unicode text", "write the character itself"))
    elif value is None or isinstance(value, str | bool | int | float):
        return value
    else:
        problems.append(Problem(path, f"is a {type(value).__name__}, which JSON does not have", "write it as text, in quotes"))
    return None


def _translated(details: ErrorDetails) -> Problem:
    """Pydantic's finding in our words."""
    path = ""
    for step in details["loc"]:
        path = join(path, step)
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "missing":
        return Problem(path, "is missing", _MISSING.get(path.rpartition(".")[2], "add it"))
    if kind == "string_type":
        way_out = f'put it in quotes: "{_told(value)}"' if isinstance(value, int | float) else "write text"
        if isinstance(value, bool):
            way_out = "put it in quotes; without, YAML takes yes, no, on and off for true and false, too"
        return Problem(path, f"is {_told(value)}, not text", way_out)
    if kind == "string_pattern_mismatch":
        what, way_out = _PATTERNS[path.rpartition(".")[2]]
        return Problem(path, f"is {what}: {_told(value)}", way_out)
    if kind in _TYPES:
        wanted, way_out = _TYPES[kind]
        return Problem(path, f"is {_told(value)}, not {wanted}", way_out)
    if kind in _BOUNDS:
        key, beyond, within = _BOUNDS[kind]
        return Problem(path, f"is {_told(value)}, {beyond} {context[key]:g}", f"write {within} {context[key]:g}")
    if kind == "literal_error":
        expected = str(context["expected"]).replace("'", "")
        quoted = isinstance(value, int) and str(value) in re.findall(r"\w+", expected)
        return Problem(path, f"is {_told(value)}", f'write "{value}", in quotes' if quoted else f"write {expected}")
    if kind == "too_long":
        most = context["max_length"]
        elsewhere = "; others go into another feed" if path == "spec.sources" else ""
        return Problem(path, f"has more than {most} entries", f"keep at most {most}{elsewhere}")
    if kind == "string_too_long":
        return Problem(path, f"has more than {context['max_length']} characters", "shorten it")
    reason, _, way_out = details["msg"].removeprefix("Value error, ").partition("; ")
    return Problem(path, reason[:1].lower() + reason[1:], way_out or "see the example manifests")


def _key(key: Any) -> str:
    return key if isinstance(key, str) else _told(key)


def _told(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        return f"{value[:60]!r}"
    return str(value)
