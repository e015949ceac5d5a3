"""What the mock RVC servers answer to requests that the client never makes."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
import wave

import pytest
from support.waiting import HANG_GUARD_S

from movie_director.clients import RVCClient
from movie_director.clients.mock import MockBackends
from movie_director.clients.mock.rvc.applio import NOT_AGREED, SPEAK, MockApplio
from movie_director.clients.mock.rvc.server import MockRVC
from movie_director.clients.mock.rvc.voices import read_wave

FORM = "multipart/form-data; boundary=b"


def post(mock, path, body, content_type="application/json"):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{mock.url}{path}", data, {"Content-Type": content_type}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=HANG_GUARD_S) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_rvc_python_refuses_what_lacks_a_voice_or_a_file():
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--b--\r\n'
    with MockRVC(speed=float("inf")) as mock:
        assert post(mock, "/convert_file", part, FORM)[0] == 400
        assert post(mock, "/convert_file", b"--b--", FORM)[0] == 422
        assert post(mock, "/upload_model", b"--b--", FORM)[0] == 422
        assert post(mock, "/params", b"{no json")[0] == 422
        assert post(mock, "/nowhere", {})[0] == 404


def test_a_wav_that_is_not_16_bit_is_none():
    target = io.BytesIO()
    with wave.open(target, "wb") as sound:
        sound.setparams((1, 1, 8_000, 0, "NONE", ""))
        sound.writeframes(bytes(100))
    with pytest.raises(ValueError, match="16 bit"):
        read_wave(target.getvalue())


@pytest.mark.parametrize(
    "sound",
    [
        {"name": "a.wav", "data": "data:audio/wav;base64,!!"},
        {"name": "a.wav", "data": "data:audio/wav;base64,UklGRg=="},
    ],
)
def test_the_webui_says_nothing_of_what_it_can_not_use(sound):
    with MockRVC(dialect="rvc-webui", speed=float("inf")) as mock:
        call = {"data": [0, sound, 0, "rmvpe", "", 0.75, 0, 0.25, 0.33]}
        assert post(mock, "/run/infer_convert", call) == (500, {"error": None})
        post(mock, "/run/infer_change_voice", {"data": ["demo-voice.pth", 0.33, 0.33]})
        assert post(mock, "/run/infer_convert", call) == (500, {"error": None})
        assert post(mock, "/run/ckpt_show", {"data": [""]}) == (500, {"error": None})


def test_one_request_at_a_time_asks_a_generator():
    with MockRVC(dialect="rvc-webui", speed=float("inf")) as mock:
        slicing = {"data": ["/data", "one", "48k", 2], "session_hash": "a"}
        assert post(mock, "/run/train_preprocess", slicing)[0] == 200
        (standing,) = mock.flavour._generators.values()
        with standing.lock:
            assert post(mock, "/run/train_preprocess", slicing) == (500, {"error": None})
        waiting = {**slicing, "session_hash": "b"}
        assert "Waiting" in post(mock, "/run/train_preprocess", waiting)[1]["data"][0]
        assert post(mock, "/run/train_preprocess", waiting)[1]["is_generating"] is False
        mock.flavour.restart()
        assert mock.flavour.trainings.task is None


def test_applio_speaks_for_nobody_who_has_not_agreed():
    with MockApplio(speed=float("inf")) as mock:
        answer = post(mock, "/gradio_api/run/enforce_terms_2", {"data": [value for _, _, value in SPEAK]})
        assert answer[1]["data"] == [NOT_AGREED, None]


def test_backends_serve_applio_too_and_name_the_dialects_there_are():
    with MockBackends(only=["rvc"], speed=100, options={"rvc": {"dialect": "applio", "first": 700}}) as mocks:
        assert isinstance(mocks.rvc, MockApplio)
        with RVCClient(mocks.rvc.url) as client:
            assert client.probe().dialect == "applio"
    with pytest.raises(ValueError, match="no such dialect: aplio; there are applio, rvc-python"):
        MockBackends(only=["rvc"], options={"rvc": {"dialect": "aplio"}})
