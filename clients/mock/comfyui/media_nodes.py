"""The node functions of the mock ComfyUI for video, sound and text.

MP4 holds the pictures of the prompt; the other formats are sample files, whatever is saved.
"""

from __future__ import annotations

import io
import json
import struct
import wave
from array import array
from dataclasses import dataclass, field
from typing import Any

from ..media.jpeg import encode
from ..media.mp4 import Sound as MonoSound
from ..media.mp4 import make_mp4
from ..media.pixels import Pixels
from ..media.samples import read_sample
from .node_base import Node, NodeContext, NodeFailure, Result
from .saving import png_text, save, save_images, temporary_prefix


@dataclass(frozen=True)
class Sound:
    """16-bit samples, little-endian, the channels by turns."""

    rate: int
    channels: int
    samples: bytes = field(repr=False)

    def mono(self) -> MonoSound:
        """Return the first channel."""
        samples = array("h", struct.unpack(f"<{len(self.samples) // 2}h", self.samples))
        return MonoSound(samples[:: self.channels], self.rate)


@dataclass(frozen=True)
class Video:
    """Frames at a rate, optionally with sound."""

    frames: tuple[Pixels, ...]
    fps: float
    sound: Sound | None = None


# Moving pictures


def _create_video(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    return Result((Video(inputs["images"], inputs["fps"], inputs.get("audio")),))


def _save_video(run: NodeContext, inputs: dict[str, Any]) -> Result:
    video: Video = inputs["video"]
    pause = run.yield_to_others
    width, height = max(1, video.frames[0].width // 2), max(1, video.frames[0].height // 2)
    frames = [encode(frame.scaled(width, height, pause=pause)) for frame in video.frames]
    sound = None if video.sound is None else video.sound.mono()
    comment = json.dumps(png_text(run))
    data = make_mp4(frames, 2 * width, 2 * height, video.fps, sound=sound, comment=comment)
    return _save_moving(run, inputs, "mp4", data)


def _save_webp(run: NodeContext, inputs: dict[str, Any]) -> Result:
    return _save_moving(run, inputs, "webp", read_sample("animation.webp"))


def _save_apng(run: NodeContext, inputs: dict[str, Any]) -> Result:
    return _save_moving(run, inputs, "png", read_sample("animation.png"))


def _save_webm(run: NodeContext, inputs: dict[str, Any]) -> Result:
    return _save_moving(run, inputs, "webm", read_sample("clip.webm"))


def _save_moving(run: NodeContext, inputs: dict[str, Any], extension: str, data: bytes) -> Result:
    item = save(run, "output", inputs["filename_prefix"], extension, data)
    return Result((), {"images": [item], "animated": [True]})


# Sound


def _empty_audio(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    rate, channels = inputs["sample_rate"], inputs["channels"]
    return Result((Sound(rate, channels, bytes(2 * channels * round(inputs["duration"] * rate))),))


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
        message = f"Invalid data found when processing input: {error}"
        raise NodeFailure("av.error.InvalidDataError", message) from error


def _save_flac(run: NodeContext, inputs: dict[str, Any]) -> Result:
    return _save_sound(run, "output", inputs["filename_prefix"], "sound.flac")


def _save_mp3(run: NodeContext, inputs: dict[str, Any]) -> Result:
    return _save_sound(run, "output", inputs["filename_prefix"], "sound.mp3")


def _preview_audio(run: NodeContext, _inputs: dict[str, Any]) -> Result:
    return _save_sound(run, "temp", temporary_prefix(), "sound.flac")


def _save_sound(run: NodeContext, kind: str, prefix: str, sample: str) -> Result:
    extension, data = sample.rpartition(".")[2], read_sample(sample)
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
