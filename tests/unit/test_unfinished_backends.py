"""The backends whose protocols come later keep the contract, and say so; their requests are checked already."""

from __future__ import annotations

from pathlib import Path

import pytest

from movie_director.clients import ClientOptions, RVCClient, errors
from movie_director.clients.jobs import BackendCancel
from movie_director.clients.rvc import SpeakRequest, TrainRequest

HANG_GUARD_S = 20.0


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (SpeakRequest(text="", voice="v"), "text"),
        (SpeakRequest(text="hello", voice=""), "voice"),
        (TrainRequest(voice="v", samples=[]), "samples"),
        (TrainRequest(voice="v", samples=[Path("a.wav")], epochs=0), "epochs"),
    ],
)
def test_what_is_wrong_on_its_face_is_named(request_, field):
    with pytest.raises(errors.ValidationError) as caught:
        request_.validate()
    assert any(problem.startswith(f"{field}:") for problem in caught.value.problems)


def test_a_mapping_finds_the_request_that_fits():
    with RVCClient("http://127.0.0.1:9", options=ClientOptions()) as client:
        assert client.submit({"text": "hello", "voice": "v"}).request == SpeakRequest(text="hello", voice="v")
        record = client.submit(TrainRequest(voice="v", samples=[Path("a.wav")])).record()
        sent = client.resume({**record, "id": "1", "stage": "sent"})
        assert sent.exception(HANG_GUARD_S).code == "not_implemented"
        assert client.cancel_on_backend(None) is BackendCancel.CONFIRMED
