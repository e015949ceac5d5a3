"""The drivers of all backends: those of the registry, and Echo, the worked example."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from driver import Driver
from echo.driver import DRIVER as ECHO

from movie_director.clients.audio.wavefile import wave_bytes
from movie_director.clients.audioldm import SoundRequest
from movie_director.clients.comfyui import WorkflowRequest
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.gradio_app import EndpointRequest
from movie_director.clients.litellm import ChatRequest
from movie_director.clients.mock.media.sound import effect_samples
from movie_director.clients.rvc import ConvertRequest
from movie_director.clients.wan2gp import VideoRequest


def workflow(steps: int) -> WorkflowRequest:
    return WorkflowRequest(
        workflow={
            "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "demo_film_look.safetensors"}},
            "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["1", 1]}},
            "3": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
            "4": {
                "class_type": "KSampler",
                "inputs": {
                    "model": ["1", 0],
                    "positive": ["2", 0],
                    "negative": ["2", 0],
                    "latent_image": ["3", 0],
                    "seed": 1,
                    "steps": steps,
                    "cfg": 7.0,
                    "sampler_name": "euler",
                    "scheduler": "normal",
                    "denoise": 1.0,
                },
                "_meta": {"title": "Sampler"},
            },
            "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
            "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "contract"}},
        }
    )


_FOLDER = TemporaryDirectory(prefix="movie-director-test-")  # gone when the tests are


@cache
def recorded_line(seconds: int) -> Path:
    """Return a WAV of speech-like sound, made once."""
    path = Path(_FOLDER.name) / f"line_{seconds}.wav"
    rate = 16_000
    path.write_bytes(wave_bytes(effect_samples("horn", seconds, rate=rate), rate))
    return path


def clip(steps: int) -> VideoRequest:
    settings = {"num_inference_steps": steps, "resolution": "128x80", "video_length": 5}
    return VideoRequest(prompt="a cat", model="t2v", settings=settings)


DRIVERS = (
    Driver("comfyui", lambda: workflow(2), lambda: workflow(2000), WorkflowRequest(workflow=5)),
    Driver("wan2gp", lambda: clip(2), lambda: clip(2000), VideoRequest(prompt="", model="t2v")),
    Driver(
        "litellm",
        lambda: ChatRequest(prompt="A logline for a short film"),
        lambda: ChatRequest(prompt="A feature-length treatment"),
        ChatRequest(),
    ),
    Driver(
        "rvc",
        lambda: ConvertRequest(audio=recorded_line(1), voice="demo-voice"),
        lambda: ConvertRequest(audio=recorded_line(20), voice="demo-voice", f0_method="harvest"),
        ConvertRequest(audio=Path("a.wav"), voice=""),
        cancelled=BackendCancel.UNSUPPORTED,  # nothing stops a conversion
    ),
    Driver(
        "audioldm",
        lambda: SoundRequest(prompt="rain", duration_s=2.0),
        lambda: SoundRequest(prompt="endless rain", duration_s=2.0),
        SoundRequest(prompt="rain", duration_s=-1.0),
    ),
    Driver(
        "gradio",
        lambda: EndpointRequest("/speak", {"text": "Action!"}),
        lambda: EndpointRequest("/generate_music", {"description": "endless strings"}),
        EndpointRequest("", {}),
    ),
    ECHO,
)
