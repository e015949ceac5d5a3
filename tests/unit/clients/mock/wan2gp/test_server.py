"""The mock WanGP's web UI: the chain of functions, results, aborts, what a lost stream leaves behind, and faults."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from support.gradio_replay import Stream
from support.http import Pool, request
from support.waiting import eventually
from support.wangp import queue_zip, settings

from movie_director.clients.mock.http.context import SimulatedClock
from movie_director.clients.mock.http.faults import Fault, FaultBook
from movie_director.clients.mock.media.pixels import Pixels
from movie_director.clients.mock.media.png import encode
from movie_director.clients.mock.wan2gp.generation_task import DECODE_S, TaskRunner
from movie_director.clients.mock.wan2gp.server import MockWan2GP
from movie_director.clients.mock.wan2gp.session import Session
from movie_director.clients.mock.wan2gp.task import Refused, Task
from movie_director.clients.mock.wan2gp.ui_config import stem_of

GUARD_S = 20.0
SPEED = 50.0


class Page:
    """What the browser does: finds the chain in /config and calls its links one after another."""

    def __init__(self, mock: MockWan2GP, session: str = "s1") -> None:
        self.mock, self.session = mock, session
        self.http = Pool(GUARD_S)
        self.config = self.http.request("GET", f"{mock.url}/config").json()
        self.functions = {each["api_name"]: each for each in self.config["dependencies"]}
        self.load = next(
            each
            for each in self.config["dependencies"]
            if stem_of(each["api_name"]) == "load_queue_action" and each["targets"][0][1] == "upload"
        )
        self.followers = [self.load]
        while True:
            after = [each for each in self.config["dependencies"] if each["trigger_after"] == self.followers[-1]["id"]]
            if not after:
                break
            self.followers += after
        self.process = self.link("process_tasks")
        self.status = self.changed_by("refresh_status_async", self.link("activate_status")["outputs"][0])
        self.gallery = self.changed_by("refresh_gallery", self.process["outputs"][1])
        self.preview = self.changed_by("refresh_preview", self.process["outputs"][0])

    def link(self, stem: str) -> Any:
        return next(each for each in self.followers if stem_of(each["api_name"]) == stem)

    def changed_by(self, stem: str, component: int) -> Any:
        return next(
            each
            for each in self.config["dependencies"]
            if stem_of(each["api_name"]) == stem and each["targets"] == [[component, "change"]]
        )

    def join(self, function: Any, *data: Any, **more: Any) -> str:
        body = {"data": list(data), "fn_index": function["id"], "session_hash": self.session, **more}
        answer = self.http.request("POST", f"{self.mock.base}/queue/join", body=json.dumps(body).encode())
        assert answer.status == 200, answer.data
        return str(answer.json()["event_id"])

    def stream(self) -> Stream:
        url = f"{self.mock.base}/queue/data?session_hash={self.session}"
        return Stream(self.http.request("GET", url, preload_content=False))

    def finish(self, stream: Stream) -> list[Any]:
        assert stream.wait(lambda: stream.closed), stream.messages[-3:]
        return [message for _, message in stream.messages]

    def call(self, function: Any, *data: Any, **more: Any) -> list[Any]:
        self.join(function, *data, **more)
        return self.finish(self.stream())

    def value(self, function: Any, *data: Any, **more: Any) -> Any:
        return next(each for each in self.call(function, *data, **more) if each["msg"] == "process_completed")["output"]

    def upload(self, data: bytes, name: str = "queue.zip") -> Any:
        path = self.http.request("POST", f"{self.mock.base}/upload", fields={"files": (name, data)}).json()[0]
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def send(self, data: bytes, name: str = "queue.zip", **more: Any) -> list[str]:
        """Loads a queue file; the words of the log."""
        more.setdefault("trigger_id", self.load["targets"][0][0])
        said = self.call(self.load, self.upload(data, name), None, **more)
        return [f"{each['level']}: {each['log']}" for each in said if each["msg"] == "log"]

    def start(self, *tasks: Any, media: Any = None) -> Stream:
        assert self.send(queue_zip(*tasks, media=media)) == [f"info: Loaded {len(tasks)} task(s)"]
        self.value(self.link("init_process_queue_if_any"), None)
        self.value(self.link("activate_status"), None)
        self.event = self.join(self.process, None)
        self.join(self.status, None)
        return self.stream()

    def generate(self, *tasks: Any, media: Any = None) -> list[Any]:
        return self.finish(self.start(*tasks, media=media))

    def ended(self, said: list[Any]) -> Any:
        return next(each for each in said if each["msg"] == "process_completed" and each["event_id"] == self.event)

    def files(self) -> list[str]:
        shown = self.value(self.gallery, None)["data"][2]["value"]
        return [next(iter(each.values()))["orig_name"] for each in shown]

    def finalize(self) -> Any:
        return self.value(self.link("finalize_generation_with_state"), None)["data"]


@pytest.fixture
def mock() -> Iterator[MockWan2GP]:
    with MockWan2GP(speed=SPEED) as server:
        yield server


def progress_of(said: list[Any]) -> list[Any]:
    return [each["progress_data"][0] for each in said if each["msg"] == "progress"]


def lines_of(said: list[Any]) -> list[str]:
    return re.findall(r'"((?:Loading model|Model loaded|Total|Video)[^"]*)"', json.dumps(said))


@pytest.mark.parametrize("shift", [0, 17])
@pytest.mark.parametrize("version", ["12.60", "9.44", "6.7"])
def test_the_chain_is_found_in_every_version_and_numbering(version: str, shift: int) -> None:
    with MockWan2GP(version=version, shift=shift, speed=SPEED) as mock:
        page = Page(mock)
        assert [stem_of(each["api_name"]) for each in page.followers] == [
            "load_queue_action", "lambda", "init_process_queue_if_any", "activate_status", "process_tasks",
            "finalize_generation_with_state", "unload_model_if_needed",
        ]  # fmt: skip
        assert (page.load["id"] == 336) is (shift == 0)
        assert (
            f"v{version} "
            in next(each for each in page.config["components"] if each["type"] == "markdown")["props"]["value"]
        )
        aborts = [each for each in page.functions if stem_of(each) == "abort_generation"]
        assert len(aborts) == (4 if version == "12.60" else 2)
        said = page.generate(settings(output_filename="blend_1"))
        assert page.ended(said)["success"]
        assert page.files() == ["blend_1.mp4"]
        assert page.finalize()[2]["value"][0]["video"]["orig_name"] == "blend_1.mp4"
        assert page.value(page.link("unload_model_if_needed"), None)["data"] == []


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no mock of WanGP 3\.1"):
        MockWan2GP(version="3.1")


def test_without_a_trigger_the_file_is_ignored(mock: MockWan2GP) -> None:
    page = Page(mock)
    assert page.send(queue_zip(settings()), trigger_id=None) == []
    assert page.value(page.link("init_process_queue_if_any"), None)["data"][0]["visible"] is True
    assert page.value(page.link("activate_status"), None)["data"] == [""]
    said = page.call(page.process, None)
    assert said[-2]["success"]
    assert mock.outputs == []


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"model_type": "no_such_model"}, "Settings must contain 'model_type'"),
        ({"resolution": "wide"}, "not enough values to unpack (expected 2, got 1)"),
        ({"resolution": "axb"}, "invalid literal for int() with base 10: 'a'"),
        ({"video_prompt_type": "V"}, "You must provide a Control Video"),
        ({"image_prompt_type": "S"}, "You must provide a Start Image"),
        ({"image_prompt_type": "S", "image_start": "gone.png"}, "[Errno 2] No such file or directory: 'gone.png'"),
        ({"prompt": " "}, "Prompt cannot be empty."),
        ({"image_prompt_type": "V"}, "You must provide a Source Video file to continue"),
        ({"image_prompt_type": "SE", "image_start": "gone.png"}, "You must provide an End Image"),
        ({"audio_prompt_type": "A"}, "You must provide an Audio Source"),
        ({"audio_prompt_type": "AB", "audio_guide": "gone.wav"}, "You must provide a second Audio Source"),
        ({"video_prompt_type": "I"}, "You must provide at least one Reference Image"),
        ({"video_prompt_type": "VA", "video_guide": "gone.mp4"}, "You must provide a Video Mask"),
        ({"video_prompt_type": "V", "image_mode": 1}, "You must provide a Control Image"),
    ],
)
def test_settings_are_refused_in_the_program_s_words(mock: MockWan2GP, params: dict[str, Any], words: str) -> None:
    assert Page(mock).send(queue_zip(settings(**params))) == [f"warning: Failed to load queue: {words}"]


def test_queue_files_that_are_none(mock: MockWan2GP) -> None:
    page = Page(mock)
    empty = io.BytesIO()
    import zipfile

    zipfile.ZipFile(empty, "w").close()
    for data, name, words in (
        (b"not a zip", "queue.zip", "File is not a zip file"),
        (empty.getvalue(), "queue.zip", "queue.json not found in zip file"),
        (b"{", "s.json", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b'[{"params": 5}]', "s.json", "Invalid queue file: settings must be an object"),
    ):
        assert page.send(data, name) == [f"warning: Failed to load queue: {words}"]
    assert page.call(page.load, None, None, trigger_id=page.load["targets"][0][0])[2]["level"] == "warning"


def test_a_queue_file_that_is_a_bomb(mock: MockWan2GP, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movie_director.clients.mock.wan2gp.queue_file.MAX_BYTES", 100)
    assert Page(mock).send(queue_zip(settings())) == ["warning: Failed to load queue: the queue file is too large"]


def test_json_loses_its_attachments(mock: MockWan2GP) -> None:
    page = Page(mock)
    assert page.send(json.dumps(settings(image_start="a.png")).encode(), "s.json") == ["info: Loaded 1 task(s)"]


def test_a_clip_can_be_had_from_the_cache_and_from_outputs(mock: MockWan2GP) -> None:
    page = Page(mock)
    page.generate(settings(output_filename="blend_7", force_fps="24"))
    page.generate(settings(output_filename="blend_7"))
    assert page.files() == ["blend_7.mp4", "blend_7(2).mp4"]
    shown = page.value(page.gallery, None)["data"][2]["value"][0]["video"]
    cached = page.http.request("GET", shown["url"]).data
    assert cached == page.http.request("GET", f"{mock.base}/file=outputs/blend_7.mp4").data
    assert cached[4:8] == b"ftyp"
    assert b'"output_filename": "blend_7"' in cached
    assert b'"seed": 42' in cached


def test_stills_sounds_and_clips_with_sound(mock: MockWan2GP) -> None:
    page = Page(mock)
    page.generate(settings(image_mode=1, output_filename="still", seed=-1))
    shown = page.value(page.gallery, None)["data"][2]["value"][0]["image"]
    image = Image.open(io.BytesIO(page.http.request("GET", shown["url"]).data))
    assert (shown["orig_name"], shown["mime_type"], image.size) == ("still.jpg", "image/jpeg", (160, 96))
    page.generate(settings(model_type="ace_step_v1", duration_seconds=1))
    told = page.value(page.gallery, None)["data"]
    assert [each.endswith(".wav") for each in json.loads(told[4])] == [True]
    assert len(told[2]["value"]) == 1
    page.generate(settings(audio_prompt_type="K", output_filename="loud"))
    assert b"sowt" in page.http.request("GET", f"{mock.base}/file=outputs/loud.mp4").data


def test_speech_is_spoken() -> None:
    names = [
        name for name in ("chatterbox", "kugelaudio_0_open", "qwen3_tts_base") if Task(1, {"model_type": name}).model
    ]
    for name in names:
        assert Task(1, {"model_type": name, "prompt": "hello there"}).outputs(0)[0].data[:4] == b"RIFF"
    assert names


def test_the_start_image_is_seen(mock: MockWan2GP) -> None:
    page = Page(mock)
    media = {"a.png": encode(Pixels.plain(32, 32, b"\xff\0\0"))}
    page.generate(settings(image_prompt_type="S", image_start="a.png", output_filename="red"), media=media)
    page.generate(settings(image_prompt_type="S", image_start="a.png", output_filename="odd"), media={"a.png": b"jpeg"})
    red, odd = (page.http.request("GET", f"{mock.base}/file=outputs/{each}.mp4").data for each in ("red", "odd"))
    assert red != odd


def test_progress_names_samples_windows_and_phases() -> None:
    with MockWan2GP(speed=4.0) as mock:
        page = Page(mock)
        more = {"repeat_generation": 2, "sliding_window_size": 9, "sliding_window_overlap": 1, "guidance_phases": 2}
        said = page.generate(settings(steps=2, **more))
    texts = " ".join(each["desc"] for each in progress_of(said))
    assert "Sample 1/2, Sliding Window 1/2 - Denoising First Phase" in texts
    assert "Second Phase" in texts
    assert len(mock.outputs) == 2


def test_the_status_tells_what_goes_on() -> None:
    with MockWan2GP(speed=4.0) as mock:
        page = Page(mock)
        said = page.generate(settings(steps=8))
    lines = lines_of(said)
    assert lines[0] == "Loading model Wan2.1 Text2video 1.3B..."
    assert lines[-1].startswith("Total Generation Time: ")
    assert any(each["length"] == 8 and each["desc"].startswith("Denoising | ") for each in progress_of(said))


def test_previews_are_jpegs(mock: MockWan2GP) -> None:
    page = Page(mock)
    assert page.value(page.preview, None)["data"] == [""]
    stream = page.start(settings(steps=2000))
    assert stream.wait(
        lambda: sum(m["msg"] == "process_generating" and len(m["output"]["data"]) == 3 for _, m in stream.messages) > 1
    )
    page.join(page.preview, None)
    assert stream.wait(lambda: "data:image/jpeg;base64," in json.dumps(stream.messages))
    picture = re.search(r"data:image/jpeg;base64,([^\\]+)", json.dumps(stream.messages))
    assert picture is not None
    Image.open(io.BytesIO(base64.b64decode(picture[1]))).load()
    stream.leave()


# Aborting


def test_abort_ends_the_running_task_and_the_next_one_runs() -> None:
    with MockWan2GP(speed=4.0) as mock:
        page = Page(mock)
        stream = page.start(
            settings("first", 2000, output_filename="one"), settings("second", 2, output_filename="two")
        )
        assert stream.wait(lambda: any(m["msg"] == "progress" for _, m in stream.messages))
        page.join(page.functions["abort_generation"], None, None)
        said = page.finish(stream)
        assert "Processing Request to abort Current Generation" in [m.get("log") for m in said]
        assert mock.outputs == ["two.mp4"]
        assert page.ended(said)["success"]
    assert any("Prompt 2/2" in each["desc"] for each in progress_of(said))


def test_an_aborted_task_leaves_no_file_and_says_so(mock: MockWan2GP) -> None:
    page = Page(mock)
    stream = page.start(settings(steps=2000))
    assert eventually(lambda: page.mock._runners and page.mock._runners[0].commands.empty())
    page.join(page.functions["abort_generation"], None, None)
    said = page.finish(stream)
    assert "Video generation was aborted" in lines_of(said)[-1]
    assert page.files() == []
    # nothing runs: an abort does nothing
    assert page.value(page.functions["abort_generation"], None, None)["data"][0]["interactive"] is True


def test_a_task_is_removed_or_aborted_by_its_client_id() -> None:
    with MockWan2GP(speed=4.0) as mock:
        page = Page(mock)
        abort = page.functions["abort_generation_1"]
        tasks = [settings(name, 2000, client_id=name, output_filename=name) for name in ("a", "b")]
        stream = page.start(*tasks, settings("c", 2, client_id="c", output_filename="c"))
        assert stream.wait(lambda: any(m["msg"] == "progress" for _, m in stream.messages))
        page.join(abort, None, "b")
        page.join(abort, None, "unknown")
        page.join(abort, None, "a")
        page.finish(stream)
        assert mock.outputs == ["c.mp4"]


def test_clearing_the_queue_ends_everything(mock: MockWan2GP) -> None:
    page = Page(mock)
    assert page.value(page.functions["clear_queue_action"], None)["data"][0]["value"].endswith("Queue is empty.</div>")
    stream = page.start(settings(steps=2000), settings())
    assert eventually(lambda: bool(mock._runners))
    page.join(page.functions["early_stop_generation"], None)
    page.join(page.functions["clear_queue_action"], None)
    page.finish(stream)
    assert mock.outputs == []


def test_an_abort_before_the_work_has_begun(mock: MockWan2GP) -> None:
    session = Session()
    session.queue = [Task(1, settings(steps=2000))]
    call = Quiet()
    steps = mock.do_process_tasks(call, session)
    next(steps)
    assert mock.do_abort_generation(call, session)[0]["interactive"] is False
    for _ in steps:
        pass
    assert (mock.outputs, session.queue, session.abort_asked) == ([], [], False)
    assert call.said == ["Processing Request to abort Current Generation"]


class Quiet:
    """Stands for the call of a function."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, text: str) -> None:
        self.said.append(text)


def test_a_late_abort(mock: MockWan2GP) -> None:
    mock.inject(Fault("late_abort", value=2.0))
    page = Page(mock)
    stream = page.start(settings(steps=2000))
    assert eventually(lambda: bool(mock._runners))
    page.join(page.functions["abort_generation"], None, None)
    said = page.finish(stream)
    assert page.ended(said)["success"]
    assert mock.outputs == []


# A lost stream


def test_a_lost_stream_wedges_the_status_and_the_file_is_made_all_the_same() -> None:
    with MockWan2GP(speed=10.0) as mock:
        page = Page(mock, "lost")
        stream = page.start(settings(steps=20, output_filename="blend_lost"))
        assert stream.wait(lambda: any(m["msg"] == "progress" for _, m in stream.messages))
        stream.leave()
        assert eventually(lambda: mock.outputs == ["blend_lost.mp4"] and not mock.queue.knows("lost"))
        page.join(page.gallery, None)
        later = page.stream()
        assert later.wait(lambda: "blend_lost.mp4" in json.dumps(later.messages))
        assert not later.closed
        later.leave()
        # another session generates, and hears no progress
        other = Page(mock, "other")
        stream = other.start(settings(output_filename="blend_other"))
        assert stream.wait(lambda: any(m["msg"] == "process_completed" for _, m in stream.messages))
        assert not [m for _, m in stream.messages if m["msg"] == "progress"]
        assert mock.outputs[-1] == "blend_other.mp4"
        stream.leave()


def test_a_status_slot_that_another_session_has(mock: MockWan2GP) -> None:
    mock.inject(Fault("status_slot_taken"))
    page = Page(mock)
    stream = page.start(settings())
    assert stream.wait(lambda: any(m["msg"] == "process_completed" for _, m in stream.messages))
    assert sum(m["msg"] == "process_starts" for _, m in stream.messages) == 1
    stream.leave()


# Faults


def test_failures_of_the_generation(mock: MockWan2GP) -> None:
    page = Page(mock)
    for fault, words in (
        (Fault("out_of_memory"), "CUDA out of memory. Tried to allocate 2.00 GiB"),
        (Fault("model_file_missing", on="t2v_*"), "models/t2v_1.3B.safetensors not found"),
        (Fault("generation_fails", value="Boom"), "Boom"),
    ):
        mock.inject(fault)
        said = page.generate(settings(), settings())
        end = page.ended(said)
        assert (end["success"], end["output"]["duration"], end["title"]) == (False, 0, None)
        assert end["output"]["error"].startswith(words)
        page.finalize()
    assert page.files() == []
    assert page.ended(page.generate(settings()))["success"]


def test_loading_that_is_refused_or_ignored(mock: MockWan2GP) -> None:
    page = Page(mock)
    mock.inject(Fault("load_refused"))
    assert page.send(queue_zip(settings())) == ["warning: Failed to load queue: You must provide a Control Video"]
    mock.inject(Fault("load_ignored"))
    assert page.send(queue_zip(settings())) == []


def test_a_generation_without_a_file(mock: MockWan2GP) -> None:
    mock.inject(Fault("no_output"))
    page = Page(mock)
    assert page.ended(page.generate(settings()))["success"]
    assert page.files() == []


def test_a_slow_load(mock: MockWan2GP) -> None:
    mock.inject(Fault("slow_load", value=1.0))
    page = Page(mock)
    assert page.ended(page.generate(settings()))["success"]


def test_a_crash_forgets_everything(mock: MockWan2GP) -> None:
    mock.inject(Fault("restart"))
    page = Page(mock)
    stream = page.start(settings())
    assert stream.wait(lambda: stream.closed)
    assert not [m for _, m in stream.messages if m["msg"] == "process_completed"]
    assert eventually(lambda: not mock.down)
    again = Page(mock)
    assert again.finish(again.stream())[0]["msg"] == "unexpected_error"
    assert again.files() == []
    assert mock.outputs == []


def test_addresses_of_other_programs(mock: MockWan2GP) -> None:
    mock.inject(Fault("not_wangp"))
    mock.inject(Fault("no_chain"))
    other, old = (request("GET", f"{mock.url}/config").json() for _ in range(2))
    assert (other["title"], other["dependencies"]) == ("Another program", [])
    names = {each["api_name"] for each in old["dependencies"]}
    assert "process_tasks_1" in names
    assert "load_queue_action" not in names


def test_stopping_in_the_middle_leaves_no_thread() -> None:
    with MockWan2GP(speed=1.0) as mock:
        stream = Page(mock).start(settings(steps=2000))
        assert eventually(lambda: bool(mock._runners))
        work = mock._runners[0]
    assert not work._thread.is_alive()
    assert stream.wait(lambda: stream.closed)


def test_an_abort_while_the_frames_are_decoded() -> None:
    class Abrupt(SimulatedClock):
        def wait(self, seconds: float) -> bool:
            if seconds == DECODE_S:
                work.abort()
            return False

    work = TaskRunner(Task(1, settings(steps=1)), threading.Lock(), Abrupt(1.0, threading.Event()), FaultBook())
    work.start().join(GUARD_S)
    assert work.outputs == []
    said = [work.commands.get_nowait() for _ in range(work.commands.qsize())]
    assert (said[-1].kind, said[-1].data) == ("end", True)


def test_functions_that_have_no_effect_here(mock: MockWan2GP) -> None:
    page = Page(mock)
    assert page.value(page.functions["pause_generation"], None)["data"] == [{"__type__": "update"}] * 2
    assert page.value(page.functions["lambda_48"], None)["data"] == [{"__type__": "update"}]


def test_a_task_s_numbers() -> None:
    task = Task(1, {"model_type": "t2v_1.3B", "video_length": 40, "force_fps": "auto", "resolution": None})
    assert (task.frames, task.fps, task.size) == (37, 16.0, (832, 480))
    assert Task(1, {}).title == ""
    assert Task(1, {"video_length": 20}).fps == 16.0
    with pytest.raises(Refused):
        Task(1, {"model_type": "t2v_1.3B", "resolution": "0x5"}).check()
