from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.proxies import ProxyAddressError, ProxyUrl


def test_a_url_is_taken_apart() -> None:
    assert ProxyUrl.parse("http://proxy:3128") == ProxyUrl("http", "proxy", 3128)
    assert ProxyUrl.parse("socks5h://us%40er:p%3Aw@[::1]:1081") == ProxyUrl("socks5h", "::1", 1081, "us@er", "p:w")
    assert ProxyUrl.parse("http://user@proxy:1") == ProxyUrl("http", "proxy", 1, "user", "")


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443), ("socks5", 1080), ("socks5h", 1080)])
def test_a_port_that_is_not_named_follows_from_the_scheme(scheme: str, port: int) -> None:
    assert ProxyUrl.parse(f"{scheme}://proxy").port == port


def test_shown_as_text_there_are_no_credentials() -> None:
    address = ProxyUrl.parse("http://somebody:hunter2@proxy:3128")
    assert str(address) == "http://proxy:3128"
    assert "hunter2" not in repr(address)


ASCII = st.text(st.characters(max_codepoint=127), max_size=255)


@given(ASCII.filter(lambda text: ":" not in text), ASCII, st.sampled_from(["proxy", "10.0.0.1", "::1"]))
def test_credentials_survive_being_written_as_a_url(username: str, password: str, host: str) -> None:
    address = ProxyUrl("http", host, 3128, username, password)
    assert ProxyUrl.parse(address.with_credentials()) == address


@pytest.mark.parametrize(
    "text", ["ftp://u:hunter2@h", "http://u:hunter2@", "http://u:hunter2@h:0", "u:hunter2@h", "http://u:hunter2@h o"]
)
def test_what_is_no_proxy_s_address_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ProxyAddressError, match="the proxy's address is no URL with http, https, socks5, socks5h") as caught:
        ProxyUrl.parse(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("credentials", ["%E5%B8%81:hunter2", "a%3Ab:hunter2", "u:hunter2" + 250 * "x"])
def test_credentials_that_no_proxy_would_understand_are_refused(credentials: str) -> None:
    with pytest.raises(ProxyAddressError, match="the proxy's user or password") as caught:
        ProxyUrl.parse(f"http://{credentials}@proxy")
    assert "hunter2" not in str(caught.value)


def test_over_http_credentials_go_where_the_proxy_reads_them() -> None:
    plain, known = ProxyUrl.parse("http://proxy:1"), ProxyUrl.parse("http://u:pw@proxy:1")
    header = {"Proxy-Authorization": "Basic dTpwdw=="}
    assert plain.http_options("http://exchange/x") == {"proxy": "http://proxy:1", "headers": {}}
    assert known.http_options("http://exchange/x") == {"proxy": "http://proxy:1", "headers": header}
    assert known.http_options("https://exchange/x") == {"proxy": "http://proxy:1", "proxy_headers": header}
