from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from marketfeed.resource import RedisPubSub
from marketfeed_shard.publishers.redis_connection import RedisError, Target, target, told
from marketfeed_shard.secrets import Secrets


def found(**spec: Any) -> Target:
    return target(RedisPubSub.model_validate(spec), Secrets(None))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", Target("cache", 6379)),
        ("redis://cache:7000/3", Target("cache", 7000, 3)),
        ("redis://:p%40ss@cache", Target("cache", 6379, 0, "", "p@ss")),
        ("redis://me:pw@[::1]:7000", Target("::1", 7000, 0, "me", "pw")),
    ],
)
def test_the_url_says_where_and_as_whom(url: str, expected: Target) -> None:
    assert found(url=url) == expected


def test_the_secret_and_the_username_apart_win(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "p").write_text("from the secret\n")
    password = {"secretKeyRef": {"name": "r", "key": "p"}}
    spec = RedisPubSub.model_validate({"url": "redis://a:b@h", "username": "u", "passwordFrom": password})
    assert target(spec, Secrets(tmp_path)) == Target("h", 6379, 0, "u", "from the secret")


def test_the_whole_url_may_be_a_secret(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "url").write_text("redis://u:p@h:1\n")
    spec = RedisPubSub.model_validate({"urlFrom": {"secretKeyRef": {"name": "r", "key": "url"}}})
    assert target(spec, Secrets(tmp_path)) == Target("h", 1, 0, "u", "p")


@pytest.mark.parametrize("spec", [{"url": "rediss://h"}, {"url": "redis://h", "tls": {}}])
def test_tls_checks_certificate_and_name(spec: dict[str, Any]) -> None:
    context = found(**spec).tls
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("url", ["http://h", "redis://u:hunter2/x@h:1", "redis://:hunter2@h:port", "redis://h?hunter2=1"])
def test_a_url_that_is_not_understood_is_told_with_the_way_out(url: str) -> None:
    with pytest.raises(RedisError, match=r"redis://\[user:password@\]host\[:port\]") as error:
        found(url=url)
    assert "?" in url or "hunter2" not in str(error.value)


def test_a_password_is_never_shown() -> None:
    where = Target("h", 1, password="hunter2")
    assert "hunter2" not in repr(where)
    assert told(RedisError("user default with hunter2 is refused"), where) == "h:1: user default with *** is refused"


def test_a_silent_server_and_a_system_error_are_told_in_words() -> None:
    where = Target("h", 1)
    assert told(TimeoutError(), where) == "h:1: no answer within 5 s"
    assert told(ConnectionRefusedError(111, "Connection refused"), where) == "h:1: Connection refused"
