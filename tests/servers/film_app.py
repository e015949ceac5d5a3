"""A real Gradio app as film makers run them: music, speech, pictures, clips; for versions 4, 5 and 6 of Gradio.

Started by the tests with the interpreter of a real Gradio: ``python film_app.py PORT [options]``. It imports nothing of
the project.
"""

from __future__ import annotations

import argparse
import math
import struct
import tempfile
import threading
import wave
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

STEP_S = 0.1
RATE = 8000
FOLDER = Path(tempfile.mkdtemp(prefix="film-"))
MOVIE = b"\0\0\0\x20ftypisom" + bytes(4000)
PAUSE = threading.Event()
BAR = gr.Progress()
DONE: list[str] = []


def tone(name: str, seconds: float) -> str:
    """Write a WAV and return its path."""
    path = FOLDER / name
    samples = (int(9000 * math.sin(at / 9)) for at in range(int(RATE * seconds)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(b"".join(struct.pack("<h", each) for each in samples))
    return str(path)


def generate_music(
    description: str, style: str, duration: float, seed: float, melody: str | None = None, progress: gr.Progress = BAR
) -> Any:
    """Compose in steps; ``endless`` does not end."""
    steps = 100_000 if "endless" in description else 4
    if "warn" in description:
        gr.Warning("The description is very general.")
    for step in range(steps):
        progress((step, steps), desc="Composing")
        PAUSE.wait(STEP_S)
        yield None, f"step {step}"
    if "explode" in description:
        raise gr.Error("CUDA out of memory. Tried to allocate 2.00 GiB")
    heard = Path(melody).stat().st_size if melody else 0
    yield tone("music.wav", duration), f"{style}, {duration:g} s, seed {seed:g}, melody {heard}"


def speak(text: str, voice: str, speed: float, cheerful: bool) -> str:
    """Read a text aloud, in one go."""
    if "break" in text:
        raise ValueError("internal detail")
    seconds = 10.0 if "slowest" in text else 3.0 if "slow" in text else 0.1
    PAUSE.wait(seconds)
    DONE.append(f"{voice} {speed:g} {cheerful}")
    return tone("speech.wav", 0.5)


def upscale(image: str, factor: int) -> str:
    """Enlarge a picture."""
    with Image.open(image) as picture:
        made = FOLDER / "upscaled.png"
        picture.resize((picture.width * factor, picture.height * factor)).save(made)
    return str(made)


def variations(image: str) -> list[tuple[str, str]]:
    """Return three pictures."""
    with Image.open(image) as picture:
        made = []
        for number in range(3):
            path = FOLDER / f"variation_{number}.png"
            picture.rotate(90 * number).save(path)
            made.append((str(path), f"turned {number}"))
    return made


def trim(clip: str, seconds: float) -> str:
    """Return a clip."""
    path = FOLDER / "trimmed.mp4"
    path.write_bytes(Path(clip).read_bytes()[: int(1000 * seconds)])
    return str(path)


def join_files(files: list[str]) -> tuple[str, Any]:
    """Put files together."""
    path = FOLDER / "joined.txt"
    path.write_bytes(b"".join(Path(each).read_bytes() for each in files))
    return str(path), {"files": len(files)}


def describe(image: str) -> str:
    """Say what a picture is."""
    with Image.open(image) as picture:
        return f"{picture.width} x {picture.height}"


def remember(text: str, seen: list[str]) -> tuple[str, list[str]]:
    """Return all texts of the session."""
    return ",".join([*seen, text]), [*seen, text]


def forbidden() -> str:
    """Return a file that the server does not hand out."""
    return "/etc/hostname"


def page() -> gr.Blocks:
    """Return the app."""
    styles = ["orchestral", "synth"]
    voices = [("Anna (warm)", "anna"), ("Bill (deep)", "bill")]
    with gr.Blocks(title="Film tools") as blocks:
        go, hidden = gr.Button("Go"), gr.Button("Hidden")
        seen = gr.State([])
        description = gr.Textbox(label="Description", lines=3, placeholder="What it is like")
        style = gr.Dropdown(styles, value=styles[0], label="Style")
        duration = gr.Slider(1, 30, value=2, step=1, label="Duration (seconds)")
        seed, melody = gr.Number(42, precision=0, label="Seed"), gr.Audio(type="filepath", label="Melody")
        text, voice = gr.Textbox(label="Text"), gr.Radio(voices, value="anna", label="Voice")
        speed, cheerful = gr.Slider(0.5, 2.0, value=1.0, step=0.05, label="Speed"), gr.Checkbox(label="Cheerful")
        image = gr.Image(type="filepath", label="Image")
        factor = gr.Dropdown([("2x", 2), ("4x", 4)], value=2, label="Factor")
        clip, files = gr.Video(label="Clip"), gr.File(file_count="multiple", label="Files")
        sound, notes = gr.Audio(label="Sound"), gr.Textbox(label="Notes")
        picture, gallery = gr.Image(label="Picture", format="png"), gr.Gallery(label="Gallery")
        movie, made, data = gr.Video(label="Movie"), gr.File(label="Made"), gr.JSON(label="Data")
        go.click(generate_music, [description, style, duration, seed, melody], [sound, notes])
        go.click(speak, [text, voice, speed, cheerful], [sound], concurrency_limit=1)
        go.click(upscale, [image, factor], [picture])
        go.click(variations, [image], [gallery])
        go.click(trim, [clip, duration], [movie])
        go.click(join_files, [files], [made, data])
        go.click(describe, [image], [notes])
        go.click(remember, [text, seen], [notes, seen])
        go.click(forbidden, None, [made])
        go.click(lambda: ",".join(DONE), None, [notes], api_name="done")
        hidden.click(describe, [image], [notes], api_name=False)
    return blocks


def nameless() -> gr.Blocks:
    """Return an app without a named endpoint."""
    with gr.Blocks(title="Nameless") as blocks:
        box, button = gr.Textbox(), gr.Button()
        button.click(lambda text: text, [box], [box], api_name=False)
    return blocks


def state_only() -> gr.Blocks:
    """Return an app whose one endpoint works on State alone."""
    with gr.Blocks(title="State") as blocks:
        state, button = gr.State([]), gr.Button()
        button.click(lambda seen: [*seen, 1], [state], [state], api_name="step")
    return blocks


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--auth", default="", help="user:password")
    parser.add_argument("--app", default="page", choices=("page", "nameless", "state_only"))
    options = parser.parse_args()
    blocks = {"page": page, "nameless": nameless, "state_only": state_only}[options.app]().queue(max_size=2)
    user, _, password = options.auth.partition(":")
    blocks.launch(
        server_name="127.0.0.1",
        server_port=options.port,
        auth=(user, password) if options.auth else None,
        allowed_paths=[str(FOLDER)],
        max_file_size="1mb",
        quiet=True,
        inbrowser=False,
        prevent_thread_lock=True,
    )
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
