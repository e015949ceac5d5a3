"""A small real Gradio app with the chain of functions that WanGP's web UI has, and a few simple ones.

Started by tests and the benchmark with the interpreter of a real Gradio: ``python gradio_app.py PORT [options]``. It
imports nothing of the project. ``--functions N`` adds so many idle functions, which makes ``/config`` as large as
WanGP's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import gradio as gr

STEP_S = 0.1
FOLDER = Path(tempfile.mkdtemp(prefix="film-"))
MOVIE = b"\0\0\0\x20ftypisom" + bytes(4000)
PAUSE = threading.Event()
BAR = gr.Progress()
PROGRESS: dict[str, Any] = {"step": 0, "total": 0, "phase": "Idle"}


def load_queue_action(path: str | None, state: dict[str, Any], evt: gr.EventData) -> str:
    """Take the tasks of a queue file; without a target it is the browser's own start, which has no file."""
    if evt.target is None or path is None:
        return "Nothing loaded."
    try:
        with zipfile.ZipFile(path) as archive:
            tasks = json.loads(archive.read("queue.json"))
    except zipfile.BadZipFile:
        gr.Warning("Failed to load queue: File is not a zip file")
        return "Queue is empty."
    state["queue"] = tasks
    gr.Info(f"Loaded {len(tasks)} task(s)")
    return "Queue is empty."


def init_process_queue_if_any(state: dict[str, Any]) -> str:
    """Say whether there is something to do."""
    state["validate_success"] = bool(state.get("queue"))
    return "ready" if state["validate_success"] else "empty"


def activate_status(state: dict[str, Any]) -> str:
    """Switch the status on, before anything runs."""
    state["in_progress"] = state["validate_success"]
    return "on"


def process_tasks(state: dict[str, Any]) -> Any:
    """Run the queue."""
    if not state.get("validate_success"):
        return
    state["abort"] = False
    for task in state.pop("queue", []):
        settings = task["params"]
        if settings["prompt"] == "fail":
            raise gr.Error("CUDA out of memory. Tried to allocate 20 GiB")
        total = int(settings["num_inference_steps"])
        for step in range(1, total + 1):
            PROGRESS.update(step=step, total=total, phase="Denoising")
            PAUSE.wait(STEP_S)
            yield f"step {step}"
            if state["abort"]:
                yield "Video Generation Aborted"
                return
        path = FOLDER / f"{settings['output_filename']}.mp4"
        path.write_bytes(MOVIE)
        state.setdefault("files", []).append(str(path))


def refresh_status_async(state: dict[str, Any], progress: gr.Progress = BAR) -> Any:
    """Tell of progress while tasks run."""
    yield "on"
    while state.get("in_progress"):
        if PROGRESS["total"]:
            progress((PROGRESS["step"], PROGRESS["total"]), desc=PROGRESS["phase"], unit="steps")
        PAUSE.wait(STEP_S / 2)
        yield "on"


def refresh_gallery(state: dict[str, Any]) -> list[Any]:
    """Return what was made."""
    return [(path, Path(path).stem) for path in state.get("files", [])]


def finalize_generation_with_state(state: dict[str, Any]) -> list[Any]:
    """End the run."""
    state["in_progress"] = False
    return refresh_gallery(state)


def abort_generation(state: dict[str, Any]) -> str:
    """Stop after the step that runs."""
    state["abort"] = True
    return "aborting"


def echo(text: str, number: float, flag: bool) -> str:
    """Return the values in one text."""
    return f"{text}|{number}|{flag}"


def remember(text: str, seen: list[str]) -> tuple[str, list[str]]:
    """Return all texts of the session."""
    return ",".join([*seen, text]), [*seen, text]


def count(steps: float) -> Any:
    """Yield growing values."""
    for step in range(1, int(steps) + 1):
        PAUSE.wait(STEP_S / 5)
        yield f"step {step}", {"step": step, "seen": list(range(step))}


def fail(text: str) -> str:
    """Fail with words, or without."""
    if text:
        raise gr.Error(text)
    raise ValueError("hidden")


def louder(path: str) -> str:
    """Return the file twice over, in another one."""
    made = FOLDER / f"louder {Path(path).name}"
    made.write_bytes(Path(path).read_bytes() * 2)
    return str(made)


def page(functions: int) -> gr.Blocks:
    """Return the app."""
    with gr.Blocks(title="film") as blocks:
        state = gr.State({})
        seen = gr.State([])
        text, number, flag = gr.Textbox(label="text"), gr.Number(label="number"), gr.Checkbox(label="flag")
        out, shown, status = gr.Textbox(label="out"), gr.JSON(label="shown"), gr.HTML()
        gallery, file, made = gr.Gallery(label="made"), gr.File(label="in"), gr.File(label="copy")
        load, go, stop = gr.UploadButton("Load", file_types=[".zip"]), gr.Button("Go"), gr.Button("Stop")
        ready = gr.Textbox(label="ready")
        blocks.load(load_queue_action, [load, state], [status])
        loaded = load.upload(load_queue_action, [load, state], [status])
        checked = loaded.then(init_process_queue_if_any, [state], [ready])
        begun = checked.then(activate_status, [state], [status])
        begun.then(process_tasks, [state], [out]).then(finalize_generation_with_state, [state], [gallery])
        go.click(refresh_status_async, [state], [status])
        go.click(refresh_gallery, [state], [gallery])
        stop.click(abort_generation, [state], [status])
        go.click(echo, [text, number, flag], [out])
        go.click(remember, [text, seen], [out, seen])
        go.click(count, [number], [out, shown])
        go.click(fail, [text], [out])
        go.click(louder, [file], [made])
        for place in range(functions):
            box = gr.Textbox(label=f"setting {place}", info="what it does, in a few words " * 3)
            more = [gr.Slider(0, 100, value=place, label=f"slider {place}.{each}") for each in range(2)]
            box.change(echo, [box, more[0], flag], [out], api_name=f"setting_of_{place}")
    return blocks


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--auth", default="", help="user:password")
    parser.add_argument("--path", default="", help="mount it below this path")
    parser.add_argument("--functions", type=int, default=0)
    options = parser.parse_args()
    blocks = page(options.functions).queue(default_concurrency_limit=4)
    user, _, password = options.auth.partition(":")
    auth = (user, password) if options.auth else None
    allowed = [str(FOLDER)]
    if options.path:
        import uvicorn
        from fastapi import FastAPI

        app = gr.mount_gradio_app(FastAPI(), blocks, path=options.path, auth=auth, allowed_paths=allowed)
        print("ready", flush=True)
        uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")
        return
    place = {"server_name": "127.0.0.1", "server_port": options.port}
    # while it starts it asks itself, and gives up if others keep it busy
    blocks.launch(**place, auth=auth, allowed_paths=allowed, quiet=True, inbrowser=False, prevent_thread_lock=True)
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
