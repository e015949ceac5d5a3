"""A real Gradio app that is wired as WanGP's page is, with waiting in place of inference.

Started by tests with the interpreter of a real Gradio: ``python wangp_page.py PORT``. It imports nothing of the
project; files go to ``outputs`` in the working folder.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import gradio as gr

STEP_S = 0.05
POLL_S = 0.2
MOVIE = b"\0\0\0\x20ftypisom" + bytes(4000)
PICTURE = base64.b64encode(b"\xff\xd8\xffpicture").decode()
OUTPUTS = Path("outputs")
GPU = threading.Lock()
PAUSE = threading.Event()
BAR = gr.Progress()


def stamp() -> str:
    """Return a value that is another each time."""
    return str(time.time())


def load_queue_action(path: str | None, state: dict[str, Any], evt: gr.EventData) -> Any:
    """Take the tasks of a queue file."""
    if evt.target is None or path is None:
        return gr.update()
    try:
        with zipfile.ZipFile(path) as archive:
            tasks = json.loads(archive.read("queue.json"))
        if any("model_type" not in task["params"] for task in tasks):
            raise ValueError("Settings must contain 'model_type'")
    except (zipfile.BadZipFile, ValueError) as error:
        gr.Warning(f"Failed to load queue: {error}")
        return gr.update()
    state.setdefault("queue", []).extend(tasks)
    gr.Info(f"Loaded {len(tasks)} task(s)")
    return gr.update(value="Queue is empty.")


def init_process_queue_if_any(state: dict[str, Any]) -> Any:
    """Say whether there is something to do."""
    state["validated"] = bool(state.get("queue"))
    return gr.update(), gr.update(), gr.update()


def activate_status(state: dict[str, Any]) -> str:
    """Switch the status on."""
    return stamp() if state.get("validated") else ""


def work(state: dict[str, Any], settings: dict[str, Any], done: threading.Event, told: dict[str, Any]) -> None:
    """Pretend to generate, in a thread as the program does."""
    state["status"] = "Loading model Test..."
    PAUSE.wait(STEP_S * 4)
    state["status"] = "Model loaded"
    total = int(settings["num_inference_steps"])
    if settings["prompt"] == "fail":
        told["error"] = "CUDA out of memory. Tried to allocate 2.00 GiB"
        total = 0
    for step in range(total):
        state["progress"] = (step, total, f"Denoising | {step * STEP_S:.1f}s / {total * STEP_S:.1f}s")
        PAUSE.wait(STEP_S)
        if state["abort"]:
            told["aborted"] = True
            break
    else:
        if total:
            path = OUTPUTS / f"{settings['output_filename']}.mp4"
            path.write_bytes(MOVIE)
            state.setdefault("files", []).append(str(path))
    state["idle"] = True
    done.set()


def process_tasks(state: dict[str, Any]) -> Any:
    """Run the queue."""
    state.update(in_progress=True, abort=False, idle=False, status="Generating...", progress=None)
    yield stamp(), stamp(), gr.update()
    with GPU:
        while state["queue"]:
            done, told = threading.Event(), {}
            settings = state["queue"][0]["params"]
            threading.Thread(target=work, args=(state, settings, done, told), daemon=True).start()
            while not done.wait(POLL_S):
                yield stamp(), gr.update(), gr.update()
            if "error" in told:
                state["queue"].clear()
                state["in_progress"] = False
                raise gr.Error(told["error"])
            state["queue"].pop(0)
            if told.get("aborted"):
                state["status"] = "Video Generation Aborted"
    state["in_progress"] = False
    yield stamp(), stamp(), gr.update()


def refresh_status_async(state: dict[str, Any], progress: gr.Progress = BAR) -> Any:
    """Tell of progress while tasks run."""
    last = ""
    while True:
        if state.get("progress"):
            index, total, text = state["progress"]
            progress((index, total), desc=text, unit="steps")
        if state.get("status", "") != last:
            last = state["status"]
            yield last
        if not state.get("in_progress"):
            return
        PAUSE.wait(POLL_S)


def gallery(state: dict[str, Any]) -> Any:
    """Return the gallery's new value."""
    return gr.update(value=[(path, None) for path in state.get("files", [])])


def refresh_gallery(state: dict[str, Any]) -> Any:
    """Return the files, and the settings of the task that runs."""
    working = bool(state.get("queue")) and not state.get("idle")
    text = "<TABLE WIDTH=100% ID=PINFO></TABLE>" if working else ""
    return gallery(state), "[]", gr.update(visible=working, value=text)


def refresh_preview(state: dict[str, Any]) -> str:
    """Return a picture."""
    return f"<img src='data:image/jpeg;base64,{PICTURE}'>"


def finalize_generation_with_state(state: dict[str, Any]) -> Any:
    """End the run."""
    state["in_progress"] = False
    return gallery(state), "[]", gr.update(interactive=True), state


def abort_generation(state: dict[str, Any], client_id: Any = None) -> Any:
    """Stop after the step that runs."""
    gr.Info("Processing Request to abort Current Generation")
    state["abort"] = True
    return gr.update()


def unload_model_if_needed(state: dict[str, Any]) -> None:
    """Nothing is loaded."""


def page() -> gr.Blocks:
    """Return the app."""
    with gr.Blocks(title="WanGP") as blocks:
        gr.Markdown("<div align=center><H1>Wan<SUP>GP</SUP> v12.60 by DeepBeepMeep</H1></div>")
        state, other = gr.State({}), gr.State({})
        shown, sounds, task, preview, waiting = gr.Gallery(), gr.Textbox(), gr.HTML(), gr.HTML(), gr.HTML()
        status, status_trigger, output_trigger, preview_trigger, rest = (gr.Textbox() for _ in range(5))
        client_id, *flags = (gr.Textbox() for _ in range(4))
        load, stop = gr.UploadButton("Load Queue"), gr.Button("Abort")
        preview_trigger.change(refresh_preview, [state], [preview])
        status_trigger.change(refresh_status_async, [state], [status])
        output_trigger.change(refresh_gallery, [state], [shown, sounds, task])
        stop.click(abort_generation, [state, other], [stop])
        client_id.change(abort_generation, [state, client_id], [stop])
        loaded = gr.on([load.upload, blocks.load], load_queue_action, [load, state], [waiting])
        begun = loaded.then(None, js="() => {}").then(init_process_queue_if_any, [state], flags)
        started = begun.then(activate_status, [state], [status_trigger])
        run = started.then(process_tasks, [state], [preview_trigger, output_trigger, rest])
        ended = run.then(finalize_generation_with_state, [state], [shown, sounds, stop, state])
        ended.then(unload_model_if_needed, [state], None)
    return blocks


if __name__ == "__main__":
    OUTPUTS.mkdir(exist_ok=True)
    app = page().queue(default_concurrency_limit=None)
    app.launch(
        server_port=int(sys.argv[1]), allowed_paths=[str(OUTPUTS.resolve())], quiet=True, prevent_thread_lock=True
    )
    print("ready", flush=True)
    threading.Event().wait()
