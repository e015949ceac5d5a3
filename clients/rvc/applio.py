"""Applio, which is a Gradio app (5 and newer; seen: 6.20).

Facts: its functions are named after Python functions and renumbered by releases, so they are found by the labels of
their parameters; what is not set keeps the default that the server tells. Everything ends "complete", with a sentence
that says how it went. Without consent to its terms of use nothing is done. Its speech is edge-tts: an online service
that gets the text. A training leaves files like ``logs/NAME/NAME_200e_2400s.pth``. ``stop_infer`` ends the whole
server and is never called. Conversions can't be stopped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, ClassVar

from ..core.context import CancelContext, JobContext
from ..core.errors import BackendError, GenerationError, MissingResource, ValidationError
from ..core.json_fields import as_object, as_text, get_member, get_objects
from ..core.model import BackendCancel
from ..core.scope import Scope
from ..files.storage_errors import storage_errors
from ..gradio.component_values import choices_of, files_in
from ..gradio.config import GradioConfig, read_info
from ..gradio.files import fetch, upload
from ..gradio.http import GradioHTTP
from ..gradio.run_endpoint import run_endpoint
from ..gradio.session import GradioSession
from .dialect import CONVERT, LIST, SPEAK, TRAIN, ConversionJob, Dialect
from .errors import BACKEND, check_f0_method, generation_error, missing_voice, odd_answer
from .request import SpeakRequest, TrainRequest, VoiceSettings
from .samples import Samples

TERMS = "I agree to the terms of use"
SPEECH_VOICE = "en-US-AriaNeural"
OUTPUT = "movie_director.wav"
_CONVERT, _SPEAK, _TRAIN = {"Select Audio", "Voice Model"}, {"Text to Synthesize"}, {"Total Epoch"}
_FAILED = re.compile(r"failed|error|must agree", re.IGNORECASE)
_SAVED_AT = re.compile(r"_(\d+)e_(\d+)s")
_STOPPABLE = "train"
_SESSION = "movie-director"


@dataclass(frozen=True)
class Endpoint:
    """A function: its name, and the labels and defaults of its parameters."""

    name: str
    parameters: tuple[tuple[str, Any], ...]

    @property
    def labels(self) -> frozenset[str]:
        """The labels of all parameters."""
        return frozenset(label for label, _ in self.parameters)

    def default(self, label: str) -> str:
        """Return the default of a parameter that is a text."""
        return as_text(dict(self.parameters).get(label))

    def filled(self, values: Mapping[str, Any]) -> list[Any]:
        """Return a value for each parameter: the given one, or the default."""
        return [values.get(label, default) for label, default in self.parameters]


class Applio(Dialect):
    """Applio."""

    name: ClassVar[str] = "applio"
    label: ClassVar[str] = "Applio"
    f0_methods: ClassVar[tuple[str, ...]] = ("rmvpe", "crepe", "crepe-tiny", "fcpe")

    def __init__(self, access: GradioHTTP, config: GradioConfig, endpoints: Mapping[str, Endpoint]) -> None:
        super().__init__(access.http, f"Gradio {config.version}", frozenset({CONVERT, LIST, TRAIN, SPEAK}))
        self._access = access
        self._config = config
        self._endpoints = endpoints

    def voices(self, scope: Scope) -> list[str]:
        """Return the names of the voices' files."""
        return sorted(self._files(scope)[0])

    def convert(self, job: JobContext, take: ConversionJob) -> str:
        """Upload, convert and fetch."""
        check_f0_method(take.settings.f0_method, self.f0_methods, self.label)
        _check_terms(agreed=take.accept_terms)
        chosen = self._chosen(job, take.settings)
        function = self._having(_CONVERT)
        job.message("Uploading the recording")
        path = upload(self._access, self._config, take.recording, scope=job, name="recording.wav").path
        values = {**chosen, "Select Audio": path, "Output Path": _beside(function.default("Output Path"))}
        return self._sound(job, function, values, take)

    def speak(self, job: JobContext, request: SpeakRequest, raw: Path) -> tuple[str, str]:
        """Have the line spoken and converted by the server alone."""
        _check_terms(agreed=request.accept_terms)
        voice = request.speaker_voice or SPEECH_VOICE
        function = self._having(_SPEAK)
        paths = ("Output Path for TTS Audio", "Output Path for RVC Audio")
        values = {
            **self._chosen(job, request.settings),
            "Text to Synthesize": request.text,
            "TTS Voices": voice,
            "TTS Speed": max(-100, min(100, round((request.speed - 1.0) * 100))),
            **{label: _beside(function.default(label)) for label in paths},
        }
        take = ConversionJob(raw, 0.0, raw, request.settings, accept_terms=True)
        return self._sound(job, function, values, take), voice

    def train(self, job: JobContext, request: TrainRequest, samples: Samples) -> Mapping[str, object]:
        """Upload the samples and take the four steps, each of which ends before it says anything."""
        check_f0_method(request.f0_method, self.f0_methods, self.label)
        _check_terms(agreed=request.accept_terms)
        before = set(self._voice_files(job, request.voice))
        folder = request.server_folder or self._uploaded(job, request, samples)
        for step, (stage, name, values) in enumerate(self._steps(request, folder)):
            job.progress(step / 4, stage=stage)
            job.sending(dialect=self.name, step=name, model=request.voice)
            if not step:
                job.submitted(job.job_id)
                job.started()
            function = self._having(_TRAIN) if name == _STOPPABLE else self._named(name)
            said = self.http.redact(_said(self._called(job, function, values)))
            job.log(said)
            if _failed(said, request.voice):
                raise generation_error(said, doing=f"training {request.voice}", code="training_failed")
        found = self._voice_files(job, request.voice)
        if not found:
            raise generation_error("no voice of that name is listed", doing="training", code="training_failed")
        newest = max(found, key=lambda path: (path not in before, _trained_for(path), path))
        return {"samples": samples.told, "voice": _name_of(newest), "voice_files": found}

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Stop a training while it trains, and wait for its end; nothing stops conversions and the other steps of a
        training: wait for the answer.
        """
        if job.state.get("step") != _STOPPABLE:
            self.calls.wait_until_free(job)
            return BackendCancel.UNSUPPORTED
        stopped = self.calls.wait_until_free(job, lambda: self._stop(job))
        return BackendCancel.CONFIRMED if stopped else BackendCancel.FAILED

    def _stop(self, job: CancelContext) -> None:
        """Ask for the end; it does nothing before the trainer has written its process ids, so ask again."""
        with suppress(BackendError):
            stop = self._config.named("stop_train")
            run_endpoint(self._access, self._config, stop, [job.state["model"]], _SESSION, job)

    # Steps

    def _steps(self, request: TrainRequest, folder: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        rate = str(request.rate)
        common = {"Model Name": request.voice, "Sampling Rate": rate}
        gpu = {"GPU Number": request.gpus or "-"}
        slicing = {**common, "Dataset Path": folder, "CPU Cores": request.processes}
        features = {**common, **gpu, "Pitch extraction algorithm": request.f0_method, "CPU Cores": request.processes}
        training = {
            **common,
            **gpu,
            TERMS: True,
            "Save Every Epoch": request.save_every,
            "Total Epoch": request.epochs,
            "Batch Size": request.batch_size,
        }
        yield "Slicing the samples", "run_preprocess_script", slicing
        yield "Extracting pitch and features", "run_extract_script", features
        yield "Training the model", _STOPPABLE, training
        yield "Making the index", "run_index_script", {"Model Name": request.voice}

    def _uploaded(self, job: JobContext, request: TrainRequest, samples: Samples) -> str:
        """Upload the samples one by one and return the server's path of their folder."""
        name = f"{request.voice}-{job.job_id[:8]}"
        with GradioSession(self._access, self._config) as session:
            for number, file in enumerate(samples.files):
                job.progress(0.0, step=number, total_steps=len(samples.files), stage="Uploading the samples")
                uploaded = session.upload(file, scope=job)
                session.call("save_drop_dataset_audio", [uploaded.as_input(), name], scope=job)
        answer = self._listed("refresh_models_and_datasets", job)
        folders = [each for each in choices_of(answer[-1] if answer else None) if isinstance(each, str)]
        found = next((each for each in folders if _parts(each)[-1] == name), None)
        if found is None:
            raise odd_answer("refresh_models_and_datasets", "the samples that were uploaded are not listed")
        return found

    def _called(self, job: JobContext, function: Endpoint, values: Mapping[str, Any]) -> list[Any]:
        """Call what nothing stops, in a session of its own: one that is closed drops its calls, and they run on."""
        data = function.filled(values)

        def call(scope: Scope) -> list[Any]:
            with GradioSession(self._access, self._config) as session:
                return session.call(function.name, data, scope=scope)

        return self.calls.call(job, call)

    def _sound(self, job: JobContext, function: Endpoint, values: Mapping[str, Any], take: ConversionJob) -> str:
        job.sending(dialect=self.name)
        job.message("Converting")
        job.submitted(job.job_id)
        job.started()
        said, sound = (*self._called(job, function, {**values, TERMS: True}), None, None)[:2]
        found = files_in(sound)
        if not found:
            raise _failure(self.http.redact(as_text(said)))
        fetched = fetch(self._access, self._config, found[0], take.raw.parent, scope=job, name="answer.wav")
        with storage_errors(take.raw.parent):
            fetched.path.replace(take.raw)
        return found[0].name

    def _chosen(self, job: JobContext, settings: VoiceSettings) -> dict[str, Any]:
        """Return the values that say which voice and how."""
        voices, indexes = self._files(job)
        if settings.voice not in voices:
            raise missing_voice(settings.voice, sorted(voices))
        path = voices[settings.voice]
        folder = _parts(path)[:-1]
        index = next((each for each in indexes if _parts(each)[:-1] == folder), "")
        return {
            "Pitch": settings.pitch,
            "Search Feature Ratio": settings.index_rate,
            "Volume Envelope": settings.rms_mix_rate,
            "Protect Voiceless Consonants": settings.protect,
            "Pitch extraction algorithm": settings.f0_method,
            "Voice Model": path,
            "Index File": index,
            "Export Format": "WAV",
        }

    def _files(self, scope: Scope) -> tuple[dict[str, str], list[str]]:
        """Return the voices' files by their names, and the index files."""
        answer = self._listed("refresh_pth_and_index_list", scope)
        lists = [[path for path in choices_of(each) if isinstance(path, str)] for each in answer]
        if len(lists) != 2:
            raise odd_answer("refresh_pth_and_index_list", "two lists were expected")
        return {_name_of(path): path for path in lists[0]}, lists[1]

    def _voice_files(self, scope: Scope, model: str) -> list[str]:
        """Return the files that trainings under a name have made: it is that of their folder."""
        return [path for path in self._files(scope)[0].values() if model in _parts(path)[-2:-1]]

    def _listed(self, name: str, scope: Scope) -> list[Any]:
        function = self._config.named(name)
        return run_endpoint(self._access, self._config, function, [], _SESSION, scope).raw

    def _having(self, labels: set[str]) -> Endpoint:
        found = next((each for each in self._endpoints.values() if labels <= each.labels), None)
        if found is None:
            raise _unknown_version(" and ".join(sorted(labels)))
        return found

    def _named(self, name: str) -> Endpoint:
        if name not in self._endpoints:
            raise _unknown_version(name)
        return self._endpoints[name]


def applio_of(access: GradioHTTP, config: GradioConfig, scope: Scope) -> Applio | None:
    """Return the dialect if the app is Applio, else None."""
    names = {each.api_name for each in config.dependencies}
    if not {"run_preprocess_script", "enforce_terms"} <= names:
        return None
    listed = read_info(access, config, scope=scope).get("named_endpoints")
    endpoints = {
        name.lstrip("/"): Endpoint(name.lstrip("/"), tuple(_parameters(each)))
        for name, each in as_object(listed).items()
    }
    return Applio(access, config, endpoints)


def _parameters(endpoint: Any) -> Iterator[tuple[str, Any]]:
    for each in get_objects(get_member(endpoint, "parameters")):
        yield str(each.get("label", "")), each.get("parameter_default")


def _check_terms(*, agreed: bool) -> None:
    if not agreed:
        raise _terms_error()


def _terms_error() -> ValidationError:
    problem = "Applio does nothing before its terms of use are agreed to."
    return ValidationError(
        problem,
        code="terms_not_accepted",
        problems=[problem],
        backend=BACKEND,
        hint="Read them in Applio, and set accept_terms if you agree.",
    )


def _failure(said: str) -> BackendError:
    if "must agree" in said:
        return _terms_error()
    return generation_error(said, doing="the conversion", code="conversion_failed")


def _unknown_version(what: str) -> MissingResource:
    return MissingResource(
        f"This Applio has no function with {what}.",
        kind="function",
        name=what,
        backend=BACKEND,
        hint="Its version may be newer than those in the documentation.",
    )


def _said(values: list[Any]) -> str:
    if not values or not isinstance(values[0], str):
        raise GenerationError(
            "Applio has not said how a step of the training ended.",
            code="training_failed",
            backend=BACKEND,
            hint="Look at its console.",
        )
    return values[0]


def _parts(path: str) -> tuple[str, ...]:
    return (PureWindowsPath(path) if "\\" in path else PurePosixPath(path)).parts


def _failed(said: str, voice: str) -> bool:
    """Whether a sentence tells of a failure, in its own words: the voice may be called like one."""
    named = rf"\b(model|for) {re.escape(voice)}(?![\w-])"
    return _FAILED.search(re.sub(named, "", said, flags=re.IGNORECASE)) is not None


def _name_of(path: str) -> str:
    """Return what a voice is called: its file, without the ending."""
    return _parts(path)[-1].rpartition(".")[0]


def _trained_for(path: str) -> tuple[int, int]:
    """Return the epochs and steps that a file's name tells of, 0 for a name that tells of none."""
    match = _SAVED_AT.search(_name_of(path))
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _beside(path: str) -> str:
    """Return a file of our own in the folder of the page's: two users of the page must not get each other's."""
    pure = PureWindowsPath(path) if "\\" in path else PurePosixPath(path)
    return str(pure.with_name(f"{pure.stem}_{OUTPUT}")) if pure.name else OUTPUT
