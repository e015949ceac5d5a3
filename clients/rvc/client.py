"""Voices from RVC: the hooks, and what the client remembers of its server."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, ClassVar, TypeVar

from ..audio import AudioClient
from ..core.context import CancelContext, JobContext
from ..core.errors import BackendError, ConnectionFailed, JobLost, NetworkTimeout, NotFound, ProtocolError
from ..core.model import BackendCancel, Result, ServerInfo
from ..core.options import ClientOptions
from ..core.request import Request
from ..gradio.login import sign_in_of
from .request import ConvertRequest, SpeakRequest, TrainRequest
from .speech.speaker import Speaker

if TYPE_CHECKING:
    from ..audio import AudioCodec
    from ..core.context import Recorder
    from ..core.scope import Scope
    from ..http.transport import Transport
    from .conversion_run import ConversionRun
    from .dialect import Dialect
    from .server_lock import ServerTurns

PROBE_PATIENCE_S = 5.0
FRESH_S = 300.0

_ANOTHER_SERVER = (ConnectionFailed, NotFound, ProtocolError)
"""After these another program may answer at the address."""

Outcome = TypeVar("Outcome")


class RVCClient(AudioClient):
    """Voices from rvc-python, RVC-WebUI or Applio; which of them answers is found out.

    Conversions take turns: what a server has loaded belongs to all who use it; so do trainings. A worker more
    than these take is there for conversions beside a training that waits. Conversions can't be re-joined, nor stopped;
    trainings of RVC-WebUI can.
    """

    name: ClassVar[str] = "rvc"
    request_types: ClassVar[tuple[type[Request], ...]] = (ConvertRequest, SpeakRequest, TrainRequest)
    default_options: ClassVar[ClientOptions] = ClientOptions(
        first_byte_timeout_s=1800.0, read_timeout_s=120.0, drain_timeout_s=120.0, max_workers=3
    )

    def __init__(
        self,
        base_url: str,
        *,
        speakers: Sequence[Speaker] = (),
        codec: AudioCodec | None = None,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        options: ClientOptions | None = None,
        transport: Transport | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """Make a client; ``speakers`` come before those of this machine when a line is to be spoken. The other
        arguments are those of ``AudioClient``.
        """
        super().__init__(
            base_url,
            codec=codec,
            api_key=api_key,
            headers=headers,
            options=options,
            transport=transport,
            recorder=recorder,
        )
        self._speakers = tuple(speakers)

    def set_up(self) -> None:
        """Remember who the server is, and which conversions still run on it."""
        self._found: tuple[Dialect, float] | None = None
        self._info: ServerInfo | None = None
        self._given_up: dict[str, ConversionRun] = {}
        self._own_turns: ServerTurns | None = None

    def probe(self) -> ServerInfo:
        """Ask the server who it is, and what voices it has.

        While it converts for this process it is mute: then what it said before is told again, with ``busy`` in the
        details.
        """
        from .detection import detect  # here, because urllib3 costs 90 ms

        started = time.monotonic()
        server_lock = self._server_lock
        http = self.http.with_timeouts(first_byte_s=PROBE_PATIENCE_S)
        scope = http.free_scope()
        try:
            dialect = detect(http, scope, sign_in_of(self._api_key))
            latency_s = time.monotonic() - started
            voices = dialect.voices(scope)
        except NetworkTimeout as error:
            if error.code == "connect":
                raise
            if server_lock.conversions.busy and self._info is not None:
                return ServerInfo(**{**vars(self._info), "details": {**self._info.details, "busy": True}})
            error.hint = "It may be busy: an RVC server answers nothing while it converts. Ask again later."
            raise
        self._forget_unless(dialect)
        details = {"f0_methods": list(dialect.f0_methods), "busy": False}
        self._info = ServerInfo(dialect.version, dialect.name, dialect.capabilities, tuple(voices), latency_s, details)
        return self._info

    def run(self, job: JobContext) -> Result:
        """Convert, speak or train."""
        work = self._work(job)
        return self._seen_through(job, work, work.run)

    def rejoin(self, job: JobContext) -> Result:
        """Follow a training again; a conversion is lost, for servers keep none."""
        result = None
        if job.state.get("dialect"):
            work = self._work(job)
            result = self._seen_through(job, work, work.rejoin)
        if result is None:
            trains = isinstance(job.request, TrainRequest)
            raise JobLost(
                "This RVC server can't be asked again for what was sent to it, so the outcome is not known.",
                code="outcome_unknown",
                backend=self.name,
                hint="See on its page whether it still trains." if trains else "Converting it again does no harm.",
            )
        return result

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Stop a training; for a conversion, which nothing stops, wait until the server is free. Until then the job
        keeps its turn.
        """
        work = self._given_up.pop(job.job_id, None)
        if work is None:
            return self._dialect(job).cancel(job)
        with closing(work):
            return work.dialect.cancel(job)

    def auth_headers(self) -> dict[str, str]:
        """Return the headers of every request; a key of the form NAME:PASSWORD signs in at Gradio's page instead."""
        headers = super().auth_headers()
        if sign_in_of(self._api_key) is not None and "Authorization" not in self._headers:
            headers.pop("Authorization", None)
        return headers

    def _seen_through(self, job: JobContext, work: ConversionRun, step: Callable[[], Outcome]) -> Outcome:
        from .uninterruptible import given_up

        try:
            return step()
        except BackendError as error:
            if given_up(error) and job.state.get("dialect"):
                self._given_up[job.job_id] = work
            if isinstance(error, _ANOTHER_SERVER) or error.code == "list_failed":
                self._found = None
            raise

    def _work(self, job: JobContext) -> ConversionRun:
        from .conversion_run import ConversionRun

        dialect = self._dialect(job)
        if isinstance(job.request, TrainRequest):
            job.detachable = dialect.rejoins_training and self.server_outlives_us
        return ConversionRun(job, dialect, self.codec, self._server_lock, self._speakers)

    def _dialect(self, scope: Scope) -> Dialect:
        from .detection import detect

        known = self._found
        if known is None or time.monotonic() - known[1] > FRESH_S:
            known = self._found = (detect(self.http, scope, sign_in_of(self._api_key)), time.monotonic())
        return known[0]

    def _forget_unless(self, dialect: Dialect) -> None:
        """Have jobs find out again who answers, unless it is still such a server."""
        known = self._found
        if known is not None and known[0].known_as != dialect.known_as:
            self._found = None

    @property
    def _server_lock(self) -> ServerTurns:
        from .server_lock import turns_of

        if self._own_turns is None:
            self._own_turns = turns_of(self.url)
        return self._own_turns
