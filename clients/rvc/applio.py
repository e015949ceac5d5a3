"""Applio, a Gradio app (5 and newer; seen: 6.20).

Facts: its functions are named after Python functions and renumbered by releases, so they are found by the labels of
their parameters; parameters without a value keep the default that the server reports. Every call ends "complete", with
a sentence about its success. Without consent to its terms of use it does nothing. Its speech is edge-tts, an online
service that gets the text. A training leaves files like ``logs/NAME/NAME_200e_2400s.pth``. ``stop_infer`` ends the
whole server and is never called. Conversions can't be stopped.
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
from ..core.foreign_text import cut_middle
from ..core.json_fields import as_object, as_text, get_member, get_objects
from ..core.model import BackendCancel
from ..core.scope import Scope
from ..files.storage_errors import storage_errors
from ..gradio.component_values import extract_files, get_choices
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
_SAVED_AT = re.compile(r"_(\d{1,9})e_(\d{1,9})s")
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
        """Return the default of a text parameter."""
        return as_text(dict(self.parameters).get(label))

    def fill(self, values: Mapping[str, Any]) -> list[Any]:
        """Return a value for each parameter: its own, or the default."""
        return [values.get(label, default) for label, default in self.parameters]


class Applio(Dialect):
    """The Applio dialect."""

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
        return sorted(self._list_files(scope)[0])

    def convert(self, job: JobContext, conversion: ConversionJob) -> str:
        """Upload the recording, convert it and fetch the result."""
        check_f0_method(conversion.settings.f0_method, self.f0_methods, self.label)
        _check_terms(agreed=conversion.accept_terms)
        chosen = self._make_values(job, conversion.settings)
        function = self._find_by_labels(_CONVERT)
        job.message("Uploading the recording")
        path = upload(self._access, self._config, conversion.recording, scope=job, name="recording.wav").path
        values = {**chosen, "Select Audio": path, "Output Path": _make_upload_name(function.default("Output Path"))}
        return self._fetch_sound(job, function, values, conversion)

    def speak(self, job: JobContext, request: SpeakRequest, raw: Path) -> tuple[str, str]:
        """Have the server speak and convert the line."""
        _check_terms(agreed=request.accept_terms)
        voice = request.speaker_voice or SPEECH_VOICE
        function = self._find_by_labels(_SPEAK)
        paths = ("Output Path for TTS Audio", "Output Path for RVC Audio")
        values = {
            **self._make_values(job, request.settings),
            "Text to Synthesize": request.text,
            "TTS Voices": voice,
            "TTS Speed": max(-100, min(100, round((request.speed - 1.0) * 100))),
            **{label: _make_upload_name(function.default(label)) for label in paths},
        }
        conversion = ConversionJob(raw, 0.0, raw, request.settings, accept_terms=True)
        return self._fetch_sound(job, function, values, conversion), voice

    def train(self, job: JobContext, request: TrainRequest, samples: Samples) -> Mapping[str, object]:
        """Upload the samples and run the four steps; each step responds only at its end."""
        check_f0_method(request.f0_method, self.f0_methods, self.label)
        _check_terms(agreed=request.accept_terms)
        before = set(self._list_voice_files(job, request.voice))
        folder = request.server_folder or self._upload(job, request, samples)
        for step, (stage, name, values) in enumerate(self._make_steps(request, folder)):
            job.progress(step / 4, stage=stage)
            job.sending(dialect=self.name, step=name, model=request.voice)
            if not step:
                job.submitted(job.job_id)
                job.started()
            function = self._find_by_labels(_TRAIN) if name == _STOPPABLE else self._find_by_name(name)
            sentence = self.http.redact(_get_text(self._call(job, function, values)))
            job.log(sentence)
            if _reports_failure(sentence, request.voice):
                raise generation_error(sentence, doing=f"training {request.voice}", code="training_failed")
        found = self._list_voice_files(job, request.voice)
        if not found:
            raise generation_error("no voice of that name is listed", doing="training", code="training_failed")
        newest = max(found, key=lambda path: (path not in before, _parse_epochs(path), path))
        return {"samples": samples.metadata, "voice": _get_voice_name(newest), "voice_files": found}

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Stop a training and wait for its end; conversions and the other steps of a training can't be stopped, so
        wait for their response.
        """
        if job.state.get("step") != _STOPPABLE:
            self.calls.wait_until_free(job)
            return BackendCancel.UNSUPPORTED
        stopped = self.calls.wait_until_free(job, lambda: self._stop(job))
        return BackendCancel.CONFIRMED if stopped else BackendCancel.FAILED

    def _stop(self, job: CancelContext) -> None:
        """Request the stop; it has no effect before the trainer has written its process ids, so it is repeated."""
        with suppress(BackendError):
            stop = self._config.get_function("stop_train")
            run_endpoint(self._access, self._config, stop, [job.state["model"]], _SESSION, job)

    # Steps

    def _make_steps(self, request: TrainRequest, folder: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
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

    def _upload(self, job: JobContext, request: TrainRequest, samples: Samples) -> str:
        """Upload the samples one by one and return the server's path of their folder."""
        name = f"{request.voice}-{job.job_id[:8]}"
        with GradioSession(self._access, self._config) as session:
            for number, file in enumerate(samples.files):
                job.progress(0.0, step=number, total_steps=len(samples.files), stage="Uploading the samples")
                uploaded = session.upload(file, scope=job)
                session.call("save_drop_dataset_audio", [uploaded.as_input(), name], scope=job)
        answer = self._listed("refresh_models_and_datasets", job)
        folders = [each for each in get_choices(answer[-1] if answer else None) if isinstance(each, str)]
        found = next((each for each in folders if _split_path(each)[-1] == name), None)
        if found is None:
            raise odd_answer("refresh_models_and_datasets", "the samples that were uploaded are not listed")
        return found

    def _call(self, job: JobContext, function: Endpoint, values: Mapping[str, Any]) -> list[Any]:
        """Call a function that can't be stopped, in its own session: if that is closed the call runs on."""
        data = function.fill(values)

        def call(scope: Scope) -> list[Any]:
            with GradioSession(self._access, self._config) as session:
                return session.call(function.name, data, scope=scope)

        return self.calls.call(job, call)

    def _fetch_sound(
        self, job: JobContext, function: Endpoint, values: Mapping[str, Any], conversion: ConversionJob
    ) -> str:
        job.sending(dialect=self.name)
        job.message("Converting")
        job.submitted(job.job_id)
        job.started()
        sentence, sound = (*self._call(job, function, {**values, TERMS: True}), None, None)[:2]
        found = extract_files(sound)
        if not found:
            raise _make_error(self.http.redact(as_text(sentence)))
        fetched = fetch(self._access, self._config, found[0], conversion.raw.parent, scope=job, name="answer.wav")
        with storage_errors(conversion.raw.parent):
            fetched.path.replace(conversion.raw)
        return found[0].name

    def _make_values(self, job: JobContext, settings: VoiceSettings) -> dict[str, Any]:
        """Return the values for the voice and its settings."""
        voices, indexes = self._list_files(job)
        if settings.voice not in voices:
            raise missing_voice(settings.voice, sorted(voices))
        path = voices[settings.voice]
        folder = _split_path(path)[:-1]
        index = next((each for each in indexes if _split_path(each)[:-1] == folder), "")
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

    def _list_files(self, scope: Scope) -> tuple[dict[str, str], list[str]]:
        """Return the voice files by name, and the index files."""
        answer = self._listed("refresh_pth_and_index_list", scope)
        lists = [[path for path in get_choices(each) if isinstance(path, str)] for each in answer]
        if len(lists) != 2:
            raise odd_answer("refresh_pth_and_index_list", "two lists were expected")
        return {_get_voice_name(path): path for path in lists[0]}, lists[1]

    def _list_voice_files(self, scope: Scope, model: str) -> list[str]:
        """Return the voice files in the folder of a model."""
        return [path for path in self._list_files(scope)[0].values() if model in _split_path(path)[-2:-1]]

    def _listed(self, name: str, scope: Scope) -> list[Any]:
        function = self._config.get_function(name)
        return run_endpoint(self._access, self._config, function, [], _SESSION, scope).raw

    def _find_by_labels(self, labels: set[str]) -> Endpoint:
        found = next((each for each in self._endpoints.values() if labels <= each.labels), None)
        if found is None:
            raise _unknown_version(" and ".join(sorted(labels)))
        return found

    def _find_by_name(self, name: str) -> Endpoint:
        if name not in self._endpoints:
            raise _unknown_version(name)
        return self._endpoints[name]


def make_applio(access: GradioHTTP, config: GradioConfig, scope: Scope) -> Applio | None:
    """Return the dialect if the app is Applio, else None."""
    names = {each.api_name for each in config.dependencies}
    if not {"run_preprocess_script", "enforce_terms"} <= names:
        return None
    listed = read_info(access, config, scope=scope).get("named_endpoints")
    endpoints = {
        name.lstrip("/"): Endpoint(name.lstrip("/"), tuple(_parse_parameters(each)))
        for name, each in as_object(listed).items()
    }
    return Applio(access, config, endpoints)


def _parse_parameters(endpoint: Any) -> Iterator[tuple[str, Any]]:
    for each in get_objects(get_member(endpoint, "parameters")):
        yield str(each.get("label", "")), each.get("parameter_default")


def _check_terms(*, agreed: bool) -> None:
    if not agreed:
        raise _terms_error()


def _terms_error() -> ValidationError:
    problem = "Applio does not start before you agree to its terms of use."
    return ValidationError(
        problem,
        code="terms_not_accepted",
        problems=[problem],
        backend=BACKEND,
        hint="Read them in Applio, and set accept_terms if you agree.",
    )


def _make_error(sentence: str) -> BackendError:
    if "must agree" in sentence:
        return _terms_error()
    return generation_error(sentence, doing="the conversion", code="conversion_failed")


def _unknown_version(what: str) -> MissingResource:
    return MissingResource(
        f"This Applio has no function with {what}.",
        kind="function",
        name=what,
        backend=BACKEND,
        hint="Its version may be newer than those listed in the documentation.",
    )


def _get_text(values: list[Any]) -> str:
    if not values or not isinstance(values[0], str):
        raise GenerationError(
            "Applio did not report how a step of the training ended.",
            code="training_failed",
            backend=BACKEND,
            hint="Check its console.",
        )
    return values[0]


def _split_path(path: str) -> tuple[str, ...]:
    return (PureWindowsPath(path) if "\\" in path else PurePosixPath(path)).parts


def _reports_failure(sentence: str, voice: str) -> bool:
    """Return True if the sentence reports a failure; the voice's name does not count, it may contain the same terms."""
    named = rf"\b(model|for) {re.escape(voice)}(?![\w-])"
    return _FAILED.search(re.sub(named, "", cut_middle(sentence), flags=re.IGNORECASE)) is not None


def _get_voice_name(path: str) -> str:
    """Return the name of a voice: its file name without the extension."""
    return _split_path(path)[-1].rpartition(".")[0]


def _parse_epochs(path: str) -> tuple[int, int]:
    """Return the epochs and steps in a file name, 0 for a name without them."""
    match = _SAVED_AT.search(_get_voice_name(path))
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _make_upload_name(path: str) -> str:
    """Return the name of an own file in the upload's folder: two users of the page must not get each other's result."""
    pure = PureWindowsPath(path) if "\\" in path else PurePosixPath(path)
    return str(pure.with_name(f"{pure.stem}_{OUTPUT}")) if pure.name else OUTPUT
