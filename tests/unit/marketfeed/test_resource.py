from __future__ import annotations

import pytest
from pydantic import ValidationError

from marketfeed.resource import IN_MANIFEST, Grpc, Publishers, RedisPubSub, seconds


@pytest.mark.parametrize(("text", "expected"), [("500ms", 0.5), ("30s", 30.0), ("1.5m", 90.0), ("2h", 7200.0)])
def test_a_duration_is_held_in_seconds(text: str, expected: float) -> None:
    assert seconds(text) == expected
    assert Grpc.model_validate({"maxAge": text}).max_age == expected


@pytest.mark.parametrize("text", ["30", "s", "-1s", "1 s", "1d", "1s2", "", "١s", "1e3s"])
def test_other_texts_are_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        seconds(text)


def test_a_number_is_a_duration_in_an_assignment_and_none_in_a_manifest() -> None:
    assert Grpc.model_validate({"maxAge": 2.0}).max_age == 2.0
    with pytest.raises(ValidationError, match="without a unit"):
        Grpc.model_validate({"maxAge": 2.0}, context=IN_MANIFEST)


@pytest.mark.parametrize(
    ("text", "expected"), [("1", 1), ("64Mi", 64 << 20), ("1Gi", 1 << 30), ("5k", 5000), ("2M", 2 * 10**6)]
)
def test_a_quantity_is_held_in_bytes(text: str, expected: int) -> None:
    assert Grpc.model_validate({"bufferBytes": text}).buffer_bytes == expected


@pytest.mark.parametrize("value", ["64MB", "-1", "1.5Mi", "", 0, "0"])
def test_others_are_no_quantity(value: object) -> None:
    with pytest.raises(ValidationError):
        Grpc.model_validate({"bufferBytes": value})


def test_publishers_survive_their_json() -> None:
    publishers = Publishers(redis_pub_sub=RedisPubSub(url="redis://localhost", max_age=0.25), grpc=Grpc())
    assert Publishers.model_validate_json(publishers.model_dump_json(by_alias=True)) == publishers
