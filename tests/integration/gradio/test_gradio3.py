"""Gradio 3: sessions against the mock, and the mock against what 3.14 and 3.34 were recorded to answer."""

from __future__ import annotations

import base64
import json

import pytest
import urllib3
from faultserver import FaultServer, always, answer
from support.gradio import as_json, bench, outline
from support.replay import shape

from movie_director.clients import errors
from movie_director.clients.gradio.component_values import extract_files, get_choices
from movie_director.clients.gradio.config import parse_config, read_config
from movie_director.clients.gradio.gradio3 import Gradio3Session, InlineFile
from movie_director.clients.gradio.messages import Completed, Started, Yielded
from movie_director.clients.gradio.session import GradioSession
from movie_director.clients.gradio.session_factory import make_session
from movie_director.clients.mock.gradio.app import App, Component, Dependency, update
from movie_director.clients.mock.gradio.gradio3 import MAX_FILES, VERSIONS, MockGradio3
from movie_director.clients.mock.http.faults import Fault

TEXT, OUT, FILE, BUTTON = 1, 2, 3, 4
MOVIE = b"\0\0\0\x20ftypisom" + bytes(99)


class MockSmall(MockGradio3):
    """A few functions; ``begun`` counts the generators that were begun."""

    def __init__(self, **given):
        self.begun = 0
        super().__init__(**given)

    def make_app(self):
        parts = [
            Component(TEXT, "textbox", "text"),
            Component(OUT, "textbox"),
            Component(FILE, "audio", "sound"),
            Component(BUTTON, "button", "", {"value": "Go"}),
        ]
        clicks = ((BUTTON, "click"),)
        return App(
            parts,
            [
                Dependency(0, "echo", lambda call, text: text, (TEXT,), (OUT,), clicks),
                Dependency(1, "train", self.train, (TEXT,), (OUT, OUT), generator=True),
                Dependency(2, None, lambda call: "hidden", (), (OUT,)),
                Dependency(3, "louder", self.louder, (FILE,), (OUT, FILE)),
                Dependency(4, "movie", lambda call: [call.file("a.mp4", MOVIE, named=True), None], (), (FILE,)),
                Dependency(5, "voices", lambda call: update(choices=["a.pth"]), (), (OUT,)),
                Dependency(6, "fails", self.fails, (TEXT,), (OUT,)),
                Dependency(7, "fails_late", self.fails_late, (), (OUT,), generator=True),
                Dependency(8, "nothing", None, (), ()),
            ],
            title="classic",
        )

    def train(self, call, text):
        self.begun += 1
        for epoch in (1, 2):
            yield f"{text} {epoch}", None

    def louder(self, call, sound):
        return "Success.", call.file("out.wav", call.read(sound) * 2)

    def fails(self, call, text):
        raise RuntimeError(text)

    def fails_late(self, call):
        yield "begun"
        raise RuntimeError("late")


@pytest.fixture(params=VERSIONS)
def mock(request):
    with MockSmall(version=request.param) as server:
        yield server


@pytest.fixture
def at(tmp_path):
    with bench(tmp_path) as made:
        yield made


@pytest.fixture
def session(at, mock):
    access = at.access(mock.url)
    return make_session(access, read_config(access, scope=at.scope))


def test_plain_calls_by_name_and_id(session, at, mock):
    assert isinstance(session, Gradio3Session)
    assert session.call("echo", ["hi"], scope=at.scope) == ["hi"]
    assert session.call(2, [], scope=at.scope) == ["hidden"]
    assert session.call("voices", [], scope=at.scope) == [None]
    (last,) = [each for each in session.iterate("voices", [], scope=at.scope) if isinstance(each, Completed)]
    assert last.raw is not None
    assert get_choices(last.raw[0]) == ["a.pth"]
    sent = [each for each in mock.requests if each.method == "POST"]
    assert sent[0].path == "/run/predict"
    assert sent[0].json == {"data": ["hi"], "fn_index": 0, "session_hash": session.session_hash}
    with session as same:
        assert same is session


def test_a_generator_is_asked_again_until_it_ends(session, at, mock):
    told = []
    assert session.call("train", ["epoch"], scope=at.scope, on_message=told.append) == ["epoch 2", None]
    assert [type(each) for each in told] == [Started, Yielded, Yielded, Completed]
    assert [each.data for each in told[1:3]] == [["epoch 1", None], ["epoch 2", None]]
    assert mock.begun == 1
    posts = [each.json for each in mock.requests if each.method == "POST"]
    assert posts == [posts[0]] * 3


def test_a_generator_goes_on_under_its_session_hash(session, at, mock):
    messages = session.iterate("train", ["epoch"], scope=at.scope)
    assert [type(next(messages)) for _ in range(2)] == [Started, Yielded]
    again = Gradio3Session(session.access, session.config, session.session_hash)
    assert again.call("train", ["epoch"], scope=at.scope) == ["epoch 2", None]
    assert mock.begun == 1


def test_a_cancel_stops_asking(session, at, mock):
    messages = session.iterate("train", ["epoch"], scope=at.scope)
    next(messages)
    next(messages)
    at.scope.cancel()
    with pytest.raises(errors.JobCancelled):
        next(messages)
    assert len([each for each in mock.requests if each.method == "POST"]) == 1


def test_sounds_go_in_within_the_call_and_come_back_as_files(session, at, mock):
    path = at.folder / "lïne.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVE" + bytes(range(256)) * 2000)
    text, made = session.call("louder", [InlineFile(path, "line.wav")], scope=at.scope)
    artifact = session.download(extract_files(made)[0], at.folder / "out", scope=at.scope)
    assert (text, artifact.kind, artifact.path.name) == ("Success.", "audio", "out.wav")
    assert artifact.path.read_bytes() == path.read_bytes() * 2
    sent = next(each.json for each in mock.requests if each.method == "POST")["data"][0]
    assert sent["name"] == "line.wav"
    head, _, content = sent["data"].partition(",")
    assert head.startswith("data:audio/")
    assert base64.b64decode(content) == path.read_bytes()


def test_a_file_that_is_not_there_is_told_before_anything_is_sent(session, at, mock):
    with pytest.raises(errors.StorageError) as caught:
        session.call("louder", [InlineFile(at.folder / "none.wav")], scope=at.scope)
    assert caught.value.code == "missing_file"
    assert not [each for each in mock.requests if each.method == "POST"]
    with pytest.raises(TypeError, match="can't go into a call"):
        session.call("echo", [object()], scope=at.scope)


def test_uploads_where_there_are_some(session, at, mock):
    path = at.folder / "line.wav"
    path.write_bytes(b"RIFF1234")
    if mock.old:
        with pytest.raises(errors.MissingResource) as caught:
            session.upload(path, scope=at.scope)
        assert caught.value.name == "upload"
        return
    sent = session.upload(path, scope=at.scope)
    assert session.call("louder", [sent.path], scope=at.scope)[0] == "Success."


def test_a_movie_is_found_in_its_list(session, at):
    (movie,) = extract_files(session.call("movie", [], scope=at.scope))
    assert (movie.name, session.download(movie, at.folder, scope=at.scope).kind) == ("a.mp4", "video")


def test_failures_without_a_word(session, at, mock):
    for function, data in (("fails", ["boom"]), ("fails_late", [])):
        with pytest.raises(errors.GenerationError) as caught:
            session.call(function, data, scope=at.scope)
        assert caught.value.code == "no_reason"
    mock.show_error = True
    with pytest.raises(errors.OutOfMemory):
        session.call("fails", ["CUDA out of memory"], scope=at.scope)
    mock.inject(Fault("function_error", value="from outside"))
    with pytest.raises(errors.GenerationError, match="from outside"):
        session.call("echo", ["hi"], scope=at.scope)


def test_wrong_calls_are_told_before_they_are_sent(session, at, mock):
    with pytest.raises(errors.ValidationError) as caught:
        session.call("echo", [], scope=at.scope)
    assert caught.value.code == "wrong_arguments"
    with pytest.raises(errors.MissingResource):
        session.call("nope", [], scope=at.scope)
    assert not [each for each in mock.requests if each.method == "POST"]


def test_functions_without_a_backend_are_told_in_the_server_s_words(session, at):
    with pytest.raises(errors.GenerationError, match="no endpoint /api/predict/"):
        session.call("nothing", [], scope=at.scope)


@pytest.mark.parametrize(
    ("raw", "kind", "code"),
    [
        (as_json({"hello": 1}), errors.ProtocolError, "bad_answer"),
        (as_json([]), errors.ProtocolError, "bad_answer"),
        (as_json({"error": "words"}), errors.GenerationError, "generation_failed"),
        (as_json({"detail": [{"msg": "bad"}]}, status="422 Unprocessable"), errors.ValidationError, "refused"),
        (as_json({"detail": "no"}, status="400 Bad"), errors.ValidationError, "refused"),
        (as_json({"detail": "gone"}, status="404 Not Found"), errors.MissingResource, "missing_resource"),
        (answer(b"Bad Gateway", status="500 Oops"), errors.ServerError, "server_error"),
        (answer(b"busy", status="503 Busy"), errors.Overloaded, "overloaded"),
        (as_json({"detail": "Queue is full."}, status="503 Busy"), errors.Overloaded, "queue_full"),
        (answer(b"", status="403 Forbidden"), errors.APIError, "api_error"),
    ],
)
def test_answers_of_other_kinds_are_typed(at, raw, kind, code):
    config = parse_config({**outline(), "version": "3.34.0", "api_prefix": ""})
    assert config is not None
    with FaultServer(always(raw)) as server:
        session = Gradio3Session(at.access(server.url), config)
        with pytest.raises(kind) as caught:
            session.call("echo", ["hi"], scope=at.scope)
        assert len(server.asked) == 1, "a call is sent at most once"
    assert caught.value.code == code
    assert caught.value.backend == "wan2gp"


def test_the_session_fits_the_generation(at):
    access = at.access("http://127.0.0.1:1")
    five, three = parse_config(outline()), parse_config({**outline(), "version": "3.14.0"})
    assert five is not None
    assert three is not None
    assert isinstance(make_session(access, five), GradioSession)
    assert isinstance(make_session(access, three, "again"), Gradio3Session)
    with pytest.raises(errors.ProtocolError) as caught:
        Gradio3Session(access, five)
    assert caught.value.code == "gradio_version"
    for config in (three, parse_config({**outline(), "protocol": "ws"}), parse_config({**outline(), "version": "old"})):
        assert config is not None
        with pytest.raises(errors.ProtocolError) as caught:
            GradioSession(access, config)
        assert caught.value.code == "gradio_version"


# The mock


class Answered:
    """An answer of the mock, asked without the client."""

    def __init__(self, method, url, body=None):
        with urllib3.PoolManager() as pool:
            answered = pool.request(method, url, body=body, headers={"Content-Type": "application/json"})
        self.status, self.headers, self.data = answered.status, answered.headers, answered.data

    def json(self):
        return json.loads(self.data)


def get(url):
    return Answered("GET", url)


def post(url, payload):
    return Answered("POST", url, payload if isinstance(payload, bytes) else json.dumps(payload).encode())


def test_the_mock_answers_as_recorded(mock):
    done = post(f"{mock.url}/run/echo", {"data": ["hi"]})
    assert (done.status, done.headers["content-type"]) == (200, "application/json")
    assert shape(done.json()) == shape(
        {"data": ["a"], "is_generating": False, "duration": 0.1, "average_duration": 0.1}
    )
    failed = post(f"{mock.url}/api/fails", {"data": ["x"]})
    assert (failed.status, failed.json()) == (500, {"error": None})
    short = post(f"{mock.url}/run/echo", {"data": []})
    assert (short.status, short.json()) == (500, {"error": None})
    for name in ("nope", "predict"):
        unknown = post(f"{mock.url}/run/{name}", {"data": []})
        assert (unknown.status, unknown.json()) == (500, {"error": f"This app has no endpoint /api/{name}/."})
    garbled = post(f"{mock.url}/run/echo", b"nope")
    place = {"msg": "Expecting value", "doc": "nope", "pos": 0, "lineno": 1, "colno": 1}
    told = "Expecting value: line 1 column 1 (char 0)"
    detail = {"loc": ["body", 0], "msg": told, "type": "value_error.jsondecode", "ctx": place}
    assert (garbled.status, garbled.json()) == (422, {"detail": [detail]})
    sound = post(f"{mock.url}/run/louder", {"data": [{"name": "x.wav", "data": "data:audio/wav;base64,UklGRg=="}]})
    file = sound.json()["data"][1]
    assert shape(file) == shape({"name": "/srv/x.wav", "data": None, "is_file": True})
    fetched = get(f"{mock.url}/file={file['name']}")
    assert (fetched.data, fetched.headers["content-type"]) == (b"RIFF" * 2, "audio/x-wav")
    assert {"accept-ranges", "etag", "last-modified"} <= {name.lower() for name in fetched.headers}
    same = get(f"{mock.url}/file/{file['name']}")
    assert same.data == fetched.data
    for bad in ("x", {"data": "data:audio/wav,x"}, {"name": "none"}):
        assert post(f"{mock.url}/run/louder", {"data": [bad]}).status == 500


def test_the_mock_s_small_routes(mock):
    assert get(f"{mock.url}/startup-events").json() is False
    assert get(f"{mock.url}/").data.startswith(b"<!DOCTYPE html>")
    status = get(f"{mock.url}/queue/status").json()
    assert (status["msg"], status["queue_size"], status["rank"]) == ("estimation", 0, None)
    denied = get(f"{mock.url}/file=/etc/hostname")
    upload = get(f"{mock.url}/upload")
    if mock.old:
        assert (denied.status, denied.data) == (500, b"Internal Server Error")
        assert (upload.status, upload.json()) == (404, {"detail": "Not Found"})
    else:
        assert (denied.status, denied.json()) == (403, {"detail": "File not allowed: /etc/hostname."})
        assert (upload.status, upload.json()) == (405, {"detail": "Method Not Allowed"})


def test_by_its_name_3_34_begins_a_generator_anew(mock):
    for _ in range(3):
        answered = post(f"{mock.url}/run/train", {"data": ["x"], "session_hash": "abc"}).json()
    assert mock.begun == (1 if mock.old else 3)
    assert answered["is_generating"] is not mock.old


def test_the_mock_keeps_the_newest_files_and_forgets_generators_with_its_end(mock):
    first = mock.store_file("first.wav", b"1")
    for number in range(MAX_FILES):
        mock.store_file("more.wav", bytes([2, number]))
    assert mock.find_file(first) is None
    post(f"{mock.url}/run/predict", {"data": ["x"], "fn_index": 1, "session_hash": "abc"})
    mock.stop()
    assert not mock._iterators


def test_other_versions_are_not_mocked():
    with pytest.raises(ValueError, match="3\\.14\\.0, 3\\.34\\.0"):
        MockGradio3(version="3.50.2")
    with MockGradio3() as empty:
        assert get(f"{empty.url}/config").json()["dependencies"] == []
