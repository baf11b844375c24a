"""Manifests read from files: YAML as Kubernetes takes it, with the mistakes named that a YAML parser lets pass."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from marketfeed.problem import NotAccepted, Problem, printable
from marketfeed.resource import MarketFeed
from marketfeed.validation import parse

STDIN: Final = "-"
MOST_BYTES: Final = 4 << 20
"""More than an API server takes."""
MOST_NODES: Final = 500_000
"""Values of a document with its aliases written out."""
WAY_OUT: Final = "write a MarketFeed, as those in examples/"


class ManifestError(Exception):
    """A file that cannot be read as manifests: one sentence that names it, the reason and the way out."""


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document."""

    place: str
    """The file, and which document where it has several."""
    manifest: Mapping[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML with the types of JSON: a date stays text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.yaml_constructors = {
    tag: constructor
    for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] in {"null", "bool", "int", "float", "str", "seq", "map"}
}


def documents(path: str) -> list[Document]:
    """All documents of a file, or of standard input for `-`. Raises `ManifestError`."""
    name = "standard input" if path == STDIN else path
    text = _text(path, name)
    try:
        found = list(_parsed(text))
    except yaml.YAMLError as error:
        raise ManifestError(f"{name}: broken YAML: {printable(_told(error, text))}; mend it there") from None
    except RecursionError:
        raise ManifestError(f"{name}: nested too deeply to be a manifest; {WAY_OUT}") from None
    except ValueError as error:  # a number that YAML's pattern lets through and Python does not read
        raise ManifestError(f"{name}: holds a number that cannot be read: {error}; mend it") from None
    full = [(i, content) for i, content in enumerate(found, start=1) if content is not None]
    if not full:
        raise ManifestError(f"{name}: the file is empty; {WAY_OUT}")
    read = []
    for i, content in full:
        place = f"{name} (document {i})" if len(found) > 1 else name
        if not isinstance(content, Mapping):
            raise ManifestError(f"{place}: is no manifest: a list or a single value; {WAY_OUT}")
        read.append(Document(place, content))
    return read


def feed(path: str) -> MarketFeed:
    """The one MarketFeed of a file. Raises `ManifestError` or, with all that is wrong with it, `NotAccepted`."""
    read = documents(path)
    if len(read) > 1:
        raise ManifestError(f"{path}: holds {len(read)} documents; give each MarketFeed a file of its own here")
    return parse(read[0].manifest)


def lines(place: str, problems: tuple[Problem, ...] | list[Problem]) -> list[str]:
    """Problems as they are printed: the file, the field, the reason, the way out."""
    return [f"{place}: {problem}" for problem in problems]


def read_lines(path: str) -> tuple[MarketFeed | None, list[str]]:
    """The one MarketFeed of a file, or why there is none."""
    try:
        return feed(path), []
    except ManifestError as error:
        return None, [str(error)]
    except NotAccepted as refused:
        return None, lines("standard input" if path == STDIN else path, refused.problems)


def _text(path: str, name: str) -> str:
    try:
        if path == STDIN:
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        elif Path(path).is_dir():
            raise ManifestError(f"{name}: is a directory; give a file")
        else:
            with Path(path).open("rb") as file:
                content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise ManifestError(f"{name}: there is no such file; check the path") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ManifestError(f"{name}: cannot be read: {reason}; check the path and its permissions") from None
    if len(content) > MOST_BYTES:
        raise ManifestError(f"{name}: is larger than {MOST_BYTES >> 20} MiB, and no manifest is; check the path")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{name}: is no UTF-8 text (line {line}), so no manifest; {WAY_OUT}") from None


def _parsed(text: str) -> Iterator[Any]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None  # `check_node` said so
            _examine(node)
            yield loader.construct_document(node)
    finally:
        loader.dispose()


def _examine(document: yaml.Node) -> None:
    """Refuse a key that is there twice, and aliases that would fill the memory."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node), 0)
        if known is None:
            raise yaml.MarkedYAMLError(problem="an alias within what it stands for", problem_mark=node.start_mark)
        if known:
            return known
        sizes[id(node)] = None
        total = 1
        if isinstance(node, yaml.MappingNode):
            _refuse_repeated_keys(node)
            total += sum(size(key) + size(value) for key, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            total += sum(size(item) for item in node.value)
        if total > MOST_NODES:
            raise yaml.MarkedYAMLError(problem="aliases that stand for too much", problem_mark=node.start_mark)
        sizes[id(node)] = total
        return total

    size(document)


def _refuse_repeated_keys(node: yaml.MappingNode) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            line = key.start_mark.line + 1
            if key.value in seen:
                problem = f"the key {key.value!r} is there already, in line {seen[key.value]}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen[key.value] = line


def _told(error: yaml.YAMLError, text: str) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        begun = f" ({error.context}, begun in line {error.context_mark.line + 1})" if error.context_mark else ""
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}{begun}"
    position = getattr(error, "position", 0)
    line = text.count("\n", 0, position) + 1
    return f"line {line}: {getattr(error, 'reason', None) or str(error).splitlines()[0]}"
