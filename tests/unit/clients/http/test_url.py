"""Addresses as people type them."""

from __future__ import annotations

import copy
import pickle

import pytest

from movie_director.clients.errors import ValidationError
from movie_director.clients.http.url import ServerURL, parse_server_url

GOOD = [
    ("http://127.0.0.1:8188", "http://127.0.0.1:8188"),
    ("127.0.0.1:8188", "http://127.0.0.1:8188"),
    ("localhost:8188", "http://localhost:8188"),
    ("  http://localhost:8188/  ", "http://localhost:8188"),
    ("http://localhost:8188///", "http://localhost:8188"),
    ("localhost", "http://localhost"),
    ("//example.org", "http://example.org"),
    ("http:example.org:1", "http://example.org:1"),
    ("http:/example.org:1", "http://example.org:1"),
    ("HTTPS://Example.ORG", "https://example.org"),
    ("https://example.org:443", "https://example.org"),
    ("http://example.org:80/x", "http://example.org/x"),
    ("http://example.org:443", "http://example.org:443"),
    ("https://example.org/comfy", "https://example.org/comfy"),
    ("https://example.org/comfy/", "https://example.org/comfy"),
    ("https://example.org/a b".replace(" ", "%20"), "https://example.org/a%20b"),
    ("https://example.org/ü", "https://example.org/%C3%BC"),
    ("http://0.0.0.0:8188", "http://127.0.0.1:8188"),
    ("0.0.0.0:8188", "http://127.0.0.1:8188"),
    ("http://[::1]:8188", "http://[::1]:8188"),
    ("[::1]:8188", "http://[::1]:8188"),
    ("::1", "http://[::1]"),
    ("http://[::]:8188/x", "http://[::1]:8188/x"),
    ("http://[fe80::1%eth0]:81", "http://[fe80::1%25eth0]:81"),
    ("ws://example.org/x", "http://example.org/x"),
    ("wss://example.org", "https://example.org"),
    ("\u200bhttp://127.0.0.1:8188", "http://127.0.0.1:8188"),
    ("\ufeff 127.0.0.1:8188\u200b\u2060\n", "http://127.0.0.1:8188"),
    ("http://exam\u200bple.org", "http://example.org"),
    ("\u200ehttps://example.org\u00ad", "https://example.org"),
    ("http://münchen.example", "http://xn--mnchen-3ya.example"),
    ("gpu-box", "http://gpu-box"),
    ("gpu_box.lan.", "http://gpu_box.lan."),
    ("http://example.org:", "http://example.org"),
    ("http://example.org/#part", "http://example.org"),
]

BAD = [
    (None, "empty"),
    (5, "empty"),
    ("", "empty"),
    ("   ", "empty"),
    ("\u200b\ufeff", "empty"),
    ("http://exa mple.org", "space"),
    ("http://example.org/\r\nX: y", "space"),
    ("http://example.org\x7f", "space"),
    ("file:///etc/passwd", "only http"),
    ("file:/etc/passwd", "only http"),
    ("mailto:a@example.org", "only http"),
    ("javascript:alert(1)", "only http"),
    ("ftp://example.org", "only http"),
    ("socks5://example.org", "only http"),
    ("http://", "missing"),
    ("http:", "missing"),
    ("http:///path", "missing"),
    (":8188", "missing"),
    ("8188", "missing"),
    ("http://:8188", "missing"),
    ("http://example.org:70000", "port"),
    ("http://example.org:abc", "port"),
    ("http://example.org:-1", "port"),
    ("http://example.org:0", "port 0"),
    ("http://[::1", "not valid"),
    ("http://[::zz]", "not valid"),
    ("http://[v1.fe80::1]", "IPv6"),
    ("http://-example.org", "not valid"),
    ("http://a..b", "not valid"),
    ("http://exa\\mple.org", "not valid"),
    ("http://exa%6dple.org", "not valid"),
    ("http://" + "a" * 64, "not valid"),
    ("http://" + "ü" * 64, "not valid"),
]


@pytest.mark.parametrize(("typed", "meant"), GOOD)
def test_addresses_are_understood(typed, meant):
    assert str(parse_server_url(typed)) == meant
    assert parse_server_url(meant) == parse_server_url(typed)


@pytest.mark.parametrize(("typed", "reason"), BAD)
def test_what_is_no_address_is_refused(typed, reason):
    with pytest.raises(ValidationError, match=reason) as caught:
        parse_server_url(typed)
    assert caught.value.code == "invalid_url"
    assert caught.value.hint
    assert caught.value.problems


@pytest.mark.parametrize(
    "typed",
    [
        "http://user:{0}@example.org",
        "user:{0}@example.org",
        "http://user:{0}@example.org:99999",
        "http://user:{0}/x@example.org",
        "http://user:pass word {0}@example.org",
        "http://{0}@example.org",
        "ftp://user:{0}@example.org",
        "file://user:{0}@example.org",
        "http://user:{0}@[::zz]",
        "http://exa..mple.org/?token={0}",
        "http://user:{0}@",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_told(typed, canary, assert_no_secret):
    with pytest.raises(ValidationError) as caught:
        parse_server_url(typed.format(canary))
    assert caught.value.code == "invalid_url"
    assert_no_secret(caught.value)


def test_a_long_address_is_not_repeated_whole():
    with pytest.raises(ValidationError) as caught:
        parse_server_url("http://" + "x" * 10_000)
    assert len(str(caught.value)) < 500


def test_paths_go_below_the_prefix_and_the_query_with_them(canary):
    url = parse_server_url(f"https://example.org/comfy/?token={canary}&x=ä")
    assert url.join("/view") == f"https://example.org/comfy/view?token={canary}&x=%C3%A4"
    assert url.join("/view?a=1") == f"https://example.org/comfy/view?a=1&token={canary}&x=%C3%A4"
    assert url.websocket("/ws").startswith("wss://example.org/comfy/ws?token=")
    assert canary not in str(url)
    assert canary not in repr(url)
    plain = parse_server_url("example.org:81")
    assert plain.join("/a") == "http://example.org:81/a"
    assert plain.websocket("/a?b=c") == "ws://example.org:81/a?b=c"
    assert copy.copy(url) == pickle.loads(pickle.dumps(url)) == url


def test_origin_and_authority():
    url = parse_server_url("https://example.org/x")
    assert (url.origin, url.authority) == ("https://example.org", "example.org:443")
    assert parse_server_url("http://[::1]:80").authority == "[::1]:80"
    assert ServerURL("http", "h", 8188).origin == "http://h:8188"


@pytest.mark.parametrize(
    ("host", "loopback", "private"),
    [
        ("127.0.0.1", True, True),
        ("127.8.9.1", True, True),
        ("localhost", True, True),
        ("LOCALHOST.", True, True),
        ("comfy.localhost", True, True),
        ("[::1]", True, True),
        ("[::ffff:127.0.0.1]", True, True),
        ("0.0.0.0", True, True),
        ("192.168.1.20", False, True),
        ("10.0.0.1", False, True),
        ("172.16.0.1", False, True),
        ("172.32.0.1", False, False),
        ("100.64.0.1", False, True),
        ("169.254.1.1", False, True),
        ("[fe80::1]", False, True),
        ("[fd00::1]", False, True),
        ("gpu-box", False, True),
        ("gpu.local", False, True),
        ("gpu.lan.", False, True),
        ("8.8.8.8", False, False),
        ("[2606:4700::1111]", False, False),
        ("example.org", False, False),
        ("localhost.example.org", False, False),
        ("127.0.0.1.example.org", False, False),
        ("notlocalhost", False, True),
    ],
)
def test_whose_address_it_is(host, loopback, private):
    url = parse_server_url(f"http://{host}:81")
    assert (url.is_loopback, url.is_private) == (loopback, private)
