"""Headers that people type."""

from __future__ import annotations

import pytest

from movie_director.clients.errors import ValidationError
from movie_director.clients.http.headers import checked_headers, merged_headers


def test_good_ones_pass():
    assert checked_headers({"X-Key": " a\tb ü ", "Authorization": "Bearer x"}) == {
        "X-Key": "a\tb ü",
        "Authorization": "Bearer x",
    }


@pytest.mark.parametrize(
    "value", ["{}\r\nX-Injected: 1", "{}\nX: 1", "{}\r\n folded", "\r{}", "{}\0", "{}\x7f", "{}…", "🎬{}", "{}\x0b"]
)
def test_a_value_that_would_leave_its_line_is_refused_and_not_told(value, canary, assert_no_secret):
    with pytest.raises(ValidationError, match="X-Key") as caught:
        checked_headers({"X-Key": value.format(canary)})
    assert caught.value.code == "invalid_header"
    assert caught.value.hint
    assert_no_secret(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ä", "a\0"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ValidationError) as caught:
        checked_headers({name: "x"})
    assert caught.value.code == "invalid_header"


def test_later_headers_replace_earlier_ones():
    assert merged_headers({"A": "1", "B": "2"}, {"b": "3"}, {"C": "4"}) == {"A": "1", "b": "3", "C": "4"}
