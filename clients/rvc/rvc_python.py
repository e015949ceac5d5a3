"""rvc-python's REST interface (0.1.5 from PyPI, and the older git version without ``/convert_file``).

Facts: the loaded voice and the settings belong to the server, not to a client. While it converts it answers nothing,
and nothing stops it. ``POST /params`` checks nothing. A ``resample_sr`` is obeyed, but the header of the WAV keeps the
voice's rate, so it is always sent as 0. Loading a name that it lacks adds the name to its list.
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
from .http import RVCHTTP, Reply, texts_of
from .request import VoiceSettings

_NOT_FOUND = "not found"


class RVCPython(Dialect):
    """rvc-python."""

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
        """Return the server's list, with the phantoms that failed loads have added."""
        reply = RVCHTTP(self.http, scope).get("/models")
        if reply.status >= 400:
            raise _failure(reply, "listing its voices", "list_failed")
        return sorted(texts_of(reply.member("models"), "/models"))

    def convert(self, job: JobContext, take: ConversionJob) -> str:
        """Load the voice, set the parameters, convert: nobody else of this process comes between."""
        check_f0_method(take.settings.f0_method, self.f0_methods, self.label)
        exchange = RVCHTTP(self.http, job)
        self._load(exchange, take.settings.voice)
        self._set(exchange, take.settings)
        job.sending(dialect=self.name)
        job.message("Converting")
        reply = self._send_file(exchange, job, take) if self._takes_files else self._send_text(exchange, job, take)
        if reply is not None:
            raise _conversion_error(reply)
        return take.recording.name

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Wait for the next answer: the conversion can't be stopped, and nothing else is answered before its end."""
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
        words = words_of(reply)
        if _NOT_FOUND in words:
            raise missing_voice(voice, (each for each in voices if each != voice))
        if reply.status >= 400:
            raise generation_error(words, doing=f"loading the voice {voice}", code="voice_not_loaded")

    def _set(self, exchange: RVCHTTP, settings: VoiceSettings) -> None:
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
            raise _failure(reply, "taking the settings", "settings_refused")

    def _send_file(self, exchange: RVCHTTP, job: JobContext, take: ConversionJob) -> Reply | None:
        def sent(count: int, total: int) -> None:
            job.check()
            if count == total:
                _begun(job)

        body = MultipartUpload({}, "file", take.recording, "recording.wav", "audio/wav", sent)
        return exchange.save("/convert_file", body, body.headers, take.raw)

    def _send_text(self, exchange: RVCHTTP, job: JobContext, take: ConversionJob) -> Reply | None:
        body = [b'{"audio_data": "', *base64_slices(take.recording), b'"}']
        _begun(job)
        return exchange.save("/convert", body, {"Content-Type": "application/json"}, take.raw)


def words_of(reply: Reply) -> str:
    """Return what FastAPI says is wrong, empty for nothing."""
    return str(reply.member("detail") or "")


def _begun(job: JobContext) -> None:
    job.submitted(job.job_id)
    job.started()


def _conversion_error(reply: Reply) -> BackendError:
    if reply.status < 400:
        return odd_answer("/convert", "a sound was expected")
    error = generation_error(words_of(reply), doing="the conversion", code="conversion_failed")
    error.hint = "The voice may need another file, or the recording can't be used: the console of rvc-python says more."
    return error


def _failure(reply: Reply, doing: str, code: str) -> BackendError:
    words = words_of(reply)
    return ServerError(
        f"The RVC server failed at {doing} (status {reply.status}){f': {words}' if words else '.'}",
        code=code,
        status=reply.status,
        hint="Look at its console.",
    )
