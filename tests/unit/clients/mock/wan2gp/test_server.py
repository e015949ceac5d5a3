"""The mock WanGP beyond the recordings: what it refuses, the files that it makes, and aborts at odd moments."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from typing import Any

import pytest
from PIL import Image
from support.waiting import HANG_GUARD_S
from support.wangp import queue_zip, settings

from movie_director.clients.mock.http.context import SimulatedClock
from movie_director.clients.mock.http.faults import FaultBook
from movie_director.clients.mock.wan2gp.generation_task import DECODE_S, TaskRunner
from movie_director.clients.mock.wan2gp.queue_file import parse_tasks
from movie_director.clients.mock.wan2gp.server import MockWan2GP
from movie_director.clients.mock.wan2gp.session import Session
from movie_director.clients.mock.wan2gp.task import Refused, Task


class Call:
    """Stands for the call of a function."""

    trigger_id = None

    def __init__(self) -> None:
        self.messages: list[str] = []

    def info(self, text: str) -> None:
        self.messages.append(text)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"model_type": "no_such_model"}, "Settings must contain 'model_type'"),
        ({"resolution": "wide"}, "not enough values to unpack (expected 2, got 1)"),
        ({"resolution": "axb"}, "invalid literal for int() with base 10: 'a'"),
        ({"resolution": "0x5"}, "invalid literal for int() with base 10: '0'"),
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
def test_settings_are_refused_in_the_program_s_words(params: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_tasks("queue.zip", queue_zip(settings(**params)), 1)
    assert str(refused.value) == message


def test_queue_files(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    for data, name, message in (
        (b"not a zip", "queue.zip", "File is not a zip file"),
        (empty.getvalue(), "queue.zip", "queue.json not found in zip file"),
        (b"{", "s.json", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b'[{"params": 5}]', "s.json", "Invalid queue file: settings must be an object"),
    ):
        with pytest.raises(Refused) as refused:
            parse_tasks(name, data, 1)
        assert str(refused.value) == message
    (task,) = parse_tasks("s.json", json.dumps(settings(image_start="a.png")).encode(), 5)
    assert (task.number, task.attached("image_start")) == (5, []), "JSON loses its attachments"
    monkeypatch.setattr("movie_director.clients.mock.wan2gp.queue_file.MAX_BYTES", 100)
    with pytest.raises(Refused, match="the queue file is too large"):
        parse_tasks("queue.zip", queue_zip(settings()), 1)


def test_a_task_s_numbers() -> None:
    task = Task(1, {"model_type": "t2v_1.3B", "video_length": 40, "force_fps": "auto", "resolution": None})
    assert (task.frames, task.fps, task.size) == (37, 16.0, (832, 480))
    assert (Task(1, {}).title, Task(1, {"video_length": 20}).fps, Task(1, {"force_fps": "24"}).fps) == ("", 16.0, 24.0)


def test_progress_names_samples_windows_and_phases() -> None:
    numbers = {"repeat_generation": 2, "sliding_window_size": 9, "sliding_window_overlap": 1, "guidance_phases": 2}
    clock = SimulatedClock(float("inf"), threading.Event())
    runner = TaskRunner(Task(1, settings(steps=2, **numbers)), threading.Lock(), clock, FaultBook())
    runner.start().join(HANG_GUARD_S)
    texts = [
        each.data[2]
        for each in (runner.commands.get_nowait() for _ in range(runner.commands.qsize()))
        if each.kind == "progress"
    ]
    assert any(each.startswith("Sample 1/2, Sliding Window 1/2 - Denoising First Phase") for each in texts)
    assert any("Second Phase" in each for each in texts)
    assert len(runner.outputs) == 2


def test_stills_clips_and_sounds_are_real_files() -> None:
    (still,) = Task(1, settings(image_mode=1, seed=-1)).outputs(0)
    with Image.open(io.BytesIO(still.data)) as image:
        assert (still.ending, image.format, image.size) == (".jpg", "JPEG", (160, 96))
    (clip,) = Task(1, settings(audio_prompt_type="K", output_filename="loud", seed=42)).outputs(0)
    assert (clip.stem, clip.data[4:8], b"sowt" in clip.data, b'"seed": 42' in clip.data) == (
        "loud",
        b"ftyp",
        True,
        True,
    )
    for model in ("ace_step_v1", "chatterbox", "kugelaudio_0_open", "qwen3_tts_base"):
        task = Task(1, {"model_type": model, "prompt": "hello there", "duration_seconds": 1})
        if task.model is not None:
            assert (task.outputs(0)[0].ending, task.outputs(0)[0].data[:4]) == (".wav", b"RIFF")


# The web page


def test_the_page_of_another_version_and_what_it_ignores() -> None:
    with pytest.raises(ValueError, match=r"no mock of WanGP 3\.1"):
        MockWan2GP(version="3.1")
    mock = MockWan2GP(version="9.44", shift=17)
    assert mock.app.dependencies[336 + 17].api_name == "load_queue_action"
    assert "abort_generation_1" not in mock.app.by_name
    pause = mock.app.by_name["pause_generation"].function
    assert pause is not None
    assert pause(None) == [{"__type__": "update"}] * 2
    call, session = Call(), Session()
    assert mock.do_load_queue_action(call, None, session) is None, "no trigger: a page is only opened"
    assert mock.do_activate_status(call, session) == ""
    assert list(mock.do_process_tasks(call, session)) == [({"__type__": "update"},) * 3]


def test_an_abort_before_the_work_has_begun() -> None:
    with MockWan2GP(speed=50.0) as mock:
        call, session = Call(), Session(queue=[Task(1, settings(steps=2000))])
        assert mock.do_abort_generation(call, session)[0]["interactive"] is True
        steps = mock.do_process_tasks(call, session)
        next(steps)
        assert mock.do_abort_generation(call, session)[0]["interactive"] is False
        for _ in steps:
            pass
        assert (mock.outputs, session.queue, session.abort_asked) == ([], [], False)
        assert call.messages == ["Processing Request to abort Current Generation"]


def test_an_abort_while_the_frames_are_decoded() -> None:
    class Abrupt(SimulatedClock):
        def wait(self, seconds: float) -> bool:
            if seconds == DECODE_S:
                runner.abort()
            return False

    runner = TaskRunner(Task(1, settings(steps=1)), threading.Lock(), Abrupt(1.0, threading.Event()), FaultBook())
    runner.start().join(HANG_GUARD_S)
    assert runner.outputs == []
    commands = [runner.commands.get_nowait() for _ in range(runner.commands.qsize())]
    assert (commands[-1].kind, commands[-1].data) == ("end", True)


def test_stopping_in_the_middle_leaves_no_thread() -> None:
    with MockWan2GP() as mock:
        session = Session(queue=[Task(1, settings(steps=2000))])
        steps = mock.do_process_tasks(Call(), session)
        next(steps)
        next(steps)
        runner = session.runner
    assert runner is not None
    runner.join(HANG_GUARD_S)
    assert runner.ended
