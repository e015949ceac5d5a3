"""JSON is found in an answer and checked."""

from __future__ import annotations

import pytest

from movie_director.clients.litellm.structured_output import (
    Validator,
    get_ways,
    make_correction,
    make_response_format,
    parse,
)

THREE = {"type": "object", "properties": {"n": {"const": 3}}, "required": ["n"]}


@pytest.mark.parametrize(
    "text",
    [
        '{"n": 3}',
        ' \n{"n": 3}\n',
        '```json\n{"n": 3}\n```',
        'Sure! [as asked]\n```\n{"n": 3}\n```\nAnything else?',
        'Here: {"n": 3}. Or {"n": 4}?',
        'First {"n": 2}, no: {"n": 3}',
        '{"broken": {"n": 3}',
        "{" * 5 + '{"n": 3}',
    ],
)
def test_json_is_found_in_chatter(text):
    assert parse(text, Validator(THREE)) == ({"n": 3}, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no JSON here", "no complete JSON"),
        ('{"n": NaN}', "no complete JSON"),
        ("[" * 100_000, "no complete JSON"),
        ("{" * 100 + '{"n": 3}', "no complete JSON"),
        ('{"n": 4}', "n must be same as const"),
        ("[]", "must be object"),
    ],
)
def test_what_does_not_fit_is_said_in_words(text, problem):
    _, problems = parse(text, Validator(THREE))
    assert problem in problems[0]
    assert problems[0] in make_correction(problems)


def test_the_ladder_of_ways_to_ask():
    assert get_ways("litellm", None) == ["json_schema", "json_object", "text"]
    assert get_ways("litellm", "json_object") == ["json_object", "text"]
    assert get_ways("lmstudio", None) == ["json_schema", "text"]
    assert get_ways("lmstudio", "json_object") == ["json_schema", "text"]
    wanted = make_response_format("json_schema", {**THREE, "title": "a shot!"})
    assert wanted["json_schema"]["name"] == "a_shot_"
    assert wanted["json_schema"]["strict"] is False
    assert make_response_format("json_object", THREE) == {"type": "json_object"}
    assert make_response_format("text", THREE) is None
