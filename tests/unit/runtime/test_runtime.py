"""The runtime: lanes for backends, events to the main thread, settings that change, recovery, the end."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from support.scripted import Gate, ScriptedClient, ScriptedRequest, succeed
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors, events
from movie_director.clients.core.model import Artifact, JobState, Result, ServerInfo
from movie_director.clients.registry import BACKENDS
from movie_director.runtime import (
    BackendSettings,
    JobEvent,
    MemoryFreed,
    ProbeFinished,
    Recovered,
    Runtime,
    RuntimeSettings,
    SpeechSettings,
    outputs,
)
from movie_director.runtime import runtime as runtime_module
from movie_director.runtime.client_cache import ClientCache
from movie_director.runtime.speech import speakers_for


class Scripts:
    """What the clients that the runtime makes will do; ``clients`` are those it has made."""

    def __init__(self):
        self.behaviour = succeed
        self.on_rejoin = succeed
        self.clients = []

    def make(self, url, **given):
        client = ScriptedClient(url, **given)
        client.behaviour = lambda job: self.behaviour(job)  # noqa: PLW0108 - looked up when the job runs
        client.on_rejoin = lambda job: self.on_rejoin(job)  # noqa: PLW0108
        client.thread = threading.current_thread().name
        self.clients.append(client)
        return client


@pytest.fixture
def scripts(monkeypatch):
    scripts = Scripts()
    make = scripts.make
    make_client = SimpleNamespace(default_options=ScriptedClient.default_options)

    class Info:
        name, label, uses_gpu, requests = "scripted", "Scripted", True, (ScriptedRequest,)
        client = type("Client", (), {"__new__": lambda _cls, *a, **k: make(*a, **k), **vars(make_client)})

    monkeypatch.setattr(runtime_module, "BACKENDS", {"scripted": Info, "comfyui": BACKENDS["comfyui"]})
    return scripts


@pytest.fixture
def settings(tmp_path):
    return RuntimeSettings(
        backends={"scripted": BackendSettings("http://127.0.0.1:9", api_key="sk-canary")},
        output_dir=tmp_path / "out",
        state_dir=tmp_path / "state",
    )


@pytest.fixture
def runtime(scripts, settings):
    runtime = Runtime(settings)
    yield runtime
    runtime.close()


def drain_until(runtime, condition):
    items = []
    deadline = time.monotonic() + HANG_GUARD_S
    while not condition(items):
        assert time.monotonic() < deadline, items
        runtime.channel.wait(0.05)
        items += runtime.channel.drain(budget_s=1.0)
    return items


def ended(items):
    return any(isinstance(item, JobEvent) and isinstance(item.event, events.TERMINAL) for item in items)


def test_a_job_goes_through_its_lane_and_its_events_through_the_channel(runtime, scripts, settings):
    job = runtime.submit("scripted", ScriptedRequest("a cat"), tag={"scene": "S", "title": "Cat"})
    items = drain_until(runtime, ended)
    assert [type(item.event).__name__ for item in items] == ["Queued", "Succeeded"]
    assert all(item.job is job and item.tag == {"scene": "S", "title": "Cat"} for item in items)
    (view,) = runtime.jobs()
    assert (view.id, view.backend, view.title, view.status.state) == (job.id, "scripted", "Cat", JobState.SUCCEEDED)
    assert runtime.status(job.id).state is JobState.SUCCEEDED
    assert runtime.tag(job.id) == {"scene": "S", "title": "Cat"}
    assert scripts.clients[0].options.output_dir == settings.output_dir
    assert scripts.clients[0].thread.endswith("worker-0")


def test_making_a_runtime_does_nothing_yet(settings):
    before = threading.active_count()
    runtime = Runtime(settings)
    assert not runtime.active()
    assert threading.active_count() == before
    assert not settings.state_dir.exists()
    runtime.close()


def test_it_is_active_until_the_last_event_was_drained(runtime, scripts):
    gate = scripts.behaviour = Gate()
    runtime.submit("scripted", ScriptedRequest())
    assert runtime.active()
    gate.wait_begun()
    gate.open.set()
    drain_until(runtime, ended)
    deadline = time.monotonic() + HANG_GUARD_S
    while runtime.active():
        assert time.monotonic() < deadline
        runtime.channel.wait(0.01)


def test_one_generation_at_a_time_where_the_gpu_is_used_unless_set_otherwise(runtime, scripts, settings):
    gate = scripts.behaviour = Gate()
    first, second = (runtime.submit("scripted", ScriptedRequest()) for _ in range(2))
    gate.wait_begun()
    assert (first.running(), second.running()) == (True, False)
    wide = replace(settings.backends["scripted"], concurrency=3)
    runtime.configure(replace(settings, backends={"scripted": wide}))
    runtime.submit("scripted", ScriptedRequest())
    gate.wait_begun()
    gate.open.set()
    assert second.result(HANG_GUARD_S).text == "done"


def test_cancel_reaches_the_backend(runtime, scripts):
    gate = scripts.behaviour = Gate()
    job = runtime.submit("scripted", ScriptedRequest())
    gate.wait_begun()
    assert runtime.cancel(job.id)
    drain_until(runtime, ended)
    runtime.close()
    assert scripts.clients[0].told == [job.id]


def test_new_settings_make_a_new_client_and_the_old_one_goes_when_it_is_free(runtime, scripts, settings):
    gate = scripts.behaviour = Gate()
    wide = replace(settings.backends["scripted"], concurrency=2)
    runtime.configure(replace(settings, backends={"scripted": wide}))
    running = runtime.submit("scripted", ScriptedRequest())
    gate.wait_begun()
    moved = replace(wide, base_url="http://127.0.0.1:10")
    runtime.configure(replace(settings, backends={"scripted": moved}))
    runtime.submit("scripted", ScriptedRequest())
    gate.wait_begun()
    old, new = scripts.clients
    assert (old.url.port, new.url.port) == (9, 10)
    assert not old.disconnected
    gate.open.set()
    running.result(HANG_GUARD_S)
    deadline = time.monotonic() + HANG_GUARD_S
    while runtime._runner_of(running.id).busy():
        assert time.monotonic() < deadline
    back = replace(moved, base_url="http://127.0.0.1:11")
    runtime.configure(replace(settings, backends={"scripted": back}))
    runtime.submit("scripted", ScriptedRequest()).result(HANG_GUARD_S)
    assert old.disconnected


def test_the_same_settings_keep_the_client(runtime, scripts):
    for _ in range(3):
        runtime.submit("scripted", ScriptedRequest()).result(HANG_GUARD_S)
    assert len(scripts.clients) == 1


@pytest.mark.parametrize("name", ["scriptd", "nothing at all", "comfyui"])
def test_an_unknown_backend_is_refused_with_the_nearest_name(runtime, name):
    with pytest.raises(errors.ValidationError) as caught:
        runtime.submit(name, ScriptedRequest())
    assert caught.value.code == "unknown_backend"
    assert "scripted" in caught.value.hint


def test_an_unknown_job_is_not_found(runtime):
    for ask in (runtime.cancel, runtime.job, runtime.status, runtime.forget):
        with pytest.raises(errors.JobNotFound):
            ask("nothing")
    assert runtime.tag("nothing") == {}


def test_forgetting_takes_a_job_off_the_list(runtime):
    job = runtime.submit("scripted", ScriptedRequest())
    drain_until(runtime, ended)
    deadline = time.monotonic() + HANG_GUARD_S
    while runtime.active():
        assert time.monotonic() < deadline
    runtime.forget(job.id)
    assert runtime.jobs() == []


def test_the_list_is_bounded_by_dropping_the_oldest_ended(runtime, scripts, monkeypatch):
    monkeypatch.setattr(runtime_module, "KEEP_FINISHED", 2)
    gate = scripts.behaviour = Gate()
    running = [runtime.submit("scripted", ScriptedRequest(str(number))) for number in range(3)]
    assert [view.title for view in runtime.jobs()] == ["2", "1", "0"]
    gate.open.set()
    for job in running:
        job.result(HANG_GUARD_S)
    runtime.submit("scripted", ScriptedRequest("new"))
    assert [view.title for view in runtime.jobs()] == ["new", "2", "1"]


def test_online_access_off_refuses_other_machines_but_not_loopback_or_demo(runtime, scripts, settings):
    away = replace(settings.backends["scripted"], base_url="http://192.0.2.1:8188")
    runtime.configure(replace(settings, backends={"scripted": away}))
    for ask in (lambda: runtime.submit("scripted", ScriptedRequest()), lambda: runtime.probe("scripted")):
        with pytest.raises(errors.OfflineRefused, match="online access"):
            ask()
    runtime.configure(replace(settings, backends={"scripted": away}, online_access=True))
    assert runtime.submit("scripted", ScriptedRequest()).result(HANG_GUARD_S).text == "done"


def test_demo_mode_is_only_another_address_without_the_user_s_key(runtime, scripts, settings, monkeypatch):
    monkeypatch.setattr(runtime._clients._demo, "url", lambda backend, _speed: f"http://127.0.0.1:77/{backend}")
    away = replace(settings.backends["scripted"], base_url="http://192.0.2.1:8188")
    runtime.configure(replace(settings, backends={"scripted": away}, demo_mode=True))
    runtime.submit("scripted", ScriptedRequest()).result(HANG_GUARD_S)
    (client,) = scripts.clients
    assert str(client.url) == "http://127.0.0.1:77/scripted"
    assert client.auth_headers() == {}


def test_a_connection_test_ends_with_its_answer_or_its_error(runtime, scripts):
    probe_id = runtime.probe("scripted")
    (item,) = drain_until(runtime, bool)
    assert item == ProbeFinished(probe_id, "scripted", ServerInfo("1.0", "scripted"), None)

    def fail():
        raise errors.ConnectionFailed("Nothing answers.")

    scripts.clients[0].on_probe = fail
    runtime.probe("scripted")
    (item,) = drain_until(runtime, bool)
    assert isinstance(item.error, errors.ConnectionFailed)


def test_asking_for_memory_ends_with_its_answer_or_its_error(runtime, scripts):
    runtime.free_memory("scripted")
    (item,) = drain_until(runtime, bool)
    assert item == MemoryFreed("scripted", None)

    def fail():
        raise KeyError("odd")

    scripts.clients[0].on_free = fail
    runtime.free_memory("scripted")
    (item,) = drain_until(runtime, bool)
    assert item.error.code == "internal"
    assert "'odd'" in item.error.message


def test_who_reads_lines_is_as_it_is_set(tmp_path):
    here, piper = "http://127.0.0.1:8880", str(tmp_path / "voice.onnx")
    chosen = SpeechSettings(here, "sk-canary", "kokoro", piper)
    assert [each.name for each in speakers_for(chosen, online_access=False)] == ["server", "piper"]
    assert speakers_for(SpeechSettings(), online_access=True) == ()
    away = replace(chosen, server_url="http://192.0.2.1:8880")
    assert [each.name for each in speakers_for(away, online_access=True)] == ["server", "piper"]
    assert [each.name for each in speakers_for(away, online_access=False)] == ["piper"]
    assert "canary" not in repr(chosen)


def test_rvc_s_client_gets_those_who_read(tmp_path):
    own = BackendSettings("http://127.0.0.1:9", speech=SpeechSettings(piper_voice="voice.onnx"))
    settings = RuntimeSettings({"rvc": own}, tmp_path, tmp_path)
    keeper = ClientCache(None, lambda _backend: frozenset())
    client = keeper.client(BACKENDS["rvc"], settings)
    assert [each.name for each in client._speakers] == ["piper"]
    without = replace(own, speech=SpeechSettings())
    assert keeper.client(BACKENDS["rvc"], replace(settings, backends={"rvc": without}))._speakers == ()
    keeper.close(time.monotonic() + HANG_GUARD_S)


def test_results_get_a_sidecar_before_the_main_thread_hears_of_them(runtime, scripts, tmp_path):
    picture = tmp_path / "out" / "cat.png"
    picture.parent.mkdir()
    picture.write_bytes(b"png")

    def behaviour(_job):
        artifact = Artifact(picture, "image", "image/png", 3, "00", "cat.png")
        return Result(artifacts=(artifact,), metadata={"seed": 2**64 - 1})

    scripts.behaviour = behaviour
    job = runtime.submit("scripted", ScriptedRequest("a cat"))
    drain_until(runtime, ended)
    sidecar = json.loads(outputs.sidecar_path(picture).read_text())
    assert sidecar["metadata"] == {"seed": 2**64 - 1}
    assert sidecar["request"]["prompt"] == "a cat"
    assert sidecar["job_id"] == job.id
    assert "canary" not in json.dumps(sidecar)
    assert sorted(path.name for path in picture.parent.iterdir()) == ["cat.png", "cat.png.json"]


def test_a_sidecar_that_can_not_be_written_does_not_harm_the_result(runtime, scripts, tmp_path, caplog):
    artifact = Artifact(tmp_path / "gone" / "cat.png", "image", "image/png", 3, "00", "cat.png")
    scripts.behaviour = lambda _job: Result(artifacts=(artifact,))
    job = runtime.submit("scripted", ScriptedRequest())
    drain_until(runtime, ended)
    assert job.status.state is JobState.SUCCEEDED
    assert "No sidecar" in caplog.text


def test_closing_leaves_resumable_jobs_to_be_recovered_with_their_tags(scripts, settings):
    gate = scripts.behaviour = Gate()
    first = Runtime(settings)
    left = first.submit("scripted", ScriptedRequest("left"), tag={"scene": "S"})
    gate.wait_begun()
    first.submit("scripted", ScriptedRequest("never begun"))
    first.close()
    assert isinstance(left.exception(0), errors.JobDetached)
    with pytest.raises(errors.BackendError) as caught:
        first.submit("scripted", ScriptedRequest())
    assert caught.value.code == "client_closed"

    scripts.on_rejoin = lambda job: Result(text=f"found {job.state['step']}")
    second = Runtime(settings)
    second.recover()
    items = drain_until(second, ended)
    assert Recovered((left.id,)) in items
    assert second.job(left.id).result(0).text == "found sent"
    assert second.tag(left.id) == {"scene": "S"}
    second.close()
    assert list(settings.state_dir.iterdir()) == []


def test_an_unusable_record_is_dropped_and_the_others_are_recovered(scripts, settings):
    gate = scripts.behaviour = Gate()
    first = Runtime(settings)
    job = first.submit("scripted", ScriptedRequest())
    gate.wait_begun()
    first._journal.record({**job.record(), "id": "bad", "version": 99})
    first._journal.record({**job.record(), "id": "gone", "backend": "gone"})
    first.close()
    second = Runtime(settings)
    second.recover()
    items = drain_until(second, ended)
    assert Recovered((job.id,)) in items
    second.close()
    assert list(settings.state_dir.iterdir()) == []


def failing_after_sending(error):
    def behaviour(job):
        job.sending(step="sent")
        raise error

    return behaviour


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (errors.ConnectionLost("cut"), True),
        (errors.StorageError("full"), True),
        (errors.PermissionDenied("proxy", status=403), True),
        (errors.JobLost("gone"), False),
        (errors.OutOfMemory("too big"), False),
        (errors.ValidationError("wrong"), False),
    ],
)
def test_a_failure_that_leaves_the_result_on_the_server_stays_in_the_journal(scripts, settings, error, kept):
    scripts.behaviour = failing_after_sending(error)
    first = Runtime(settings)
    job = first.submit("scripted", ScriptedRequest())
    drain_until(first, ended)
    scripts.on_rejoin = lambda _job: Result(text="fetched")
    first.recover()
    (item,) = [each for each in drain_until(first, recovered) if isinstance(each, Recovered)]
    assert item.job_ids == ((job.id,) if kept else ())
    if kept:
        assert first.job(job.id).result(HANG_GUARD_S).text == "fetched"
    first.close()
    assert list(settings.state_dir.iterdir()) == []


def recovered(items):
    return any(isinstance(item, Recovered) for item in items)


def test_a_job_under_way_is_not_recovered_beside_itself(runtime, scripts):
    gate = scripts.behaviour = Gate()
    runtime.submit("scripted", ScriptedRequest())
    gate.wait_begun()
    runtime.recover()
    (item,) = [each for each in drain_until(runtime, recovered) if isinstance(each, Recovered)]
    assert item.job_ids == ()
    gate.open.set()


def test_a_job_of_another_server_waits_in_the_journal_until_the_settings_name_it_again(scripts, settings):
    gate = scripts.behaviour = Gate()
    first = Runtime(settings)
    job = first.submit("scripted", ScriptedRequest())
    gate.wait_begun()
    first.close()
    for url, found in (("http://127.0.0.1:10", False), ("no scheme but a bad port:x", False), ("127.0.0.1:9/", True)):
        moved = replace(settings.backends["scripted"], base_url=url)
        runtime = Runtime(replace(settings, backends={"scripted": moved}))
        runtime.recover()
        # the re-joined job may have ended before its recovery is reported
        items = drain_until(runtime, lambda items, found=found: recovered(items) and (ended(items) or not found))
        (item,) = [each for each in items if isinstance(each, Recovered)]
        assert item == (Recovered((job.id,)) if found else Recovered((), ("http://127.0.0.1:9",)))
        runtime.close()
    assert list(settings.state_dir.iterdir()) == []


def test_demo_jobs_are_cancelled_at_the_end_and_never_recovered(scripts, settings, monkeypatch):
    gate = scripts.behaviour = Gate()
    monkeypatch.setattr("movie_director.runtime.client_cache.DemoServers.url", lambda *_given: "http://127.0.0.1:77")
    first = Runtime(replace(settings, demo_mode=True))
    job = first.submit("scripted", ScriptedRequest())
    gate.wait_begun()
    record = job.record()
    first.close()
    assert job.cancelled()
    assert scripts.clients[0].told == [job.id]
    second = Runtime(settings)
    second._journal.record(record)
    second.recover()
    (item,) = [each for each in drain_until(second, recovered) if isinstance(each, Recovered)]
    assert item == Recovered(())
    second.close()
    assert list(settings.state_dir.iterdir()) == []


def test_a_waiting_job_is_refused_when_online_access_is_switched_off(runtime, scripts, settings):
    away = {"scripted": replace(settings.backends["scripted"], base_url="http://192.0.2.1:8188")}
    runtime.configure(replace(settings, backends=away, online_access=True))
    gate = scripts.behaviour = Gate()
    runtime.submit("scripted", ScriptedRequest())
    gate.wait_begun()
    waiting = runtime.submit("scripted", ScriptedRequest())
    runtime.configure(replace(settings, backends=away, online_access=False))
    gate.open.set()
    assert isinstance(waiting.exception(HANG_GUARD_S), errors.OfflineRefused)


def test_a_connection_test_that_fails_unexpectedly_still_answers(runtime, scripts):
    runtime.probe("scripted")
    drain_until(runtime, bool)

    def fail():
        raise ZeroDivisionError

    scripts.clients[0].on_probe = fail
    runtime.probe("scripted")
    (item,) = drain_until(runtime, bool)
    assert item.error.code == "internal"


def test_a_sidecar_never_replaces_a_result_of_its_name(runtime, scripts, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    picture, data = folder / "a.png", folder / "a.png.json"
    picture.write_bytes(b"png")
    data.write_bytes(b"the server's own")
    artifact = Artifact(picture, "image", "image/png", 3, "00", "a.png")
    scripts.behaviour = lambda _job: Result(artifacts=(artifact,))
    runtime.submit("scripted", ScriptedRequest())
    drain_until(runtime, ended)
    assert data.read_bytes() == b"the server's own"
    assert json.loads((folder / "a.png.2.json").read_text())["artifact"]["source"] == "a.png"


def test_closing_is_bounded_and_leaves_no_thread(runtime, scripts):
    scripts.behaviour = Gate()
    runtime.submit("scripted", ScriptedRequest())
    began = time.monotonic()
    runtime.close(detach=False, timeout_s=1.0)
    assert time.monotonic() - began < 10.0
    assert not [each.name for each in threading.enumerate() if each.name.startswith("movie-director")]


def test_a_client_can_not_be_made_any_more_while_it_shuts_down(runtime, scripts):
    runtime.close()
    with pytest.raises(errors.BackendError) as caught:
        runtime._client(runtime_module.BACKENDS["scripted"])
    assert caught.value.code == "client_closed"
    assert scripts.clients == []


def test_settings_hide_secrets_and_reach_the_options(settings):
    own = BackendSettings(
        "http://x",
        api_key="sk-canary",
        headers=(("X-Key", "canary"),),
        connect_timeout_s=1.0,
        read_timeout_s=2.0,
        job_timeout_s=3.0,
        verify_tls=False,
    )
    assert "canary" not in repr(own)
    options = replace(settings, backends={"comfyui": own}).options_for(BACKENDS["comfyui"])
    assert (options.connect_timeout_s, options.read_timeout_s, options.first_byte_timeout_s) == (1.0, 2.0, 2.0)
    assert (options.job_timeout_s, options.verify_tls, options.max_workers) == (3.0, False, 1)
    text = replace(settings, backends={"litellm": own}).options_for(BACKENDS["litellm"])
    assert text.max_workers == BACKENDS["litellm"].client.default_options.max_workers
