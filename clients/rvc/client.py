"""The client for RVC servers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, ClassVar, TypeVar

from ..audio import AudioClient
from ..core.context import CancelContext, JobContext
from ..core.delivery import outcome_unknown
from ..core.errors import BackendError, ConnectionFailed, NetworkTimeout, NotFound, ProtocolError
from ..core.model import BackendCancel, Result, ServerInfo
from ..core.options import ClientOptions
from ..core.request import Request
from ..gradio.login import parse_sign_in
from .request import ConvertRequest, SpeakRequest, TrainRequest
from .speech.speaker import Speaker

if TYPE_CHECKING:
    from ..audio import AudioCodec
    from ..core.context import Recorder
    from ..core.scope import Scope
    from ..http.transport import Transport
    from .conversion_run import ConversionRun
    from .dialect import Dialect
    from .server_lock import ServerLocks

PROBE_PATIENCE_S = 5.0
FRESH_S = 300.0

_ANOTHER_SERVER = (ConnectionFailed, NotFound, ProtocolError)
"""After these another program may answer at the address."""

Outcome = TypeVar("Outcome")


class RVCClient(AudioClient):
    """Voices from rvc-python, RVC-WebUI or Applio; the client detects which one it is.

    Conversions are serialised per server, because the loaded voice is global to it; so are trainings. One more worker
    runs conversions while a training waits. Conversions can't be re-joined or stopped; trainings of RVC-WebUI can.
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
        """Create a client; ``speakers`` are tried before those of this machine. The other arguments are those of
        ``AudioClient``.
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
        """Create the cache of the detected server, and the record of running conversions."""
        self._detected: tuple[Dialect, float] | None = None
        self._info: ServerInfo | None = None
        self._kept_runs: dict[str, ConversionRun] = {}
        self._own_locks: ServerLocks | None = None

    def probe(self) -> ServerInfo:
        """Return the server's dialect and voices.

        While the server converts for this process it does not respond: then the last result is returned, with ``busy``
        in the details.
        """
        from .detection import detect  # imported here: urllib3 costs 90 ms

        started = time.monotonic()
        server_lock = self._server_lock
        http = self.http.with_timeouts(first_byte_s=PROBE_PATIENCE_S)
        scope = http.free_scope()
        try:
            dialect = detect(http, scope, parse_sign_in(self._api_key))
            latency_s = time.monotonic() - started
            voices = dialect.voices(scope)
        except NetworkTimeout as error:
            if error.code == "connect":
                raise
            if server_lock.conversions.locked and self._info is not None:
                return ServerInfo(**{**vars(self._info), "details": {**self._info.details, "busy": True}})
            error.hint = "It may be busy: an RVC server does not respond while it converts. Try again later."
            raise
        self._forget_unless(dialect)
        details = {"f0_methods": list(dialect.f0_methods), "busy": False}
        self._info = ServerInfo(dialect.version, dialect.name, dialect.capabilities, tuple(voices), latency_s, details)
        return self._info

    def run(self, job: JobContext) -> Result:
        """Convert, speak or train."""
        conversion_run = self._make_run(job)
        return self._run_step(job, conversion_run, conversion_run.run)

    def rejoin(self, job: JobContext) -> Result:
        """Follow a running training; a conversion is lost, because servers keep no results."""
        result = None
        if job.state.get("dialect"):
            conversion_run = self._make_run(job)
            result = self._run_step(job, conversion_run, conversion_run.rejoin)
        if result is None:
            trains = isinstance(job.request, TrainRequest)
            raise outcome_unknown(
                "This RVC server keeps no record of its jobs, so the outcome is unknown.",
                "Check on its page whether it is still training." if trains else "It is safe to convert it again.",
            )
        return result

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Stop a training; a conversion can't be stopped, so wait for its end. The job holds the server lock until
        then.
        """
        conversion_run = self._kept_runs.pop(job.job_id, None)
        if conversion_run is None:
            return self._get_dialect(job).cancel(job)
        with closing(conversion_run):
            return conversion_run.dialect.cancel(job)

    def auth_headers(self) -> dict[str, str]:
        """Return the headers of every request; a key of the form NAME:PASSWORD signs in at Gradio's page instead."""
        headers = super().auth_headers()
        if parse_sign_in(self._api_key) is not None and "Authorization" not in self._headers:
            headers.pop("Authorization", None)
        return headers

    def _run_step(self, job: JobContext, conversion_run: ConversionRun, step: Callable[[], Outcome]) -> Outcome:
        from .uninterruptible import may_still_run

        try:
            return step()
        except BackendError as error:
            if may_still_run(error) and job.state.get("dialect"):
                self._kept_runs[job.job_id] = conversion_run
            if isinstance(error, _ANOTHER_SERVER) or error.code == "list_failed":
                self._detected = None
            raise

    def _make_run(self, job: JobContext) -> ConversionRun:
        from .conversion_run import ConversionRun

        dialect = self._get_dialect(job)
        if isinstance(job.request, TrainRequest):
            job.detachable = dialect.rejoins_training and self.server_outlives_us
        return ConversionRun(job, dialect, self.codec, self._server_lock, self._speakers)

    def _get_dialect(self, scope: Scope) -> Dialect:
        from .detection import detect

        detected = self._detected
        if detected is None or time.monotonic() - detected[1] > FRESH_S:
            detected = self._detected = (detect(self.http, scope, parse_sign_in(self._api_key)), time.monotonic())
        return detected[0]

    def _forget_unless(self, dialect: Dialect) -> None:
        """Detect the server again with the next job, unless it is still of this dialect."""
        detected = self._detected
        if detected is not None and detected[0].known_as != dialect.known_as:
            self._detected = None

    @property
    def _server_lock(self) -> ServerLocks:
        from .server_lock import get_locks

        if self._own_locks is None:
            self._own_locks = get_locks(self.url)
        return self._own_locks
