"""Keys are taken out of texts."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest

from movie_director.clients.http.redaction import REDACTED, Redactor

SECRET = 'sk-"ca&na/ry<7f3a9b2c>é'


@pytest.mark.parametrize(
    "form",
    [str, quote, lambda s: quote(s, safe=""), html.escape, lambda s: json.dumps(s)[1:-1], lambda s: repr(s)[1:-1]],
)
def test_a_secret_is_found_however_a_server_quotes_it(form):
    redact = Redactor([SECRET])
    assert redact(f"before {form(SECRET)} after") == f"before {REDACTED} after"


def test_the_parts_of_a_header_are_secrets_but_not_its_scheme():
    redact = Redactor([f"Bearer {SECRET}"])
    assert redact(f"Bearer {SECRET}") == REDACTED
    assert redact(f"the Bearer key {SECRET}!") == f"the Bearer key {REDACTED}!"


def test_the_longest_goes_first():
    redact = Redactor(["secret-key", "secret-key-and-more"])
    assert redact("secret-key-and-more secret-key") == f"{REDACTED} {REDACTED}"


def test_words_stay_words():
    redact = Redactor(["true", "", "gzip", "a b c"])
    assert redact("true gzip a b c") == "true gzip a b c"
    assert Redactor([])("text") == "text"
