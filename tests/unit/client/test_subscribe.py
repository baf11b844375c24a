from __future__ import annotations

import pytest

from marketfeed_client import subscribe


@pytest.mark.parametrize("url", ["kafka://h:1", "h:1", "", "grpcs://h"])
def test_an_unknown_scheme_is_told_with_those_there_are(url: str) -> None:
    with pytest.raises(ValueError, match="grpc://, redis://, rediss://"):
        subscribe(url)


def test_one_text_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(TypeError, match="lists"):
        subscribe("grpc://h:1", symbols="BTC-USDT")


async def test_a_url_that_is_not_understood_is_told_without_its_password() -> None:
    with pytest.raises(ValueError, match=r"redis://\[user:password@\]") as told:
        await anext(subscribe("redis://:hunter2@h:port"))
    assert "hunter2" not in str(told.value)
