"""From the manifest's types to the structural schema that a CRD wants: no references, no unions with null, no defaults.

Defaults stay out of it: what is stored is what was written, and a later version may have another one. Descriptions are the
docstrings of the types and of their fields.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from marketfeed.fields import Bytes, Seconds

Schema: TypeAlias = dict[str, Any]
Additions: TypeAlias = Mapping[type[BaseModel], Mapping[str, Schema]]
"""By type and field (empty: the section itself): what is said there beside what the types say. Sub-types have it too."""

_KEPT: Final = ("enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties")
_UNKNOWN: Final = "x-kubernetes-preserve-unknown-fields"


def structural(model: type[BaseModel], additions: Additions) -> Schema:
    """The schema of one section and all below it."""
    told = model.model_json_schema(by_alias=True)
    own = told if "properties" in told else told["$defs"][model.__name__]
    properties: Schema = {}
    required = []
    for name, field in model.model_fields.items():
        alias = field.alias or name
        text = _description(model, name, field)
        properties[alias] = ({"description": text} if text else {}) | _value(
            field.annotation, own["properties"][alias], told.get("$defs", {}), additions
        )
        properties[alias] |= _added(model, alias, additions)
        if field.is_required():
            required.append(alias)
    schema: Schema = {"type": "object", "description": inspect.cleandoc(model.__doc__ or ""), "properties": properties}
    if required:
        schema["required"] = required
    return schema | _added(model, "", additions)


def _value(annotation: Any, told: Schema, definitions: Schema, additions: Additions) -> Schema:
    told = next((way for way in told.get("anyOf", ()) if way.get("type") != "null"), told)
    inner = _without_none(annotation)
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        return structural(inner, additions)
    if told.get("type") == "array":
        item = _value(get_args(inner)[0], told["items"], definitions, additions)
        return _kept(told, type="array", items=item)
    if told.get("type") == "object":
        values = told.get("additionalProperties")
        if isinstance(values, Mapping):
            return _kept(told, type="object", additionalProperties={"type": values["type"]})
        return _kept(told, type="object", **{_UNKNOWN: True})
    if isinstance(told["type"], list):
        ways = [{"type": way} for way in told["type"]]
        return _kept(told, **{"x-kubernetes-int-or-string": True, "anyOf": ways})
    return _kept(told, type=told["type"])


def _without_none(annotation: Any) -> Any:
    """The annotation's type itself: without `Annotated` and without None."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        annotation = next(way for way in get_args(annotation) if way is not NoneType)
    return annotation


def _kept(told: Schema, **own: Any) -> Schema:
    return {**own, **{word: told[word] for word in _KEPT if word in told}}


def _added(model: type[BaseModel], field: str, additions: Additions) -> Schema:
    """Rules of a sub-type come after those of its base."""
    added: Schema = {}
    for base in reversed(model.__mro__):
        for word, value in additions.get(base, {}).get(field, {}).items():
            added[word] = [*added.get(word, ()), *value] if isinstance(value, list) and word != "enum" else value
    return added


def _description(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    """The field's docstring, else that of the section which it holds; and its default."""
    for base in model.__mro__:
        text = _docstrings(base.__module__).get((base.__name__, name))
        if text is not None:
            break
    else:
        section = _without_none(field.annotation)
        text = inspect.cleandoc(section.__doc__ or "") if isinstance(section, type) and issubclass(section, BaseModel) else ""
    default = _default(model, name, field)
    return f"{text} Default: {default}.".strip() if default else text


def _default(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    value = field.default
    if value is None or value is PydanticUndefined or isinstance(value, BaseModel) or value == ():
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    hint = next((base.__annotations__[name] for base in model.__mro__ if name in getattr(base, "__annotations__", {})), None)
    return _written(value, hint)


def _written(value: Any, hint: Any) -> str:
    if hint in ("Seconds", Seconds):
        return f"{value:g}s"
    if hint in ("Bytes", Bytes):
        return f"{value >> 20}Mi"
    return f"{value}"


@cache
def _docstrings(module: str) -> Mapping[tuple[str, str], str]:
    """By class and field: the string below the field in its module."""
    if not module.startswith("marketfeed."):
        return {}
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return {(node.name, name): text for node in classes for name, text in _fields(node)}


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in zip(node.body, node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            text = below.value
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield field.target.id, inspect.cleandoc(text.value)
