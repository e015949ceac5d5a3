"""The node functions of the mock ComfyUI for video, sound and text."""

from __future__ import annotations

import io
import json
import wave
from dataclasses import dataclass
from typing import Any

from ..media.jpeg_picture import encode
from ..media.matroska import matroska_file
from ..media.mp4 import Sound as Mono
from ..media.mp4 import movie_file
from ..media.pixels import Pixels
from ..media.png import encode_animation
from ..media.sound_files import Sound, flac, silent_mp3
from ..media.webp import encode_animation as encode_webp
from .node_base import Node, NodeContext, NodeFailure, Result
from .saving import png_text, save, save_images, temporary_prefix

MODEL_TAG, MAKE_TAG = 0x0110, 0x010F
"""The EXIF tags that hold the prompt and the workflow."""


@dataclass(frozen=True)
class Video:
    """Frames at a rate, optionally with sound."""

    frames: tuple[Pixels, ...]
    fps: float
    sound: Sound | None = None


# Moving pictures


def _save_webp(run: NodeContext, inputs: dict[str, Any]) -> Result:
    tags = zip((MODEL_TAG, MAKE_TAG), png_text(run).items(), strict=False)
    exif = {tag: f"{key}:{json.dumps(value)}" for tag, (key, value) in tags}
    data = encode_webp(list(inputs["images"]), inputs["fps"], exif=exif)
    return _animated(save(run, "output", inputs["filename_prefix"], "webp", data))


def _save_apng(run: NodeContext, inputs: dict[str, Any]) -> Result:
    data = encode_animation(list(inputs["images"]), inputs["fps"], text=png_text(run), breathe=run.yield_to_others)
    return _animated(save(run, "output", inputs["filename_prefix"], "png", data))


def _create_video(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    return Result((Video(inputs["images"], inputs["fps"], inputs.get("audio")),))


def _save_video(run: NodeContext, inputs: dict[str, Any]) -> Result:
    video: Video = inputs["video"]
    sound = None if video.sound is None else Mono(video.sound.mono(), video.sound.rate)
    data = movie_file(*_coded(run, video.frames), video.fps, sound=sound, comment=json.dumps(png_text(run)))
    return _animated(save(run, "output", inputs["filename_prefix"], "mp4", data))


def _save_webm(run: NodeContext, inputs: dict[str, Any]) -> Result:
    data = matroska_file(*_coded(run, inputs["images"]), inputs["fps"])
    return _animated(save(run, "output", inputs["filename_prefix"], "webm", data))


def _coded(run: NodeContext, frames: tuple[Pixels, ...]) -> tuple[list[bytes], int, int]:
    """Encode frames as JPEG; return them and their width and height."""
    width, height = max(1, frames[0].width // 2), max(1, frames[0].height // 2)
    pictures = [
        encode(frame.scaled(width, height, breathe=run.yield_to_others), breathe=run.yield_to_others)
        for frame in frames
    ]
    return pictures, 2 * width, 2 * height


def _animated(item: dict[str, str]) -> Result:
    return Result((), {"images": [item], "animated": [True]})


# Sound


def _empty_audio(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    return Result((Sound.silence(inputs["duration"], inputs["sample_rate"], inputs["channels"]),))


def _load_audio(run: NodeContext, inputs: dict[str, Any]) -> Result:
    file = run.files.find(inputs["audio"])
    if file is None:
        raise NodeFailure("FileNotFoundError", f"[Errno 2] No such file or directory: '{inputs['audio']}'")
    try:
        with wave.open(io.BytesIO(file.data)) as reader:
            if reader.getsampwidth() != 2:
                raise wave.Error(f"{8 * reader.getsampwidth()} bits a sample: this demo server reads 16")
            samples = reader.readframes(reader.getnframes())
            return Result((Sound(reader.getframerate(), reader.getnchannels(), samples),))
    except (wave.Error, EOFError) as error:
        raise NodeFailure("av.error.InvalidDataError", f"Invalid data found when processing input: {error}") from error


def _save_flac(run: NodeContext, inputs: dict[str, Any]) -> Result:
    return _audio(run, "output", inputs["filename_prefix"], "flac", flac(inputs["audio"], png_text(run)))


def _save_mp3(run: NodeContext, inputs: dict[str, Any]) -> Result:
    return _audio(run, "output", inputs["filename_prefix"], "mp3", silent_mp3(inputs["audio"], png_text(run)))


def _preview_audio(run: NodeContext, inputs: dict[str, Any]) -> Result:
    return _audio(run, "temp", temporary_prefix(), "flac", flac(inputs["audio"], png_text(run)))


def _audio(run: NodeContext, kind: str, prefix: str, extension: str, data: bytes) -> Result:
    return Result((), {"audio": [save(run, kind, prefix, extension, data, bare=run.version.bare_names)]})


# Text


def _concatenate(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    return Result((inputs["delimiter"].join((inputs["string_a"], inputs["string_b"])),))


def _save_text(run: NodeContext, inputs: dict[str, Any]) -> Result:
    text = inputs["text"]
    item = save(run, "output", inputs["filename_prefix"], inputs["format"], text.encode(), bare=True)
    return Result((text,), {"text": [text], "files": [item]})


def _save_advanced(run: NodeContext, inputs: dict[str, Any]) -> Result:
    return save_images(run, inputs["images"], "output", inputs["filename_prefix"], bare=True)


MEDIA_NODES: dict[str, Node] = {
    "SaveAnimatedWEBP": _save_webp,
    "SaveAnimatedPNG": _save_apng,
    "SaveWEBM": _save_webm,
    "CreateVideo": _create_video,
    "SaveVideo": _save_video,
    "EmptyAudio": _empty_audio,
    "LoadAudio": _load_audio,
    "SaveAudio": _save_flac,
    "SaveAudioMP3": _save_mp3,
    "PreviewAudio": _preview_audio,
    "StringConcatenate": _concatenate,
    "SaveText": _save_text,
    "SaveImageAdvanced": _save_advanced,
}
