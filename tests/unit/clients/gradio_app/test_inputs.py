"""A request against the fields of an endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from movie_director.clients import errors
from movie_director.clients.gradio_app import Choice, Endpoint, EndpointRequest, Field, FieldKind
from movie_director.clients.gradio_app.endpoints import Wrapping
from movie_director.clients.gradio_app.inputs import check_inputs, wrap_files

FIELDS = (
    Field("text", "Text", FieldKind.TEXT, required=True),
    Field("steps", "Steps", FieldKind.WHOLE_NUMBER, default=20, minimum=1, maximum=50),
    Field("speed", "Speed", FieldKind.NUMBER, default=1.0),
    Field("loud", "Loud", FieldKind.YES_NO, default=False),
    Field("voice", "Voice", FieldKind.CHOICE, default="anna", choices=(Choice("Anna", "anna"), Choice("Bill", "bill"))),
    Field("moods", "Moods", FieldKind.CHOICES, default=[], choices=(Choice("Calm", "calm"), Choice("Wild", "wild"))),
    Field("sample", "Sample", FieldKind.FILE, media="audio"),
    Field("more", "More", FieldKind.FILES),
    Field("extra", "Extra", FieldKind.JSON),
)
ENDPOINT = Endpoint("/speak", 3, FIELDS)
FILE = {"path": "/srv/a.wav", "meta": {"_type": "gradio.FileData"}}


def checked(inputs=None, files=None):
    return check_inputs(ENDPOINT, EndpointRequest("/speak", {"text": "hi", **(inputs or {})}, files or {}))


def test_defaults_are_filled_in():
    made = checked()
    assert made.values == {
        "text": "hi",
        "steps": 20,
        "speed": 1.0,
        "loud": False,
        "voice": "anna",
        "moods": [],
        "sample": None,
        "more": None,
        "extra": None,
    }
    assert made.files == {}


def test_fields_may_be_given_by_their_labels():
    assert checked({"Voice": "bill"}).values["voice"] == "bill"


def test_a_field_of_any_json_takes_any_json():
    assert checked({"extra": {"a": [1]}}).values["extra"] == {"a": [1]}


def test_files_are_told_from_values():
    made = checked(files={"sample": "/film/a.wav", "more": ["/film/b.wav", "/film/c.wav"]})
    assert made.files == {"sample": (Path("/film/a.wav"),), "more": (Path("/film/b.wav"), Path("/film/c.wav"))}
    assert "sample" not in made.values


@pytest.mark.parametrize(
    ("inputs", "files", "problem"),
    [
        ({"text": None}, {}, "text: a value is required."),
        ({"text": 5}, {}, "text: a text is required."),
        ({"steps": "5"}, {}, "steps: a number is required."),
        ({"steps": True}, {}, "steps: a number is required."),
        ({"steps": 1.5}, {}, "steps: a whole number is required."),
        ({"steps": 0}, {}, "steps: it must be at least 1."),
        ({"steps": 51}, {}, "steps: it must be at most 50."),
        ({"loud": "yes"}, {}, "loud: true or false is required."),
        ({"voice": "bil"}, {}, "voice: 'bil' is not one of its choices: bill."),
        ({"voice": "x"}, {}, "voice: 'x' is not one of its choices: anna, bill."),
        ({"moods": "calm"}, {}, "moods: a list of choices is required."),
        ({"moods": ["calm", "sad"]}, {}, "moods: 'sad' is not one of its choices: calm, wild."),
        ({"sample": "/film/a.wav"}, {}, "sample: a file is required: give its path in files."),
        ({}, {"text": "/film/a.wav"}, "text: it takes no file."),
        ({}, {"sample": ["a.wav", "b.wav"]}, "sample: it takes one file."),
        ({"vioce": 3}, {}, "vioce: unknown field; did you mean voice?"),
        ({"qqq": 3}, {}, "qqq: unknown field."),
        ({"voice": "anna", "Voice": "bill"}, {}, "voice: it is given twice, by its name and by its label."),
    ],
)
def test_what_the_app_would_not_take_is_named(inputs, files, problem):
    with pytest.raises(errors.ValidationError) as caught:
        checked(inputs, files)
    assert caught.value.code == "invalid_inputs"
    assert problem in caught.value.problems


def test_a_missing_field_is_named():
    with pytest.raises(errors.ValidationError) as caught:
        check_inputs(ENDPOINT, EndpointRequest("/speak"))
    assert caught.value.problems == ("text: missing.",)


def test_nothing_is_a_value_where_the_app_asks_for_none():
    assert checked({"steps": None, "voice": None}).values["steps"] is None


def test_a_field_may_take_other_values_than_its_choices():
    field = Field("voice", "Voice", FieldKind.CHOICE, choices=(Choice("Anna", "anna"),), takes_other_values=True)
    free = Field("late", "Late", FieldKind.CHOICE)
    endpoint = Endpoint("/speak", 0, (field, free))
    given = {"voice": "nobody", "late": "filled in later"}
    assert check_inputs(endpoint, EndpointRequest("/speak", given)).values == given


@pytest.mark.parametrize(
    ("kind", "wrapping", "value"),
    [
        (FieldKind.FILE, Wrapping.BARE, FILE),
        (FieldKind.FILES, Wrapping.BARE, [FILE]),
        (FieldKind.FILE, Wrapping.VIDEO, {"video": FILE, "subtitles": None}),
        (FieldKind.FILE, Wrapping.EDITOR, {"background": FILE, "layers": [], "composite": FILE}),
        (FieldKind.FILES, Wrapping.GALLERY, [{"image": FILE, "caption": None}]),
    ],
)
def test_files_are_wrapped_as_the_field_takes_them(kind, wrapping, value):
    assert wrap_files(Field("f", "F", kind, wrapping=wrapping), [FILE]) == value
