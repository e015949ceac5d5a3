"""Calls of the mock's programs, on each generation of Gradio."""

from __future__ import annotations

import threading

import pytest
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import ClientOptions, errors, events
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.gradio_app import EndpointRequest, GradioAppClient
from movie_director.clients.mock.gradio_app import MockGradioApp
from movie_director.clients.mock.media.pixels import Pixels
from movie_director.clients.mock.media.png import decode, encode

CANARY = "sk-canary-gradio-0123456789"
VERSIONS = ("4.44.1", "5.29.0", "6.31.0")


@pytest.fixture(params=VERSIONS)
def server(request):
    with MockGradioApp(version=request.param, speed=20.0) as made:
        yield made


@pytest.fixture
def newest():
    with MockGradioApp(speed=20.0) as made:
        yield made


@pytest.fixture
def make_client(tmp_path):
    made = []

    def make(server, **more):
        options = {"output_dir": tmp_path / "out", "max_workers": 1, "drain_timeout_s": 5.0, **more.pop("options", {})}
        made.append(GradioAppClient(more.pop("url", server.url), options=ClientOptions(**options), **more))
        return made[-1]

    yield make
    for each in made:
        each.close()
    assert [each.name for each in threading.enumerate() if "gradio-call" in each.name] == []


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "still.png"
    path.write_bytes(encode(Pixels.plain(32, 18, b"\x20\x40\x60")))
    return path


def running(job):
    assert wait_for(lambda: job.running() or job.done())
    assert job.running(), job.status
    return job


def test_the_app_is_described(server, make_client):
    client = make_client(server)
    found = client.probe()
    assert found.version == server.dialect.version
    assert found.dialect == "gradio"
    assert found.capabilities == {"endpoints", "progress", "upload", "cancel"}
    assert found.details["title"] == "Mock studio"
    names = [each.name for each in client.endpoints()]
    assert names == ["/generate_music", "/speak", "/upscale", "/animate", "/describe"] == found.details["endpoints"]
    assert list(client.view_api()["named_endpoints"]) == names


def test_music_has_progress_a_file_a_text_and_all_that_is_needed_to_make_it_again(server, make_client):
    request = EndpointRequest("generate_music", {"description": "calm sea", "duration": 2}, metadata={"shot": 4})
    job = make_client(server).submit(request)
    result = job.result(HANG_GUARD_S)
    (sound,) = result.artifacts
    assert (sound.kind, sound.media_type, sound.path.name) == ("audio", "audio/wav", "music.wav")
    assert sound.path.read_bytes()[:4] == b"RIFF"
    assert result.text == "orchestral, 2 s, seed 42"
    assert result.data == {"Music": "music.wav", "Notes": result.text}
    assert result.metadata["request"] == request.to_dict()
    assert result.metadata["inputs"] == {
        "description": "calm sea",
        "style": "orchestral",
        "duration": 2,
        "seed": 42,
        "melody": None,
    }
    assert (result.metadata["app"], result.metadata["version"]) == ("Mock studio", server.dialect.version)
    kinds = [type(each) for each in job.events()]
    assert kinds[:3] == [events.Queued, events.Submitted, events.Started]
    progress = job.status.progress
    assert (progress.fraction, progress.total_steps, progress.stage) == (1.0, 5, "Composing")


def test_files_go_in_and_come_out(server, make_client, picture):
    client = make_client(server)
    made = client.submit(EndpointRequest("/upscale", {"factor": 4}, {"image": picture})).result(HANG_GUARD_S)
    (upscaled,) = made.artifacts
    assert (upscaled.kind, upscaled.path.name) == ("image", "upscaled.png")
    assert decode(upscaled.path.read_bytes()).width == 128
    described = client.submit(EndpointRequest("/describe", files={"image": str(picture)})).result(HANG_GUARD_S)
    assert described.text == "A picture of 32 x 18 pixels."
    assert described.artifacts == ()
    moving = {"prompt": "waves", "seconds": 1}
    clip = client.submit(EndpointRequest("/animate", moving, {"image": picture})).result(HANG_GUARD_S)
    assert [(each.kind, each.path.suffix) for each in clip.artifacts] == [("video", ".mp4")]


def test_a_picture_in_a_format_that_the_mock_can_t_read_is_taken_too(newest, make_client, tmp_path):
    path = tmp_path / "still.webp"
    path.write_bytes(b"RIFF\x04\0\0\0WEBP")
    described = make_client(newest).submit(EndpointRequest("/describe", files={"image": path})).result(HANG_GUARD_S)
    assert described.text == "A picture of 320 x 180 pixels."


def test_names_that_are_taken_are_not_overwritten(newest, make_client):
    client = make_client(newest)
    made = [client.submit(EndpointRequest("/speak", {"text": "hi"})).result(HANG_GUARD_S) for _ in range(2)]
    assert [each.artifacts[0].path.name for each in made] == ["speech.wav", "speech_2.wav"]


def test_a_request_may_be_a_mapping_and_name_fields_by_their_labels(newest, make_client):
    fields = {"endpoint": "/speak", "inputs": {"Text": "hi", "Voice": "bill"}}
    result = make_client(newest).submit(fields).result(HANG_GUARD_S)
    assert result.metadata["inputs"]["voice"] == "bill"


@pytest.mark.parametrize(
    ("text", "kind", "code", "words"),
    [
        ("explode", errors.OutOfMemory, "out_of_memory", "CUDA out of memory"),
        ("refuse", errors.GenerationError, "generation_failed", "The description is too short."),
        ("break", errors.GenerationError, "no_reason", "/speak"),
    ],
)
def test_the_app_s_own_words_are_told(server, make_client, text, kind, code, words):
    error = make_client(server).submit(EndpointRequest("/speak", {"text": text})).exception(HANG_GUARD_S)
    assert type(error) is kind
    assert error.code == code
    assert words in error.message
    assert error.hint
    assert error.backend == "gradio"
    assert "internal detail" not in str(error)


def test_an_endpoint_that_is_not_there_names_those_like_it(newest, make_client):
    client = make_client(newest)
    error = client.submit(EndpointRequest("/generate_musik")).exception(HANG_GUARD_S)
    assert isinstance(error, errors.MissingResource)
    assert (error.kind, error.name, error.nearest[0]) == ("endpoint", "/generate_musik", "/generate_music")
    far = client.submit(EndpointRequest("/zzz")).exception(HANG_GUARD_S)
    assert far.nearest == ("/generate_music", "/speak", "/upscale", "/animate", "/describe")


def test_wrong_values_end_the_job_before_anything_is_sent(newest, make_client):
    error = make_client(newest).submit(EndpointRequest("/speak", {"text": "hi", "speed": 9})).exception(HANG_GUARD_S)
    assert error.code == "invalid_inputs"
    assert error.problems == ("speed: it must be at most 2.",)
    assert [each.method for each in newest.requests] == ["GET", "GET"]


def test_a_file_that_is_not_there_ends_the_job(newest, make_client, tmp_path):
    request = EndpointRequest("/describe", files={"image": tmp_path / "gone.png"})
    error = make_client(newest).submit(request).exception(HANG_GUARD_S)
    assert isinstance(error, errors.StorageError)


def test_a_file_that_is_too_large_ends_the_job(make_client, picture):
    with MockGradioApp(max_file_size=10) as server:
        error = (
            make_client(server).submit(EndpointRequest("/describe", files={"image": picture})).exception(HANG_GUARD_S)
        )
    assert error.code == "file_too_large"
    assert "still.png" in error.message


@pytest.mark.parametrize("version", VERSIONS)
def test_the_user_signs_in_with_name_and_password(make_client, version):
    with MockGradioApp(version=version, login=("anna", CANARY), speed=20.0) as server:
        client = make_client(server, api_key=f"anna:{CANARY}")
        result = client.submit(EndpointRequest("/generate_music", {"description": "sea"})).result(HANG_GUARD_S)
        assert result.artifacts
        assert client.probe().version == version
        refused = make_client(server, api_key=f"anna:not-{CANARY}").submit(EndpointRequest("/speak", {"text": "hi"}))
        assert refused.exception(HANG_GUARD_S).code == "sign_in_refused"
        with pytest.raises(errors.AuthenticationError) as caught:
            make_client(server).endpoints()
        assert caught.value.code == "sign_in_needed"
        assert CANARY not in str(refused.exception(0))


def test_keys_and_headers_go_with_every_request(make_client):
    with MockGradioApp(auth=f"Bearer {CANARY}", speed=20.0) as server:
        client = make_client(server, api_key=CANARY, headers={"X-Film": "N\xe4rvi"})
        client.submit(EndpointRequest("/generate_music", {"description": "sea"})).result(HANG_GUARD_S)
        headers = [each.headers for each in server.requests]
        assert {each.get("X-Film") for each in headers} == {"N\xe4rvi"}
        assert {each.get("User-Agent") for each in headers} == {"MovieDirector"}
        assert not any("x-hf-authorization" in {name.lower() for name in each} for each in headers)
        error = make_client(server, api_key="another").submit(EndpointRequest("/speak", {"text": "hi"}))
        assert isinstance(error.exception(HANG_GUARD_S), errors.AuthenticationError)


def test_an_app_behind_a_path_with_a_key_in_its_query(make_client):
    with MockGradioApp(prefix="/music", speed=20.0) as server:
        client = make_client(server, url=f"{server.url}?token={CANARY}")
        job = client.submit(EndpointRequest("/speak", {"text": "hi"}))
        assert job.result(HANG_GUARD_S).artifacts
        assert all(f"token={CANARY}" in each.path for each in server.requests)
        assert CANARY not in repr(list(job.events()))


def test_the_app_is_read_again_only_when_it_has_changed(newest, make_client):
    client = make_client(newest)
    request = EndpointRequest("/speak", {"text": "hi"})
    for _ in range(2):
        client.submit(request).result(HANG_GUARD_S)

    def reads():
        return sum(each.route.endswith("/info") for each in newest.requests)

    assert reads() == 1
    newest.app_id += 1
    client.submit(request).result(HANG_GUARD_S)
    assert reads() == 2


@pytest.mark.parametrize(("program", "code"), [("nameless", "no_endpoint"), ("state_only", "state_only")])
def test_an_app_that_nothing_can_be_done_with_says_why(make_client, program, code):
    with MockGradioApp(programs=(program,)) as server:
        client = make_client(server)
        with pytest.raises(errors.ProtocolError) as caught:
            client.probe()
        assert caught.value.code == code
        assert caught.value.hint
        assert client.submit(EndpointRequest("/remember")).exception(HANG_GUARD_S).code == code


def test_state_has_no_part_in_a_call(make_client):
    with MockGradioApp(programs=("state_only", "speech"), speed=20.0) as server:
        client = make_client(server)
        for _ in range(2):
            result = client.submit(EndpointRequest("/remember")).result(HANG_GUARD_S)
        assert result.data == {}
        assert result.artifacts == ()


# --- cancel


def test_a_generator_is_stopped(server, make_client):
    client = make_client(server)
    job = running(client.submit(EndpointRequest("/generate_music", {"description": "endless"})))
    assert job.cancel()
    assert wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED
    posted = [each for each in server.requests if each.route.endswith("/cancel")]
    assert len(posted) == 1
    assert client.submit(EndpointRequest("/speak", {"text": "hi"})).result(HANG_GUARD_S).artifacts


def test_a_function_that_runs_is_waited_for(server, make_client):
    client = make_client(server)
    job = running(client.submit(EndpointRequest("/speak", {"text": "slow"})))
    following = client.submit(EndpointRequest("/speak", {"text": "hi"}))
    assert job.cancel()
    assert wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.UNSUPPORTED
    assert not any(each.route.endswith("/cancel") for each in server.requests)
    assert following.result(HANG_GUARD_S).artifacts


def test_what_waits_in_the_app_s_queue_is_taken_out(server, make_client):
    first, second = make_client(server), make_client(server)
    ahead = running(first.submit(EndpointRequest("/speak", {"text": "endless"})))
    job = second.submit(EndpointRequest("/speak", {"text": "hi"}))
    assert wait_for(lambda: job.backend_id is not None)
    assert wait_for(lambda: job.status.queue_position == 0)
    assert job.cancel()
    assert wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED
    assert ahead.running()
    wait_for(lambda: server.queue.size() == 0)


def test_an_app_before_4_29_can_t_be_told(make_client):
    with MockGradioApp(version="4.20.0", speed=20.0) as server:
        client = make_client(server, options={"drain_timeout_s": 0.2})
        assert "cancel" not in client.probe().capabilities
        job = running(client.submit(EndpointRequest("/generate_music", {"description": "endless"})))
        job.cancel()
        assert wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
        assert job.status.backend_cancel is BackendCancel.UNSUPPORTED
        assert not any(each.route.endswith("/cancel") for each in server.requests)


def test_a_job_s_own_time_limit_cancels_it_on_the_server_too(newest, make_client):
    client = make_client(newest, options={"job_timeout_s": 0.5})
    job = client.submit(EndpointRequest("/generate_music", {"description": "endless"}))
    assert job.exception(HANG_GUARD_S).code == "job_timeout"
    assert wait_for(lambda: any(each.route.endswith("/cancel") for each in newest.requests))


def test_closing_leaves_no_thread_and_no_socket(server, make_client):
    client = make_client(server)
    job = running(client.submit(EndpointRequest("/generate_music", {"description": "endless"})))
    before = threading.active_count()
    client.close()
    assert job.cancelled()
    assert not [each for each in threading.enumerate() if each.name.startswith("movie-director-gradio")]
    assert threading.active_count() < before
