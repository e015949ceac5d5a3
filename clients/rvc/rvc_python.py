"""rvc-python's REST interface (0.1.5 from PyPI, and the older git version without ``/convert_file``).

Facts: the loaded voice and the settings are global to the server. While it converts it does not respond, and nothing
stops it. ``POST /params`` checks nothing. The server obeys ``resample_sr``, but the header of the WAV keeps the voice's
rate, so it is always sent as 0. Loading an unknown name adds the name to its list.
"""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote

from ..core.context import CancelContext, JobContext
from ..core.errors import BackendError, ServerError
from ..core.model import BackendCancel
from ..core.scope import Scope
from ..http.base64_body import base64_slices
from ..http.multipart import MultipartUpload
from ..http.session import HTTPSession
from .dialect import CONVERT, LIST, SPEECH_ROUTE, SPEECH_SERVER, UPLOAD_MODEL, ConversionJob, Dialect
from .errors import check_f0_method, generation_error, missing_voice, odd_answer
from .http import RVCHTTP, Reply, parse_texts
from .request import VoiceSettings

_NOT_FOUND = "not found"


class RVCPython(Dialect):
    """The rvc-python dialect."""

    name: ClassVar[str] = "rvc-python"
    label: ClassVar[str] = "rvc-python"
    f0_methods: ClassVar[tuple[str, ...]] = ("rmvpe", "crepe", "harvest", "pm")

    def __init__(self, http: HTTPSession, paths: frozenset[str]) -> None:
        self._takes_files = "/convert_file" in paths
        capabilities = {CONVERT, LIST}
        capabilities |= {UPLOAD_MODEL} if "/upload_model" in paths else set()
        capabilities |= {SPEECH_SERVER} if SPEECH_ROUTE in paths else set()
        super().__init__(http, "0.1.5" if self._takes_files else "before 0.1.5", frozenset(capabilities))

    def voices(self, scope: Scope) -> list[str]:
        """Return the server's list of voices, including the names that failed loads have added."""
        reply = RVCHTTP(self.http, scope).get("/models")
        if reply.status >= 400:
            raise _make_error(reply, "listing its voices", "list_failed")
        return sorted(parse_texts(reply.member("models"), "/models"))

    def convert(self, job: JobContext, conversion: ConversionJob) -> str:
        """Load the voice, set the parameters and convert, without another job of this process in between."""
        check_f0_method(conversion.settings.f0_method, self.f0_methods, self.label)
        exchange = RVCHTTP(self.http, job)
        self._load(exchange, conversion.settings.voice)
        self._send_settings(exchange, conversion.settings)
        job.sending(dialect=self.name)
        job.message("Converting")
        reply = (
            self._send_file(exchange, job, conversion)
            if self._takes_files
            else self._send_text(exchange, job, conversion)
        )
        if reply is not None:
            raise _conversion_error(reply)
        return conversion.recording.name

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Wait for the next response: the conversion can't be stopped, and the server responds only after its end."""
        pause_s = 0.0
        while job.wait(pause_s):
            try:
                RVCHTTP(self.http.with_timeouts(first_byte_s=max(0.1, job.remaining_s())), job).get("/params")
                break
            except BackendError:
                pause_s = 0.2
        return BackendCancel.UNSUPPORTED

    def _load(self, exchange: RVCHTTP, voice: str) -> None:
        voices = self.voices(exchange.scope)
        if voice not in voices:
            raise missing_voice(voice, voices)
        reply = exchange.post(f"/models/{quote(voice, safe='')}", {}, repeatable=True)
        problem = get_problem(reply)
        if _NOT_FOUND in problem:
            raise missing_voice(voice, (each for each in voices if each != voice))
        if reply.status >= 400:
            raise generation_error(problem, doing=f"loading the voice {voice}", code="voice_not_loaded")

    def _send_settings(self, exchange: RVCHTTP, settings: VoiceSettings) -> None:
        params = {
            "f0method": settings.f0_method,
            "f0up_key": settings.pitch,
            "index_rate": settings.index_rate,
            "filter_radius": settings.filter_radius,
            "resample_sr": 0,
            "rms_mix_rate": settings.rms_mix_rate,
            "protect": settings.protect,
        }
        reply = exchange.post("/params", {"params": params}, repeatable=True)
        if reply.status >= 400:
            raise _make_error(reply, "taking the settings", "settings_refused")

    def _send_file(self, exchange: RVCHTTP, job: JobContext, conversion: ConversionJob) -> Reply | None:
        def report_progress(count: int, total: int) -> None:
            job.check()
            if count == total:
                _mark_started(job)

        body = MultipartUpload({}, "file", conversion.recording, "recording.wav", "audio/wav", report_progress)
        return exchange.save("/convert_file", body, body.headers, conversion.raw)

    def _send_text(self, exchange: RVCHTTP, job: JobContext, conversion: ConversionJob) -> Reply | None:
        body = [b'{"audio_data": "', *base64_slices(conversion.recording), b'"}']
        _mark_started(job)
        return exchange.save("/convert", body, {"Content-Type": "application/json"}, conversion.raw)


def get_problem(reply: Reply) -> str:
    """Return the problem in FastAPI's error body, empty if there is none."""
    return str(reply.member("detail") or "")


def _mark_started(job: JobContext) -> None:
    job.submitted(job.job_id)
    job.started()


def _conversion_error(reply: Reply) -> BackendError:
    if reply.status < 400:
        return odd_answer("/convert", "a sound was expected")
    error = generation_error(get_problem(reply), doing="the conversion", code="conversion_failed")
    error.hint = "The voice may need another file, or the recording can't be used: the console of rvc-python says more."
    return error


def _make_error(reply: Reply, doing: str, code: str) -> BackendError:
    problem = get_problem(reply)
    return ServerError(
        f"The RVC server failed at {doing} (status {reply.status}){f': {problem}' if problem else '.'}",
        code=code,
        status=reply.status,
        hint="Check its console.",
    )
