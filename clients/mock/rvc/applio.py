"""A mock Applio: Gradio 6.20, the functions of one release, and answers that are sentences."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from ...audio.wavefile import wave_bytes
from ..gradio.app import App, Component, Dependency, update
from ..gradio.events import Call
from ..gradio.server import MockGradio
from ..media.sound import speech_wave
from .voices import VoiceBank

ROOT = "/srv/Applio/assets/audios"
TERMS = ("I agree to the terms of use", "checkbox", False)
NOT_AGREED = "You must agree to the Terms of Use to proceed."
STEP_S = 3.0
IMPORTS_S = 2.0
EPOCH_S = 0.05
STEPS_PER_EPOCH = 12
SPEECH_S = 1.0
NEW_RATE = 40_000

Parameter = tuple[str, str, Any]

_VOICE: tuple[Parameter, ...] = (
    ("Pitch", "slider", 0),
    ("Search Feature Ratio", "slider", 0.75),
    ("Volume Envelope", "slider", 1),
    ("Protect Voiceless Consonants", "slider", 0.5),
    ("Pitch extraction algorithm", "radio", "rmvpe"),
)
_MODEL: tuple[Parameter, ...] = (("Voice Model", "dropdown", None), ("Index File", "dropdown", None))
_EFFECTS: tuple[Parameter, ...] = (
    ("Split Audio", "checkbox", False),
    ("Autotune", "checkbox", False),
    ("Autotune Strength", "slider", 1),
    ("Proposed Pitch", "checkbox", False),
    ("Proposed Pitch Threshold", "slider", 155.0),
    ("Clean Audio", "checkbox", False),
    ("Clean Strength", "slider", 0.5),
    ("Export Format", "radio", "WAV"),
    ("Embedder Model", "radio", "contentvec"),
    ("Select Custom Embedder", "dropdown", None),
)
_SPEAKER: Parameter = ("Speaker ID", "dropdown", 0)
_POST_EFFECTS: tuple[Parameter, ...] = (
    *((f"Effect {number}", "checkbox", False) for number in range(14)),
    *((f"Effect {number} amount", "slider", 0.5) for number in range(25)),
)
CONVERT = (
    TERMS,
    *_VOICE,
    ("Select Audio", "dropdown", ""),
    ("Output Path", "textbox", f"{ROOT}/output.wav"),
    *_MODEL,
    *_EFFECTS,
    *_POST_EFFECTS,
    _SPEAKER,
)
SPEAK = (
    TERMS,
    ("Input path for text file", "textbox", ""),
    ("Text to Synthesize", "textbox", None),
    ("TTS Voices", "dropdown", "hi-IN-SwaraNeural"),
    ("TTS Speed", "slider", 0),
    *_VOICE,
    ("Output Path for TTS Audio", "textbox", f"{ROOT}/tts_output.wav"),
    ("Output Path for RVC Audio", "textbox", f"{ROOT}/tts_rvc_output.wav"),
    *_MODEL,
    *_EFFECTS,
    _SPEAKER,
)
PREPROCESS: tuple[Parameter, ...] = (
    ("Model Name", "dropdown", "my-project"),
    ("Dataset Path", "dropdown", None),
    ("Sampling Rate", "radio", "40000"),
    ("CPU Cores", "slider", 2),
    ("Audio cutting", "radio", "Automatic"),
    ("Noise filter", "checkbox", False),
    ("Noise Reduction", "checkbox", False),
    ("Noise Reduction Strength", "slider", 0.5),
    ("Chunk length (sec)", "slider", 3.0),
    ("Overlap length (sec)", "slider", 0.3),
    ("Normalization mode", "radio", "post"),
)
EXTRACT: tuple[Parameter, ...] = (
    ("Model Name", "dropdown", "my-project"),
    ("Pitch extraction algorithm", "radio", "rmvpe"),
    ("CPU Cores", "slider", 2),
    ("GPU Number", "textbox", "-"),
    ("Sampling Rate", "radio", "40000"),
    ("Embedder Model", "radio", "contentvec"),
    ("Select Custom Embedder", "dropdown", None),
    ("Silent training files", "slider", 2),
)
TRAIN: tuple[Parameter, ...] = (
    TERMS,
    ("Model Name", "dropdown", "my-project"),
    ("Save Every Epoch", "slider", 10),
    ("Save Only Latest", "checkbox", True),
    ("Save Every Weights", "checkbox", True),
    ("Total Epoch", "slider", 200),
    ("Sampling Rate", "radio", "40000"),
    ("Batch Size", "slider", 4),
    ("GPU Number", "textbox", "-"),
    ("Pretrained", "checkbox", True),
    ("Fresh Training", "checkbox", False),
    ("Index Algorithm", "radio", "Auto"),
    ("Cache Dataset in GPU", "checkbox", False),
    ("Custom Pretrained", "checkbox", False),
    ("Custom Pretrained G", "dropdown", None),
    ("Custom Pretrained D", "dropdown", None),
    ("Vocoder", "radio", "HiFi-GAN"),
    ("Checkpointing", "checkbox", False),
    ("Shutdown after finishing", "checkbox", False),
)
INDEX: tuple[Parameter, ...] = (("Model Name", "dropdown", "my-project"), ("Index Algorithm", "radio", "Auto"))
MODEL: tuple[Parameter, ...] = (("Model Name", "dropdown", "my-project"),)
DATASET: tuple[Parameter, ...] = (("Upload Audio Dataset", "file", None), ("Dataset Name", "textbox", None))
UPLOAD: tuple[Parameter, ...] = (("Upload Audio", "audio", None),)


class MockApplio(MockGradio):
    """Applio on Gradio 6.20. ``voices`` maps names to rates in Hz; a trained voice's name has its epochs and steps.
    ``first`` is the number of the first function, which differs between releases.
    """

    name = "rvc"

    def __init__(
        self, *, voices: Mapping[str, int] | None = None, first: int = 12, version: str = "6.20.0", **options: Any
    ) -> None:
        self.folders: dict[str, str] = {}
        self.datasets: dict[str, list[str]] = {}
        self.training = threading.Event()
        self.stopped: set[str] = set()
        self._first = first
        super().__init__(version=version, **options)
        self.voices = VoiceBank(voices, self.clock, self.faults)

    def make_app(self) -> App:
        components: list[Component] = []
        dependencies: list[Dependency] = []

        def add(parameters: tuple[Parameter, ...]) -> tuple[int, ...]:
            start = len(components) + 1
            for number, (label, kind, value) in enumerate(parameters, start):
                props = {"value": value, **({"allow_custom_value": True} if kind == "dropdown" else {})}
                components.append(Component(number, kind, label, props))
            return tuple(range(start, start + len(parameters)))

        def wire(name: str, function: Callable[..., Any], parameters: tuple[Parameter, ...], *outputs: str) -> None:
            inputs = add(parameters)
            results = add(tuple(("", kind, None) for kind in outputs))
            number = self._first + len(dependencies)
            dependencies.append(Dependency(number, name, function, inputs, results, limit=None))

        wire("save_to_wav2", self._save, UPLOAD, "dropdown", "textbox")
        wire("enforce_terms", self._convert, CONVERT, "textbox", "audio")
        wire("run_preprocess_script", self._step("preprocessed"), PREPROCESS, "textbox")
        wire("run_extract_script", self._step("extracted"), EXTRACT, "textbox")
        wire("stop_train", self._stop, MODEL)
        wire("run_index_script", self._index, INDEX, "textbox")
        wire("refresh_models_and_datasets", self._list_models, (), "dropdown", "dropdown")
        wire("save_drop_dataset_audio", self._save_sample, DATASET, "file", "dropdown")
        wire("enforce_terms_1", self._train, TRAIN, "textbox")
        wire("refresh_pth_and_index_list", self._list_files, (), "dropdown", "dropdown")
        wire("enforce_terms_2", self._speak, SPEAK, "textbox", "audio")
        return App(components, dependencies, "Applio")

    # Functions

    def _list_files(self, call: Call) -> list[Any]:
        folders = {each: self.folders.get(each, each) for each in self.voices}
        voices = [f"logs/{folder}/{each}.pth" for each, folder in folders.items()]
        indexes = [f"logs/{each}/{each}.index" for each in dict.fromkeys(folders.values())]
        return [update(choices=[[each, each] for each in files]) for files in (voices, indexes)]

    def _list_models(self, call: Call) -> list[Any]:
        datasets = [f"assets/datasets/{each}" for each in self.datasets]
        return [update(choices=[[each, each] for each in files]) for files in (list(self.voices), datasets)]

    def _save(self, call: Call, file: Any) -> list[Any]:
        name = PurePosixPath(file["path"]).name
        return [f"assets/audios/{name}", f"assets/audios/{PurePosixPath(name).stem}_output.wav"]

    def _save_sample(self, call: Call, file: Any, name: str) -> list[Any]:
        call.read(file)
        self.datasets.setdefault(name, []).append(file["orig_name"])
        return [None, update()]

    def _convert(self, call: Call, *data: Any) -> list[Any]:
        values = _by_label(CONVERT, data)
        if not values[TERMS[0]]:
            return [NOT_AGREED, None]
        path = str(values["Select Audio"])
        sound = self.files.get(path)
        return self._convert_sound(call, values, sound or b"", f"File {path} inferred successfully.", "Output Path")

    def _speak(self, call: Call, *data: Any) -> list[Any]:
        values = _by_label(SPEAK, data)
        if not values[TERMS[0]]:
            return [NOT_AGREED, None]
        text = str(values["Text to Synthesize"])
        self.clock.wait(SPEECH_S)
        sound = speech_wave(text, str(values["TTS Voices"]), rate=24_000)
        message = f"Text {text} synthesized successfully."
        return self._convert_sound(call, values, sound, message, "Output Path for RVC Audio")

    def _convert_sound(self, call: Call, values: dict[str, Any], sound: bytes, message: str, output: str) -> list[Any]:
        voice = PurePosixPath(str(values["Voice Model"])).stem
        if self.faults.take("conversion_failed", voice) is not None:
            return ["An error occurred during audio conversion: no index", None]
        if self.faults.take("conversion_oom", voice) is not None:
            return ["CUDA out of memory. Tried to allocate 2.00 GiB", None]
        method = str(values["Pitch extraction algorithm"])
        samples, rate = self.voices.convert(sound, voice, pitch=float(values["Pitch"]), method=method)
        name = PurePosixPath(str(values[output])).name
        return [message, call.file(name, wave_bytes(samples, rate))]

    # Training

    def _step(self, done: str) -> Callable[..., str]:
        def step(_call: Call, name: str, *_rest: Any) -> str:
            self.clock.wait(STEP_S)
            return f"Model {name} {done} successfully."

        return step

    def _train(self, call: Call, *data: Any) -> str:
        values = _by_label(TRAIN, data)
        if not values[TERMS[0]]:
            return NOT_AGREED
        name = str(values["Model Name"])
        self.clock.wait(IMPORTS_S)
        self.stopped.discard(name)
        self.training.set()
        for _ in range(int(values["Total Epoch"])):
            if name in self.stopped:
                break
            self.clock.wait(EPOCH_S)
        self.training.clear()
        if name in self.stopped or self.faults.take("training_failed", name) is not None:
            return f"Training failed for model {name}. Please check the console logs for more details."
        epochs = int(values["Total Epoch"])
        for epoch in sorted({*range(int(values["Save Every Epoch"]), epochs, int(values["Save Every Epoch"])), epochs}):
            voice = f"{name}_{epoch}e_{epoch * STEPS_PER_EPOCH}s"
            self.voices[voice] = int(values["Sampling Rate"])
            self.folders[voice] = name
        return f"Model {name} trained successfully."

    def _index(self, call: Call, name: str, _algorithm: str) -> str:
        self.clock.wait(STEP_S)
        return f"Index file for {name} generated successfully."

    def _stop(self, call: Call, name: str) -> None:
        if self.training.is_set():  # the real server writes the process ids late
            self.stopped.add(name)


def _by_label(parameters: tuple[Parameter, ...], data: tuple[Any, ...]) -> dict[str, Any]:
    return {label: value for (label, _, _), value in zip(parameters, data, strict=True)}
