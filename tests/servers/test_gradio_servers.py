"""Gradio sessions against real servers of Gradio 5 and 6 with WanGP's chain of functions: part of ``make test``, alone
``make test-gradio``.

The servers are started by the interpreters in ``MOVIE_DIRECTOR_GRADIO_5_PYTHON`` and ``..._6_PYTHON``; gradio_client,
which is in the second, is the judge: it must get the same values of the same functions.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import zipfile

import pytest
from support.gradio import JobScope, bench
from support.gradio_process import QUIET, free_port, real_app
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.gradio.component_values import extract_files
from movie_director.clients.gradio.config import read_config, read_info
from movie_director.clients.gradio.login import SignIn
from movie_director.clients.gradio.messages import Completed, Log, Progress, Yielded
from movie_director.clients.gradio.session import GradioSession

NAMES = ("GRADIO_5", "GRADIO_6")
PYTHONS = {name: os.environ.get(f"MOVIE_DIRECTOR_{name}_PYTHON", "") for name in NAMES}
CLIENT = """
import json, sys
from gradio_client import Client, handle_file
client = Client(sys.argv[1], verbose=False, httpx_kwargs={"timeout": 60, "trust_env": False})
print(json.dumps([
    client.predict("hi", 3, True, api_name="/echo"),
    client.predict(3, api_name="/count"),
    [client.predict(each, api_name="/remember") for each in "ab"],
    open(client.predict(handle_file(sys.argv[2]), api_name="/louder"), "rb").read().hex(),
]))
"""


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    assert PYTHONS[request.param], "run it by make test-gradio"
    return request.param


@pytest.fixture(scope="module")
def url(name, tmp_path_factory):
    with real_app(PYTHONS[name], tmp_path_factory.mktemp(name.lower())) as address:
        yield address


@pytest.fixture
def at(tmp_path):
    with bench(tmp_path) as made:
        # on a busy machine the server closes idle connections just when they are used
        made.options = {"max_retries": 3, "first_byte_timeout_s": 60.0}
        yield made


@pytest.fixture
def session(at, url):
    return at.session(url)


def queue_zip(folder, **settings):
    """Write a queue file as WanGP takes it."""
    params = {"prompt": "a storm", "num_inference_steps": 5, "output_filename": "shot_1", **settings}
    path = folder / "queue.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("queue.json", json.dumps([{"id": 1, "params": params}]))
    return path


class Chain:
    """The steps of WanGP, found by their stems and by what follows what."""

    def __init__(self, config):
        (self.load,) = [each for each in config.find_by_stem("load_queue_action") if each.target("upload")]
        follows = {each.stem: each for each in config.chain(self.load)}
        self.begin = follows["init_process_queue_if_any"]
        self.activate = follows["activate_status"]
        self.process = follows["process_tasks"]
        self.finalize = follows["finalize_generation_with_state"]

    def load_queue(self, session, path, scope):
        sent = session.upload(path, scope=scope)
        told = []
        session.call(
            self.load,
            [sent.as_input(), None],
            scope=scope,
            trigger_id=self.load.target("upload"),
            on_message=told.append,
        )
        return [each.text for each in told if isinstance(each, Log)]


def test_the_whole_chain_makes_a_file(at, session):
    chain = Chain(session.config)
    assert chain.load_queue(session, queue_zip(at.folder), at.scope) == ["Loaded 1 task(s)"]
    assert session.call(chain.begin, [None], scope=at.scope) == ["ready"]
    assert session.call(chain.activate, [None], scope=at.scope) == ["on"]
    process = session.join(chain.process, [None], scope=at.scope)
    status = session.join("refresh_status_async", [None], scope=at.scope)
    ended, fractions, yields = False, [], []
    for call, message in session.follow(process, status, scope=at.scope):
        if call is status and isinstance(message, Progress):
            fractions.append(message.fraction)
            assert message.innermost.desc == "Denoising"
        if call is process and isinstance(message, Yielded):
            yields.append(message.data[0])
        if call is process and isinstance(message, Completed):
            made = extract_files(session.call(chain.finalize, [None], scope=at.scope))
            ended = True
    assert ended
    assert yields[:5] == [f"step {step}" for step in range(1, 6)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert [each.name for each in made] == ["shot_1.mp4"]
    artifact = session.download(made[0], at.folder / "out", scope=at.scope)
    assert (artifact.kind, artifact.size) == ("video", 4012)
    assert session.call("refresh_gallery", [None], scope=JobScope())


def test_without_a_trigger_the_queue_is_not_loaded(at, session):
    chain = Chain(session.config)
    sent = session.upload(queue_zip(at.folder), scope=at.scope)
    assert session.call(chain.load, [sent.as_input(), None], scope=at.scope) == ["Nothing loaded."]
    assert session.call(chain.begin, [None], scope=at.scope) == ["empty"]
    broken = at.folder / "broken.zip"
    broken.write_bytes(b"no zip")
    assert chain.load_queue(session, broken, at.scope) == ["Failed to load queue: File is not a zip file"]


def test_an_abort_in_the_same_session_ends_the_run(at, session):
    chain = Chain(session.config)
    chain.load_queue(session, queue_zip(at.folder, num_inference_steps=500), at.scope)
    session.call(chain.begin, [None], scope=at.scope)
    process = session.join(chain.process, [None], scope=at.scope)
    while not isinstance(process.receive(at.scope, HANG_GUARD_S), Yielded):
        pass
    at.scope.cancel()
    with pytest.raises(errors.JobCancelled):
        process.result(at.scope)
    drain = JobScope()  # the stream is still there, for who tells the server
    session.call("abort_generation", [None], scope=drain)
    assert process.result(drain) == ["Video Generation Aborted"]
    assert session.call(chain.finalize, [None], scope=drain) == [[]]


def test_a_failing_task_is_told_in_the_server_s_words(at, session):
    chain = Chain(session.config)
    chain.load_queue(session, queue_zip(at.folder, prompt="fail"), at.scope)
    session.call(chain.begin, [None], scope=at.scope)
    with pytest.raises(errors.OutOfMemory, match=r"CUDA out of memory\. Tried to allocate 20 GiB"):
        session.call(chain.process, [None], scope=at.scope)
    with pytest.raises(errors.GenerationError, match="The server reports: in my words"):
        session.call("fail", ["in my words"], scope=at.scope)
    for call in (session.call, session.run):
        with pytest.raises(errors.GenerationError) as caught:
            call("fail", [""], scope=at.scope)
        assert caught.value.code == "no_reason"


def test_a_dropped_stream_leaves_the_state_to_who_comes_back(at, session, url):
    assert session.call("remember", ["a", None], scope=at.scope)[0] == "a"
    running = session.join("count", [1000], scope=at.scope)
    running.receive(at.scope, HANG_GUARD_S)
    session.close()
    assert isinstance(list(running.messages(at.scope))[-1].error, errors.StreamInterrupted)
    again = at.session(url, session.session_hash)
    assert again.call("remember", ["b", None], scope=at.scope)[0] == "a,b"
    assert again.call("remember", ["c", None], scope=at.scope)[0] == "a,b,c"


def test_the_server_cancels_a_generator(at, session):
    running = session.join("count", [1000], scope=at.scope)
    while not isinstance(running.receive(at.scope, HANG_GUARD_S), Yielded):
        pass
    assert session.cancel(running, scope=at.scope)
    assert list(running.messages(at.scope))[-1].cancelled


def test_gradio_client_gets_the_same(at, session, url):
    path = at.folder / "line ü.txt"
    path.write_bytes(b"hello")
    sent = session.upload(path, scope=at.scope)
    (made,) = extract_files(session.call("louder", [sent.as_input()], scope=at.scope))
    ours = [
        session.call("echo", ["hi", 3, True], scope=at.scope)[0],
        session.call("count", [3], scope=at.scope),
        [session.call("remember", [each, None], scope=at.scope)[0] for each in "ab"],
        session.download(made, at.folder / "out", scope=at.scope).path.read_bytes().hex(),
    ]
    assert made.name.startswith("louder line")
    command = [PYTHONS["GRADIO_6"], "-c", CLIENT, url, str(path)]
    environment = {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, **QUIET}
    environment["GRADIO_TEMP_DIR"] = str(at.folder / "theirs")
    done = subprocess.run(command, capture_output=True, env=environment, timeout=HANG_GUARD_S * 2, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert json.loads(done.stdout) == ours


def test_many_calls_leave_no_thread_and_no_stream(at, session):
    before = threading.active_count()
    for number in range(30):
        assert session.call("echo", [f"{number}", 1, False], scope=at.scope) == [f"{number}|1|False"]
    assert session.run("echo", ["direct", 1, False], scope=at.scope) == ["direct|1|False"]
    assert threading.active_count() <= before + 1


def test_sign_in_below_a_path_and_again_after_a_restart(at, name, tmp_path):
    port = free_port()
    options = ("--auth", "user:secret-word", "--path", "/apps/film")
    with real_app(PYTHONS[name], tmp_path, *options, port=port) as address:
        access = at.access(f"{address}/apps/film", SignIn("user", "secret-word"))
        config = read_config(access, scope=at.scope)
        session = at.session_on(access, config)
        assert session.call("echo", ["in", 1, True], scope=at.scope) == ["in|1|True"]
        assert "/echo" in read_info(access, config, scope=at.scope)["named_endpoints"]
        with pytest.raises(errors.AuthenticationError) as missing:
            read_config(at.access(f"{address}/apps/film"), scope=at.scope)
        with pytest.raises(errors.AuthenticationError) as wrong:
            read_config(at.access(f"{address}/apps/film", SignIn("user", "other-word")), scope=at.scope)
        with pytest.raises(errors.ProtocolError) as elsewhere:
            read_config(at.access(address), scope=at.scope)
    assert (missing.value.code, wrong.value.code) == ("sign_in_needed", "sign_in_refused")
    assert elsewhere.value.code == "not_gradio"
    with real_app(PYTHONS[name], tmp_path, *options, port=port):
        again = GradioSession(access, read_config(access, scope=at.scope))
        assert again.call("echo", ["back", 1, True], scope=at.scope) == ["back|1|True"]
        again.close()
