"""What can be asked of a Gradio app, as far as it shows without the app."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from movie_director.clients import errors
from movie_director.clients.gradio_app import EndpointRequest


def test_a_request_survives_json():
    request = EndpointRequest("/speak", {"text": "Action!"}, {"sample": Path("/film/voice.wav")}, metadata={"shot": 3})
    again = EndpointRequest.from_dict(json.loads(json.dumps(request.to_dict())))
    again.validate()
    assert again.to_dict() == request.to_dict()
    assert again.files == {"sample": str(Path("/film/voice.wav"))}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"endpoint": " "}, "endpoint: a text is required."),
        ({"inputs": ["a"]}, "inputs: a mapping with names as keys is required."),
        ({"inputs": {"a": float("nan")}}, "inputs: a can't be sent as JSON."),
        ({"inputs": {"a": Path("x")}}, "inputs: a can't be sent as JSON."),
        ({"files": "a.wav"}, "files: a mapping with names as keys is required."),
        ({"files": {"a": 5}}, "files: a: a file is required."),
        ({"files": {"a": ["x.wav", ""]}}, "files: a: a file is required."),
        ({"inputs": {"a": 1}, "files": {"a": "x.wav"}}, "a: it is in inputs and in files."),
        ({"metadata": 3}, "metadata: a dict is required."),
    ],
)
def test_what_is_wrong_on_its_face_is_named(fields, problem):
    with pytest.raises(errors.ValidationError) as caught:
        EndpointRequest(**{"endpoint": "/speak", **fields}).validate()
    assert problem in caught.value.problems


def test_a_value_that_holds_itself_is_refused():
    endless: list[object] = []
    endless.append(endless)
    assert EndpointRequest("/speak", {"a": endless}).problems() == ["inputs: a can't be sent as JSON."]
