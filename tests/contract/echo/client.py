"""The client of Echo 1.4.

Facts (recordings/echo-1.4): a job is sent under the client's own id and asked for by it; its end and its file are kept
until the server stops. The server does not look whether an id is known: sending twice says it twice.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar, cast
from urllib.parse import quote

from movie_director.clients.core.client import BaseAPIClient
from movie_director.clients.core.context import CancelContext, JobContext
from movie_director.clients.core.delivery import may_have_arrived
from movie_director.clients.core.errors import BackendError, NotFound
from movie_director.clients.core.model import BackendCancel, Result, ServerInfo
from movie_director.clients.core.options import ClientOptions
from movie_director.clients.core.request import Request
from movie_director.clients.core.scope import Scope
from movie_director.clients.http.download import download

from .errors import failure_of, job_lost, malformed, not_echo, outcome_unknown, refusal_of
from .request import EchoRequest

POLL_S = 0.05


@dataclass(frozen=True)
class Report:
    """What Echo says of a job: ``said`` of ``times``, and the name of its ``file`` once it is done."""

    state: str
    said: int
    times: int
    file: str
    error: str

    @property
    def ended(self) -> bool:
        """True once nothing more happens to the job."""
        return self.state in ("done", "failed", "cancelled")


class EchoClient(BaseAPIClient):
    """Has texts said by an Echo server. Jobs are found again after a lost connection or a crash (``rejoins``)."""

    name: ClassVar[str] = "echo"
    request_types: ClassVar[tuple[type[Request], ...]] = (EchoRequest,)
    default_options: ClassVar[ClientOptions] = ClientOptions(first_byte_timeout_s=30.0, drain_timeout_s=10.0)
    rejoins: ClassVar[bool] = True

    def probe(self) -> ServerInfo:
        """Ask the server for its version."""
        began = time.monotonic()
        answer = self.http.get_json("/version")
        latency_s = time.monotonic() - began
        if not isinstance(answer, dict) or answer.get("program") != "echo":
            raise not_echo(str(self.url))
        capabilities = frozenset({"cancel", "rejoin"})
        return ServerInfo(str(answer.get("version", "unknown")), "echo", capabilities, latency_s=latency_s)

    def run(self, job: JobContext) -> Result:
        """Send the job and wait for its end."""
        self._send(job)
        return self._follow(job)

    def rejoin(self, job: JobContext) -> Result:
        """Wait for the end of a job that may have been sent before; it is not sent again."""
        if not self._has(job):
            raise job_lost()
        return self._follow(job)

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Cancel the job and wait until Echo has stopped."""
        with self.http.request("DELETE", f"/jobs/{job.job_id}", scope=job, expect=(404,)) as answer:
            known = answer.status != 404
        while known and not self._report(job, job.job_id).ended:
            if not job.wait(POLL_S):
                return BackendCancel.FAILED
        return BackendCancel.CONFIRMED

    def _send(self, job: JobContext) -> None:
        """Send the job, at most once."""
        request = cast(EchoRequest, job.request)
        payload = {"id": job.job_id, "text": request.text, "times": request.times}
        job.sending()
        try:
            with self.http.post_json("/jobs", payload, scope=job) as answer:
                parse_report(self.http.json_of(answer))  # a login page answers with status 200 too
        except BackendError as error:
            job.check()
            if not may_have_arrived(error):
                job.not_sent()
                raise refusal_of(error) from error
            if not self._has_after(error, job):
                raise outcome_unknown(error) from error

    def _has_after(self, error: BackendError, job: JobContext) -> bool:
        """Return True if Echo has the job although the answer to it was lost with ``error``."""
        try:
            return self._has(job)
        except BackendError as second:
            job.check()
            raise outcome_unknown(second) from error

    def _has(self, job: JobContext) -> bool:
        """Ask whether Echo has the job."""
        with self.http.request("GET", f"/jobs/{job.job_id}", scope=job, expect=(404,)) as answer:
            return answer.status != 404

    def _follow(self, job: JobContext) -> Result:
        """Wait for the job's end and fetch its file."""
        job.submitted(job.job_id)
        while not (report := self._report(job, job.job_id)).ended:
            if report.state == "running":
                job.started()
                job.progress(report.said / report.times, step=report.said, total_steps=report.times)
            job.sleep(POLL_S)
        if report.state != "done":
            raise failure_of(report.error)
        path = f"/files/{quote(report.file, safe='')}"
        artifact = download(self.http, path, job.output_dir, report.file, scope=job)
        return Result((artifact,), metadata={"request": job.request.to_dict()})

    def _report(self, scope: Scope, job_id: str) -> Report:
        """Ask how far the job is; ``JobLost`` if Echo does not know it."""
        try:
            answer = self.http.get_json(f"/jobs/{job_id}", scope=scope)
        except NotFound as error:
            raise job_lost() from error
        return parse_report(answer)


def parse_report(answer: Any) -> Report:
    """Read what Echo says of a job; ``ProtocolError`` for what it would not say."""
    try:
        said, times = int(answer["said"]), max(1, int(answer["times"]))
        return Report(str(answer["state"]), said, times, str(answer["file"] or ""), str(answer["error"] or ""))
    except (KeyError, TypeError, ValueError) as error:
        raise malformed(answer) from error
