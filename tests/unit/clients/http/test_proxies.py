"""Which proxy the environment names."""

from __future__ import annotations

import base64

import pytest

from movie_director.clients.errors import NetworkError
from movie_director.clients.http.proxies import Proxy, proxy_for
from movie_director.clients.http.url import parse_server_url

VARIABLES = [name for each in ("http", "https", "all", "no") for name in (f"{each}_proxy", f"{each.upper()}_PROXY")]


@pytest.fixture
def environment(monkeypatch):
    """Set proxy variables, all others unset."""

    def environment(**variables):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    environment()
    return environment


@pytest.mark.parametrize(
    ("url", "variables", "proxy"),
    [
        ("http://example.org", {}, None),
        ("http://example.org", {"HTTP_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ("http://example.org", {"http_proxy": "proxy:3128"}, "http://proxy:3128"),
        ("http://example.org", {"HTTP_PROXY": "http://proxy"}, "http://proxy:80"),
        ("http://example.org", {"HTTP_PROXY": "https://proxy"}, "https://proxy:443"),
        ("http://example.org", {"HTTP_PROXY": "http://[fd00::1]:8080"}, "http://[fd00::1]:8080"),
        ("http://example.org", {"HTTPS_PROXY": "http://proxy:3128"}, None),
        ("https://example.org", {"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://example.org", {"ALL_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://example.org", {"HTTPS_PROXY": "http://a:1", "ALL_PROXY": "http://b:1"}, "http://a:1"),
        ("http://example.org", {"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "example.org"}, None),
        ("http://api.example.org", {"HTTP_PROXY": "http://proxy:1", "NO_PROXY": ".example.org"}, None),
        ("http://example.org:81", {"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "example.org:81"}, None),
        ("http://example.org:82", {"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "example.org:81"}, "http://proxy:1"),
        ("http://example.org", {"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "*"}, None),
    ],
)
def test_the_environment_decides(environment, url, variables, proxy):
    environment(**variables)
    found = proxy_for(parse_server_url(url))
    assert (None if found is None else str(found)) == proxy


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "192.168.0.5", "10.1.2.3", "[fd00::1]", "gpu-box", "x.local"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_and_private_networks_need_none(environment, host, scheme):
    environment(HTTP_PROXY="http://proxy:1", HTTPS_PROXY="http://proxy:1", ALL_PROXY="http://proxy:1")
    assert proxy_for(parse_server_url(f"{scheme}://{host}:8188")) is None


def test_a_login_goes_into_a_header_and_nowhere_else(environment, canary):
    environment(HTTP_PROXY=f"http://us%40er:{canary}%C3%A4@proxy:3128")
    proxy = proxy_for(parse_server_url("http://example.org"))
    login = base64.b64decode(proxy.headers["proxy-authorization"].removeprefix("Basic ")).decode()
    assert login == f"us@er:{canary}ä"
    assert canary not in f"{proxy} {proxy!r}"
    assert proxy == Proxy("http", "proxy", 3128)
    environment(HTTP_PROXY="http://user@proxy")
    assert proxy_for(parse_server_url("http://example.org")).headers == {"proxy-authorization": "Basic dXNlcjo="}


@pytest.mark.parametrize(
    "proxy", ["socks5://{}@proxy:1", "http://user:{}@proxy:port", "http://user:{}@", "http://[::{}", "ftp://{}@proxy"]
)
def test_one_that_can_not_be_used(environment, proxy, canary, assert_no_secret):
    environment(HTTP_PROXY=proxy.format(canary))
    with pytest.raises(NetworkError) as caught:
        proxy_for(parse_server_url("http://example.org"))
    assert caught.value.code == "proxy"
    assert caught.value.hint
    assert_no_secret(caught.value)
