from __future__ import annotations

from pathlib import Path

import pytest

from marketfeed.resource import FromSecret, SecretKeyRef
from marketfeed_shard.secrets import SecretError, Secrets


def reference(name: str = "redis", key: str = "password") -> FromSecret:
    """Not validated: an assignment file may come from anywhere."""
    return FromSecret.model_construct(secret_key_ref=SecretKeyRef.model_construct(name=name, key=key))


def test_a_value_is_read_each_time_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    file = tmp_path / "redis" / "password"
    file.write_text(" one \r\n")
    secrets = Secrets(tmp_path)
    assert secrets.text(reference()) == " one "
    file.write_text("two")
    assert secrets.text(reference()) == "two"
    assert secrets.path(reference()) == file


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="key password of Secret redis: there is no file"):
        Secrets(tmp_path).text(reference())
    with pytest.raises(SecretError, match="key password of Secret redis: no directory"):
        Secrets(None).text(reference())


@pytest.mark.parametrize(("name", "key"), [("..", "a"), ("a", "../b"), ("a/b", "c"), ("", "a"), ("a", ".")])
def test_a_name_never_leads_out_of_the_directory(tmp_path: Path, name: str, key: str) -> None:
    with pytest.raises(SecretError, match="must not be a path"):
        Secrets(tmp_path).path(reference(name, key))


def test_what_is_no_text_is_told_without_its_content(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "password").write_bytes(b"\xff\xfesecret")
    with pytest.raises(SecretError, match="is no UTF-8 text") as told:
        Secrets(tmp_path).text(reference())
    assert "secret'" not in str(told.value)
