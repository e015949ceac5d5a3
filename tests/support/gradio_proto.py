"""The app of the Gradio recordings, on the mock: the same components and wiring, functions that do the same."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from movie_director.clients.mock.gradio.app import App, Component, Dependency, GradioError, update
from movie_director.clients.mock.gradio.server import MockGradio

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings" / "gradio"
VERSIONS = ("4.44.1", "5.29.0", "6.31.0")
PARAMETERS = {"echo": ("text", "n", "flag"), "gen_progress": ("steps", "delay")}
STEP_S = 0.2


def recorded(version: str, scenario: str) -> list[dict[str, Any]]:
    """Return the lines of a scenario."""
    text = (RECORDINGS / version / f"{scenario}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def wiring() -> dict[str, Any]:
    """Return the app's /config; only that of version 4 was small enough to be recorded whole."""
    return next(line["json"] for line in recorded("4.44.1", "config_info") if "json" in line)


class MockProto(MockGradio):
    """``stopped`` counts the long jobs that came to their end, as the app's ``stop_count`` tells."""

    def __init__(self, **given: Any) -> None:
        self.stopped = 0
        super().__init__(**given)

    def make_app(self) -> App:
        told = wiring()
        components = [
            Component(each["id"], each["type"], each["props"].get("label") or "", _props(each))
            for each in told["components"]
        ]
        return App(components, [self._wired(each) for each in told["dependencies"]], title="proto")

    def _wired(self, each: dict[str, Any]) -> Dependency:
        name = each["api_name"] or None
        function = getattr(self, f"do_{name}", None) if each["backend_fn"] else None
        return Dependency(
            each["id"],
            name,
            function or (self.do_echo if each["backend_fn"] else None),
            tuple(each["inputs"]),
            tuple(each["outputs"]),
            tuple((target, event) for target, event in each["targets"]),
            trigger_after=each["trigger_after"],
            generator=each["types"]["generator"],
            queue=each["queue"],
            parameters=PARAMETERS.get(name or "", ()),
            extra={key: each[key] for key in ("js", "cancels", "types")},
        )

    def do_echo(self, call: Any, text: Any, number: Any, flag: Any) -> str:
        return f"{text}|{number}|{flag}"

    do_noqueue = do_echo

    def do_gen_progress(self, call: Any, steps: int, delay: float) -> Any:
        call.progress(0.0, "Loading model")
        self.clock.wait(delay)
        for step in range(1, steps + 1):
            yield f"step {step}/{steps}", {"step": step, "hist": list(range(step))}
            if step < steps:
                call.progress((step, steps), "Denoising")
                self.clock.wait(delay)

    def do_plain_progress(self, call: Any, steps: int) -> str:
        for step in range(int(steps)):
            call.progress((step, int(steps)), "tqdm loop")
            self.clock.wait(1.0)
        return "done"

    def do_long_job(self, call: Any, seconds: float) -> Any:
        try:
            for step in itertools.count(1):
                if step * STEP_S > seconds + STEP_S / 2:
                    return
                self.clock.wait(STEP_S)
                yield f"{step * STEP_S:.1f}"
                call.progress(step * STEP_S / seconds, "working")
        finally:
            self.stopped += 1

    def do_make_video(self, call: Any, text: str, image: Any) -> Any:
        made = call.file("clip.mp4", b"\0\0\0\x20ftypisom" + bytes(2780))
        return made if self.dialect.generation == 6 else {"video": made, "subtitles": None}

    def do_make_audio(self, call: Any, text: str) -> Any:
        return call.file("tone.wav", b"RIFF" + bytes(200))

    def do_file_io(self, call: Any, file: Any) -> Any:
        return call.file("copy.txt", call.read(file) + b"!", sized=True)

    def do_files_io(self, call: Any, files: Any) -> Any:
        return [call.file("copy.txt", call.read(each) + b"!", sized=True) for each in files]

    def do_state_fn(self, call: Any, text: str, seen: list[str] | None) -> Any:
        seen = [*(seen or []), text]
        return ",".join(seen), seen

    def do_err_gr(self, call: Any, text: str) -> Any:
        raise GradioError(text)

    def do_err_exc(self, call: Any, text: str) -> Any:
        raise ValueError(text)

    def do_warn_info(self, call: Any) -> str:
        call.info("fyi")
        call.warning("careful")
        return "ok"

    def do_slow1(self, call: Any, text: str) -> str:
        self.clock.wait(1.2)
        return text

    def do_huge(self, call: Any) -> Any:
        return call.file("huge.bin", b"?" * 67108864, sized=True)

    def do_forbidden_path(self, call: Any) -> Any:
        if self.dialect.generation == 4:
            return call.file("hostname", b"host\n", sized=True)
        raise ValueError("not an allowed path")

    def do_whoami(self, call: Any) -> str:
        return f"{call.username}|{call.session}|{{}}"

    def do_gallery(self, call: Any) -> Any:
        pictures = [call.file(f"g{at}.png", bytes([at]) * 99, "image/png") for at in (0, 1)]
        return [{"image": each, "caption": f"cap{at}"} for at, each in enumerate(pictures)]

    def do_upd(self, call: Any, text: str) -> Any:
        return update(choices=[["a", "a"], ["b", "b"], [text, text]], visible=True, value=text)

    def do_stop_count(self, call: Any) -> str:
        return str(self.stopped)

    def do_dropdown_echo(self, call: Any, choice: str) -> str:
        return choice

    def do_long_plain(self, call: Any, seconds: float) -> str:
        self.clock.wait(seconds)
        return "slept"

    def do_chain_a(self, call: Any) -> str:
        return "a"

    def do_chain_b(self, call: Any) -> str:
        return "b"

    def do_lambda(self, call: Any, text: str) -> str:
        return text


def _props(each: dict[str, Any]) -> dict[str, Any]:
    kept = ("choices", "minimum", "maximum", "value")
    return {key: value for key, value in each["props"].items() if key in kept}
