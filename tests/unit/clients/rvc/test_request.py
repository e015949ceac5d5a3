"""What can be seen of an RVC request to be wrong, before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from movie_director.clients import RVCClient, errors
from movie_director.clients.rvc import ConvertRequest, SpeakRequest, TrainRequest

CONVERT = {"audio": Path("a.wav"), "voice": "v"}
SPEAK = {"text": "hello", "voice": "v"}
TRAIN = {"voice": "v", "samples": [Path("a.wav")]}


@pytest.mark.parametrize(
    ("kind", "fields", "wrong"),
    [
        (ConvertRequest, CONVERT, {"audio": ""}),
        (ConvertRequest, CONVERT, {"voice": " "}),
        *((ConvertRequest, CONVERT, {"pitch": pitch}) for pitch in (None, 0.5, 49, -49, True)),
        *((ConvertRequest, CONVERT, {"index_rate": share}) for share in (-0.1, 1.1, None, "half", True, float("nan"))),
        (ConvertRequest, CONVERT, {"protect": 0.6}),
        (ConvertRequest, CONVERT, {"rms_mix_rate": 2}),
        (ConvertRequest, CONVERT, {"filter_radius": 8}),
        (ConvertRequest, CONVERT, {"f0_method": "guess"}),
        (ConvertRequest, CONVERT, {"f0_method": ["rmvpe"]}),
        (ConvertRequest, CONVERT, {"rate": 100}),
        (ConvertRequest, CONVERT, {"accept_terms": "yes"}),
        (SpeakRequest, SPEAK, {"text": ""}),
        (SpeakRequest, SPEAK, {"voice": ""}),
        (SpeakRequest, SPEAK, {"pitch": "high"}),
        (SpeakRequest, SPEAK, {"speaker": ""}),
        (SpeakRequest, SPEAK, {"speaker_voice": 5}),
        *((SpeakRequest, SPEAK, {"speed": speed}) for speed in (0, -1, 5.0, "fast", None)),
        (SpeakRequest, SPEAK, {"recording": ""}),
        *((TrainRequest, TRAIN, {"voice": name}) for name in ("", "my voice", "a/b", "ü", "a;rm", "x" * 65, None)),
        *((TrainRequest, TRAIN, {"samples": each}) for each in ([], "a.wav", None, [""], [5])),
        *((TrainRequest, TRAIN, {"epochs": each}) for each in (0, None, 10_001)),
        (TrainRequest, TRAIN, {"rate": 44_100}),
        (TrainRequest, TRAIN, {"batch_size": 0}),
        (TrainRequest, TRAIN, {"save_every": 0}),
        (TrainRequest, TRAIN, {"f0_method": "guess"}),
        *((TrainRequest, TRAIN, {"gpus": each}) for each in ("0,1", "0;ls", 0, None)),
        (TrainRequest, TRAIN, {"processes": 0}),
        (TrainRequest, TRAIN, {"shared_folder": ""}),
        (TrainRequest, TRAIN, {"server_folder": ""}),
        (TrainRequest, TRAIN, {"accept_terms": None}),
    ],
)
def test_what_is_wrong_on_its_face_is_named(kind, fields, wrong):
    kind(**fields).validate()
    with pytest.raises(errors.ValidationError) as caught:
        kind(**{**fields, **wrong}).validate()
    (problem,) = caught.value.problems
    assert problem.startswith(f"{next(iter(wrong))}: ")


@pytest.mark.parametrize(("kind", "fields"), [(ConvertRequest, CONVERT), (SpeakRequest, SPEAK), (TrainRequest, TRAIN)])
def test_a_mapping_finds_the_request_that_fits(kind, fields):
    with RVCClient("http://127.0.0.1:9") as client:
        assert client.submit(fields).request == kind(**fields)


def test_all_fields_survive_json():
    request = SpeakRequest("hello", "v", 3, speaker="piper", recording=Path("a.wav"), rate=44_100, metadata={"shot": 1})
    again = SpeakRequest.from_dict(json.loads(json.dumps(request.to_dict())))
    assert again.to_dict() == request.to_dict()
    assert again.settings == request.settings
