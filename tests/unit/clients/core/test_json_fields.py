"""Fields of untyped JSON: what is of the kind that is asked for, and nothing else."""

from __future__ import annotations

import json
import math

import pytest

from movie_director.clients.core.json_fields import (
    MAX_INT,
    as_int,
    as_list,
    as_number,
    as_object,
    as_text,
    get_member,
    get_objects,
    get_texts,
    is_int,
    is_number,
    parse_int,
    parse_number,
    parse_version,
)

HUGE = 10**400
ODD = [
    None,
    True,
    False,
    math.nan,
    math.inf,
    -math.inf,
    HUGE,
    -HUGE,
    json.loads("1e999"),
    "x",
    "",
    [],
    ["1"],
    {},
    {"a": 1},
]
"""What is no number; ``1e999`` is how JSON writes an infinity by accident."""


@pytest.mark.parametrize("value", ODD, ids=lambda each: repr(each)[:20])
def test_what_is_no_number_is_none_and_raises_nothing(value):
    assert (as_number(value), as_int(value), is_number(value)) == (None, None, False)
    assert parse_number(value) is None


@pytest.mark.parametrize("value", [0, 1, -1, 0.5, 1e308, 2**63, MAX_INT])
def test_a_number_stays_as_it_is(value):
    assert as_number(value) == parse_number(value) == value
    assert type(as_number(value)) is type(value)


def test_numbers_have_limits():
    assert [as_number(each, least=0.0, most=1.0) for each in (-0.1, 0, 1, 1.1)] == [None, 0, 1, None]
    assert [as_int(each, least=1, most=9) for each in (0, 1, 9, 10)] == [None, 1, 9, None]
    assert [as_int(each) for each in (MAX_INT, MAX_INT + 1, -MAX_INT, 1e300)] == [MAX_INT, None, -MAX_INT, None]


def test_whole_numbers():
    assert [as_int(each) for each in (3, 3.0, 3.5, -2.0)] == [3, 3, None, -2]
    assert type(as_int(3.0)) is int
    assert [is_int(each) for each in (3, 3.0, True, "3", HUGE)] == [True, False, False, False, True]


def test_numbers_in_texts():
    assert [parse_int(each) for each in ("0", "007", "1" * 20)] == [0, 7, int("1" * 20)]
    assert [parse_int(each) for each in ("", "-1", "1.0", "²", "٣", "x", "1" * 21, "9" * 5000)] == [None] * 8
    assert [parse_number(each) for each in ("2.5", " 3 ", "-1e3")] == [2.5, 3.0, -1000.0]
    assert [parse_number(each) for each in ("nan", "1e999", "0x10", "9" * 5000, "1" * 65)] == [None] * 5


def test_versions():
    found = [
        parse_version(each) for each in ("0.33.0", "v0.3.40-12-gabc", "Gradio 6", "1.2.3.4", "", None, 5, "9" * 5000)
    ]
    assert found == [(0, 33, 0), (0, 3, 40), (6,), (1, 2, 3), (), (), (), (999999999,) * 3]


def test_texts_lists_and_objects():
    assert [as_text(each) for each in ("a", 1, None, ["a"])] == ["a", "", "", ""]
    assert as_text(5, "default") == "default"
    assert [as_list(each) for each in ([1], (1,), "ab", {"a": 1}, None)] == [[1], [], [], [], []]
    assert [as_object(each) for each in ({"a": 1}, [("a", 1)], "a", None)] == [{"a": 1}, {}, {}, {}]
    assert get_objects([{"a": 1}, 5, None, ["x"], {}]) == [{"a": 1}, {}]
    assert get_texts(["a", 5, None, ["x"], ""]) == ["a", ""]
    assert get_objects({"a": {}}) == get_texts("ab") == []


def test_members_of_nested_objects():
    value = {"a": {"b": {"c": 0}}, "x": ["y"]}
    assert get_member(value, "a", "b", "c") == 0
    assert get_member(value) is value
    assert [get_member(each, "a", "b") for each in (None, 5, [], {"a": 5}, {"a": ["b"]}, {"b": 1})] == [None] * 6
