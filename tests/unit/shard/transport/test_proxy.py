from __future__ import annotations

from pathlib import Path

import pytest

from marketfeed.proxies import ProxyAddressError, ProxyUrl
from marketfeed.resource import FromSecret, Proxy, SecretKeyRef
from marketfeed_shard.secrets import SecretError, Secrets
from marketfeed_shard.transport.proxy import reader


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
