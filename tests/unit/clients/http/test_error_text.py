"""What an error body says to people."""

from __future__ import annotations

import json
import time

import pytest

from movie_director.clients.http.error_text import MAX_WORDS, error_text
from movie_director.clients.http.redaction import Redactor


def said(body, content_type="text/plain", redact=str):
    return error_text(body, content_type, redact)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"error": {"message": "no such model", "type": "x"}}, "no such model"),
        ({"error": "no such model"}, "no such model"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"message": "busy"}, "busy"),
        ({"error": {"error": {"detail": "deep"}}}, "deep"),
        (
            {"detail": [{"loc": ["body", "x"], "msg": "missing"}]},
            '{"detail": [{"loc": ["body", "x"], "msg": "missing"}]}',
        ),
        ({"other": 1}, '{"other": 1}'),
        ("only a text", "only a text"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_the_message_in_json(value, words):
    assert said(json.dumps(value).encode(), "application/json") == words
    assert said(json.dumps(value).encode(), "application/problem+json") == words


def test_json_without_its_type_and_a_type_without_json():
    assert said(b' {"error": "x"}') == "x"
    assert said(b'{"error": ', "application/json") == '{"error":'
    assert said(b"[" * 50_000, "application/json").startswith("[[[")


def test_a_web_page_becomes_its_text():
    page = b"""<!DOCTYPE html><html><HEAD><title>502</title><style>body { color: red }</style></HEAD>
    <body class="x"><script>alert(1)</script><h1>502 Bad&nbsp;Gateway</h1>\n<hr>nginx &amp; co</body></html>"""
    assert said(page, "text/html") == "502 Bad Gateway nginx & co"
    assert said(b"before <script>never closed", "text/html") == "before"
    assert said("<İ><header>top</header> <head/ >x</head y>İ".encode(), "text/html") == "top İ"
    assert said(b"5 < 6 and 7 > 3") == "5 3"
    assert said(b"5 < 6") == "5 < 6"


def test_one_bounded_line_of_printable_text():
    assert said(b"a\r\n\tb\x00\x1b[31mc\xff \xe2\x80\xaee") == "a b [31mc\ufffd e"
    assert said(b"x" * 5000) == "x" * MAX_WORDS
    assert said(b"") == ""


def test_secrets_are_out_before_the_line_is_cut(canary):
    redact = Redactor([canary])
    for before in range(MAX_WORDS - len(canary) - 2, MAX_WORDS):
        words = error_text(b"x" * before + canary.encode(), "text/plain", redact)
        assert canary[:6] not in words
    assert canary not in error_text(json.dumps({"error": canary}).encode(), "application/json", redact)


@pytest.mark.parametrize("body", [b"<" * 65536, b"<script" * 9000, b"<style><head>" * 5000, b"<script></script" * 4000])
def test_no_body_keeps_it_busy(body):
    began = time.perf_counter()
    said(body, "text/html")
    assert time.perf_counter() - began < 10.0
