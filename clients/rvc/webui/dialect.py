"""RVC-WebUI, a Gradio 3 app: its main branch (Gradio 3.14) and 2.2, which most packages have (3.34).

Facts: functions are called by name over ``POST /run``; every exception is a 500 with ``{"error": null}``, and the
program's own errors are a text with status 200 and no sound. The loaded voice is global to the server. Index files are
matched when the voice is chosen. The main branch takes the recording as a ``data:`` URL, 2.2 the path of an upload.
"""

from __future__ import annotations

import abc
import copy
from collections.abc import Mapping
from typing import Any, ClassVar

from ...core.context import CancelContext, JobContext
from ...core.errors import GenerationError
from ...core.json_fields import as_text
from ...core.model import BackendCancel
from ...core.scope import Scope
from ...files.storage_errors import storage_errors
from ...gradio.any_session import check_count
from ...gradio.component_values import extract_files, get_choices, unwrap
from ...gradio.config import GradioConfig
from ...gradio.files import fetch, upload
from ...gradio.gradio3 import Gradio3Session, InlineFile
from ...gradio.http import GradioHTTP
from ...gradio.run_endpoint import run_endpoint
from ..dialect import CONVERT, LIST, SPEECH_ROUTE, SPEECH_SERVER, TRAIN, ConversionJob, Dialect
from ..errors import check_f0_method, generation_error, missing_voice, odd_answer
from ..http import RVCHTTP
from ..request import TrainRequest
from ..samples import Samples
from .progress import Wording
from .training import Training

NO_REASON = "no_reason"
STEP_TIMEOUT_S = 48 * 3600.0
"""Time-out while a voice is trained: 2.2 responds when a step is done, which may take a day."""

_ENDING = ".pth"
_SESSION = "movie-director"


class WebUI(Dialect):
    """The common part of both generations of RVC-WebUI."""

    label: ClassVar[str] = "RVC-WebUI"
    generation: ClassVar[str]
    wording: ClassVar[Wording]
    training_f0: ClassVar[tuple[str, ...]]
    rejoins_training: ClassVar[bool] = True

    def __init__(self, access: GradioHTTP, config: GradioConfig, routes: frozenset[str]) -> None:
        version = f"{self.generation}, Gradio {config.version}"
        speech = {SPEECH_SERVER} if SPEECH_ROUTE in routes else set()
        super().__init__(access.http, version, frozenset({CONVERT, LIST, TRAIN} | speech))
        self._access = access
        self._config = config

    def voices(self, scope: Scope) -> list[str]:
        """Refresh the server's list of voices and return it."""
        listed = get_choices(_get_value(self._call("infer_refresh", [], scope), 0))
        return sorted(each.removesuffix(_ENDING) for each in listed if isinstance(each, str))

    def convert(self, job: JobContext, conversion: ConversionJob) -> str:
        """Load the voice and convert with it."""
        check_f0_method(conversion.settings.f0_method, self.f0_methods, self.label)
        index = self._load(job, conversion)
        arguments = self._make_arguments(job, conversion, index)
        session = Gradio3Session(self._access, self._config, _SESSION)
        job.sending(dialect=self.name)
        job.submitted(job.job_id)
        job.started()
        job.message("Converting")
        try:
            values = self.calls.call(job, lambda scope: session.call("infer_convert", arguments, scope=scope))
        except GenerationError as error:
            if error.code == NO_REASON:
                error.message = "The RVC server failed at the conversion; the voice or the recording can't be used."
                error.args, error.code = (error.message,), "conversion_failed"
            raise
        found = extract_files(_get_value(values, 1))
        if not found:
            raise generation_error(
                self.http.redact(as_text(_get_value(values, 0))), doing="the conversion", code="conversion_failed"
            )
        job.log(self.http.redact(as_text(_get_value(values, 0))).partition("\n")[0])
        sound = fetch(self._access, self._config, found[0], conversion.raw.parent, scope=job, name="answer.wav")
        with storage_errors(conversion.raw.parent):
            sound.path.replace(conversion.raw)
        return found[0].name

    def train(self, job: JobContext, request: TrainRequest, samples: Samples) -> Mapping[str, object]:
        """Train by the program's one-click training: slicing, features, model and index."""
        check_f0_method(request.f0_method, self.training_f0, self.label)
        return self._make_training(request.voice).run(job, request, samples)

    def rejoin_training(self, job: JobContext, request: TrainRequest) -> Mapping[str, object] | None:
        """Continue the training in the job's record: the server keeps its position."""
        return self._make_training(request.voice).rejoin(job)

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Stop a training and wait for its end; a conversion can't be stopped, so wait for its response."""
        if not isinstance(job.request, TrainRequest):
            self.calls.wait_until_free(job)
            return BackendCancel.UNSUPPORTED
        return self._make_training(job.request.voice).cancel(job)

    def _make_training(self, voice: str) -> Training:
        patient = copy.copy(self._access)
        patient.http = self.http.with_timeouts(first_byte_s=STEP_TIMEOUT_S)
        return Training(patient, self._config, self.name, self.wording, lambda scope: voice in self.voices(scope))

    def _load(self, job: JobContext, conversion: ConversionJob) -> str:
        """Load the voice and return the path of its index."""
        settings = conversion.settings
        voices = self.voices(job)
        if settings.voice not in voices:
            raise missing_voice(settings.voice, voices)
        chosen = [f"{settings.voice}{_ENDING}", settings.protect, settings.protect]
        try:
            values = self._call("infer_change_voice", chosen, job)
        except GenerationError as error:
            sentence = "" if error.code == NO_REASON else error.message
            raise generation_error(
                sentence, doing=f"loading the voice {settings.voice}", code="voice_not_loaded"
            ) from error
        return as_text(unwrap(_get_value(values, 3)))

    @abc.abstractmethod
    def _make_arguments(self, job: JobContext, conversion: ConversionJob, index: str) -> list[Any]:
        """Return the values for ``infer_convert``."""

    def _call(self, name: str, data: list[Any], scope: Scope) -> list[Any]:
        function = self._config.get_function(name)
        check_count(function, data)
        return run_endpoint(self._access, self._config, function, data, _SESSION, scope).raw


class WebUIMain(WebUI):
    """The main branch, rewritten in July 2026."""

    name: ClassVar[str] = "rvc-webui"
    generation: ClassVar[str] = "main"
    f0_methods: ClassVar[tuple[str, ...]] = ("rmvpe", "fcpe", "pm")
    training_f0: ClassVar[tuple[str, ...]] = ("rmvpe", "pm")
    wording: ClassVar[Wording] = Wording.MAIN

    def _make_arguments(self, job: JobContext, conversion: ConversionJob, index: str) -> list[Any]:
        asked = conversion.settings
        sound = InlineFile(conversion.recording, "recording.wav")
        return [
            *(0, sound, asked.pitch, asked.f0_method, index, asked.index_rate),
            *(0, asked.rms_mix_rate, asked.protect),
        ]


class WebUI2023(WebUI):
    """Version 2.2.231006 and similar ones."""

    name: ClassVar[str] = "rvc-webui-2.2"
    generation: ClassVar[str] = "2.2"
    f0_methods: ClassVar[tuple[str, ...]] = ("rmvpe", "crepe", "harvest", "pm")
    training_f0: ClassVar[tuple[str, ...]] = ("rmvpe", "harvest", "dio", "pm")
    wording: ClassVar[Wording] = Wording.OF_2023

    def _make_arguments(self, job: JobContext, conversion: ConversionJob, index: str) -> list[Any]:
        asked = conversion.settings
        job.message("Uploading the recording")
        path = upload(self._access, self._config, conversion.recording, scope=job, name="recording.wav").path
        return [
            *(0, path, asked.pitch, None, asked.f0_method, "", index, asked.index_rate),
            *(asked.filter_radius, 0, asked.rms_mix_rate, asked.protect),
        ]


def make_webui(access: GradioHTTP, config: GradioConfig, exchange: RVCHTTP) -> WebUI | None:
    """Return the dialect of the app's generation, None if it is another program."""
    names = {each.api_name for each in config.dependencies}
    if not {"infer_convert", "infer_change_voice", "infer_refresh"} <= names:
        return None
    kind: type[WebUI] = WebUI2023 if "uvr_convert" in names else WebUIMain
    return kind(access, config, exchange.routes())


def _get_value(values: list[Any], provide_samples: int) -> Any:
    if len(values) <= provide_samples:
        raise odd_answer("/run", f"value number {provide_samples + 1} is missing")
    return values[provide_samples]
