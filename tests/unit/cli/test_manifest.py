from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marketfeed_cli.manifest import MOST_BYTES, ManifestError, documents


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read(content: bytes | str) -> list[Any]:
        file = tmp_path / "feed.yaml"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return [document.manifest for document in documents(str(file))]

    return read


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9)
)
FAULTS = {
    "nothing": ("", "the file is empty"),
    "only comments": ("# nothing\n---\n", "the file is empty"),
    "unclosed list": ("a: 1\nb: 2\nc: [1, 2\n", r"line 4, .*begun in line 3"),
    "a tab": ("a: 1\nb:\n\tc: 2\n", "line 3, column 1"),
    "wrong indentation": ("a: 1\nb: 2\n  c: 3\n", "line 3, column 4"),
    "a key twice": ("a: 1\nb: 2\na: 3\n", r"line 3, .*'a' is there already, in line 1"),
    "a key twice within": ("a:\n  b: 1\n  c: 2\n  b: 3\n", r"line 4, .*'b' is there already, in line 2"),
    "an alias of nothing": ("a: *b\n", "line 1, .*undefined alias"),
    "an alias within itself": ("a: &a [*a]\n", "line 1, .*within what it stands for"),
    "aliases that explode": (BOMB, "aliases that stand for too much"),
    "no text": (b"\xff\xfe\x00", "no UTF-8 text"),
    "a zero byte": ("a: 1\nb: \0\n", "line 2"),
    "a list": ("- a\n", "is no manifest"),
    "a tag": ("a: !!python/name:os.system x\n", "line 1, .*tag"),
    "depth": ("[" * 5000, "nested too deeply"),
    "a number that Python does not read": ("a: 0x_\n", "number that cannot be read"),
    "size": (b"#" * (MOST_BYTES + 1), "larger than 4 MiB"),
}


@pytest.mark.parametrize(("content", "words"), FAULTS.values(), ids=FAULTS)
def test_a_file_that_is_no_manifest_is_told_in_one_sentence(read: Any, content: bytes | str, words: str) -> None:
    with pytest.raises(ManifestError, match=words) as fault:
        read(content)
    assert "\n" not in str(fault.value)
    assert "feed.yaml" in str(fault.value)


def test_values_are_those_that_json_has(read: Any) -> None:
    assert read("a: 2026-01-01\nb: 1.5\nc: true\nd: ~\ne: [x, 1]\n") == [
        {"a": "2026-01-01", "b": 1.5, "c": True, "d": None, "e": ["x", 1]}
    ]


def test_aliases_and_merges_are_understood(read: Any) -> None:
    assert read("a: &a {b: 1, c: 2}\nd: *a\ne:\n  <<: *a\n  b: 3\n")[0] == {
        "a": {"b": 1, "c": 2},
        "d": {"b": 1, "c": 2},
        "e": {"b": 3, "c": 2},
    }


def test_empty_documents_among_others_are_passed_over(read: Any) -> None:
    assert read("---\na: 1\n---\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(("path", "words"), [("/", "is a directory"), ("/no/such/file", "no such file"), ("a\0b", "null byte")])
def test_a_path_that_leads_to_no_file_is_told(path: str, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        documents(path)
