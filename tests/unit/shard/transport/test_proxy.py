from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.proxies import ProxyAddressError, ProxyUrl
from marketfeed.resource import FromSecret, Proxy, SecretKeyRef
from marketfeed_shard.secrets import SecretError, Secrets
from marketfeed_shard.transport.proxy import reader


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


def test_the_manifest_s_address_is_the_proxy(tmp_path: Path) -> None:
    assert reader(None, Secrets(None), "picows")() is None
    assert reader(Proxy(url="http://proxy:1"), Secrets(None), "picows")() == ProxyUrl("http", "proxy", 1)


def test_a_secret_is_read_again_for_each_connection(tmp_path: Path) -> None:
    (tmp_path / "proxy").mkdir()
    file = tmp_path / "proxy" / "url"
    proxy = Proxy(url_from=FromSecret(secret_key_ref=SecretKeyRef(name="proxy", key="url")))
    read = reader(proxy, Secrets(tmp_path), "picows")
    with pytest.raises(SecretError):
        read()
    file.write_text("http://u:old@proxy:1\n")
    assert read() == ProxyUrl("http", "proxy", 1, "u", "old")
    file.write_text("http://u:new@proxy:1\n")
    assert read() == ProxyUrl("http", "proxy", 1, "u", "new")


def test_socks_is_for_the_other_transport_also_where_a_secret_names_it(tmp_path: Path) -> None:
    proxy = Proxy(url="socks5://proxy")
    assert reader(proxy, Secrets(None), "websockets")() == ProxyUrl("socks5", "proxy", 1080)
    with pytest.raises(ProxyAddressError, match="set transport: websockets"):
        reader(proxy, Secrets(None), "picows")()
