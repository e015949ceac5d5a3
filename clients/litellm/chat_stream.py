"""One chat completion: send the request, retry it before the first token only, read the stream, type its errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.context import JobContext
from ..core.delivery import may_have_arrived
from ..core.errors import BackendError, ConnectionLost, GenerationError, JobCancelled, StreamInterrupted
from ..core.model import Result
from ..http.json_decode import decode_json
from ..http.redaction import redact_json
from ..http.response import Response
from ..http.retry import RetryPolicy
from ..http.session import ERROR_BODY_BYTES
from ..http.sse import EventStreamParser, ServerSentEvent, batches
from ..http.transport import Timeouts
from .completion import Completion, StreamFailure
from .errors import RequestContext, make_error, make_stream_error, parse_refusal
from .payload import encode_body
from .server_info import ERRORS, LITELLM, Profile, ServerProfileCache, remove_secrets

if TYPE_CHECKING:
    from ..http.session import HTTPSession

PATH = "/v1/chat/completions"
DONE = "[DONE]"
_HEADERS = {"Content-Type": "application/json", "Accept": "text/event-stream"}

Emit = Callable[[str], None]


@dataclass(frozen=True)
class _Refused:
    """An error status before the first token; ``from_server`` if the body was the server's own error object."""

    error: BackendError
    from_server: bool


@dataclass(frozen=True)
class ChatStream:
    """Requests completions from one server for one job. All methods block; for the job's worker thread."""

    http: HTTPSession
    job: JobContext
    profile_cache: ServerProfileCache
    profile: Profile

    def ask(self, body: dict[str, Any], emit: Emit) -> Completion:
        """Return the complete answer; its text goes to ``emit`` as it arrives.

        Errors before the first token that may pass are retried. Later errors carry the text so far in ``partial``. A
        lost connection or a proxy's error page is not retried: the server may be working on the first request.
        """
        data = encode_body(body)
        attempt = 0
        while True:
            answer = self._ask_once(str(body["model"]), data, emit)
            if isinstance(answer, Completion):
                return answer
            pause = self._pause_s(attempt, answer)
            if pause is None:
                raise answer.error
            self.job.message(f"{answer.error.message} Trying again in {pause:.0f} s.")
            attempt += 1
            self.job.sleep(pause)

    def _pause_s(self, attempt: int, refused: _Refused) -> float | None:
        """Return the seconds to wait before the next retry, None to give up."""
        error = refused.error
        if not error.retryable or error.code == "upstream_unreachable":
            return None
        if may_have_arrived(error, from_server=refused.from_server):
            return None
        return RetryPolicy.of(self.job.options).pause_s(attempt, error, repeatable=True)

    def _ask_once(self, model: str, data: list[bytes], emit: Emit) -> Completion | _Refused:
        self.job.message(f"Waiting for {model}")
        where = RequestContext(
            str(self.http.url), model, self.profile_cache.has_key, self.profile.names, self.profile.dialect == LITELLM
        )
        with self._send(data) as response:
            if response.status >= 400:
                body = remove_secrets(response.start(ERROR_BODY_BYTES), self.http)
                refusal = parse_refusal(response.status, body, response.content_type)
                error = self.http.clean(make_error(refusal, where, response.headers))
                return _Refused(error, from_server=not refusal.plain)
            self._mark_accepted(response)
            return _Reading(self, where, emit).read(response)

    def _send(self, data: list[bytes]) -> Response:
        """Send the request and wait for the response head; after a cancel the job stays in ``unanswered``."""
        unanswered, job_id = self.profile_cache.unanswered, self.job.job_id
        unanswered.add(job_id)
        try:
            response = self.http.request(
                "POST", PATH, scope=self.job, body=data, headers=_HEADERS, expect=ERRORS, timeouts=self._timeouts()
            )
        except JobCancelled:
            raise
        except BackendError:
            unanswered.discard(job_id)
            raise
        unanswered.discard(job_id)
        return response

    def _mark_accepted(self, response: Response) -> None:
        headers = response.headers
        self.profile_cache.note_version(headers.get("x-litellm-version"))
        if self.job.backend_id is None:
            self.job.submitted(headers.get("x-litellm-call-id") or headers.get("x-request-id") or self.job.job_id)
        self.job.started()
        self.job.message("Writing")

    def _timeouts(self) -> Timeouts:
        """Return the time-outs of the stream; none is longer than the job's time limit."""
        options = self.job.options
        whole = options.job_timeout_s or float("inf")
        return Timeouts(
            options.connect_timeout_s,
            min(options.first_byte_timeout_s, whole),
            min(options.stream_idle_timeout_s, whole),
        )


class _Reading:
    """Reads one answer from its response."""

    def __init__(self, exchange: ChatStream, where: RequestContext, emit: Emit) -> None:
        self._exchange = exchange
        self._job = exchange.job
        self._where = where
        self._emit = emit
        self._answer = Completion()

    def read(self, response: Response) -> Completion:
        answer = self._answer
        try:
            if response.content_type == "text/event-stream":
                done = self._read_stream(response)
            else:
                self._take([answer.take(self._exchange.http.json_of(response))])
                done = True
            self._take([answer.finish()])
            self._check_end(done)
        except StreamFailure as failure:
            reported = redact_json(failure.error, self._exchange.http.redact)
            raise self._attach_partial(make_stream_error(reported, self._where)) from None
        except ConnectionLost as error:
            raise self._attach_partial(
                self._job_end() or self._interrupted_stream_error("was cut off: the connection ended")
            ) from error
        except BackendError as error:
            raise self._attach_partial(self._job_end() or error) from error.__cause__
        return answer

    def _read_stream(self, response: Response) -> bool:
        """Read until the end marker; return True if it arrived."""
        for events in batches(response.available(), EventStreamParser()):
            self._job.check()
            if self._take_events(events):
                return True
        return False

    def _take_events(self, events: list[ServerSentEvent]) -> bool:
        texts: list[str] = []
        try:
            for event in events:
                if event.data == DONE:
                    return True
                texts.append(self._answer.take(decode_json(event.data)))
        finally:
            self._take(texts)
        return False

    def _take(self, texts: list[str]) -> None:
        text = "".join(texts)
        if text:
            self._emit(text)

    def _check_end(self, done: bool) -> None:
        answer = self._answer
        if not answer.finish_reason:
            raise self._interrupted_stream_error("ended without a finish reason")
        if not done:
            raise self._interrupted_stream_error("ended without an end marker")
        if answer.text or answer.tool_calls:
            return
        if answer.finish_reason == "content_filter":
            raise GenerationError(
                f"The provider's content policy withheld the answer of {self._where.model}.",
                code="content_policy",
                hint="Rephrase it, or choose another model.",
            )
        thought = "only reasoned and wrote no answer" if answer.reasoning else "returned nothing"
        raise GenerationError(
            f"{self._where.model} {thought}.",
            code="empty_answer",
            hint="The prompt may be too long for it; shorten it, or allow more tokens.",
        )

    def _job_end(self) -> BackendError | None:
        """Return the error that ended the job, if any; it comes before the error that this caused in the stream."""
        try:
            self._job.check()
        except BackendError as error:
            return error
        return None

    def _interrupted_stream_error(self, how: str) -> StreamInterrupted:
        return StreamInterrupted(
            f"The answer of {self._where.model} {how}.",
            hint="The text that had arrived is kept. Try again.",
            context={"server": self._where.server, "model": self._where.model},
        )

    def _attach_partial(self, error: BackendError) -> BackendError:
        answer = self._answer
        self._take([answer.finish()])
        text = answer.text
        if text or answer.reasoning or answer.tool_calls:
            error.partial = Result(text=text, usage=answer.usage, metadata=describe_completion(answer))
        return self._exchange.http.clean(error)


def describe_completion(answer: Completion) -> dict[str, Any]:
    """Return the metadata of an answer: its end, reasoning, tool calls and model."""
    return {
        "finish_reason": answer.finish_reason,
        "reasoning": answer.reasoning,
        "tool_calls": answer.tool_calls,
        "answered_by": answer.model,
    }
