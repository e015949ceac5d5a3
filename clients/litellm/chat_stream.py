"""One request for an answer and its stream: sent, retried before the first token only, read, its failures typed."""

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
from .errors import RequestContext, failure_in_stream, failure_of, refusal_of
from .payload import encoded
from .server_info import ERRORS, LITELLM, Profile, ServerProfileCache, without_secrets

if TYPE_CHECKING:
    from ..http.session import HTTPSession

PATH = "/v1/chat/completions"
DONE = "[DONE]"
_HEADERS = {"Content-Type": "application/json", "Accept": "text/event-stream"}

Emit = Callable[[str], None]


@dataclass(frozen=True)
class _Refused:
    """An error status before the first token; ``from_server`` if it came as the server's own error object."""

    error: BackendError
    from_server: bool


@dataclass(frozen=True)
class ChatStream:
    """Asks one server for answers on behalf of one job. All methods block; on the job's worker thread."""

    http: HTTPSession
    job: JobContext
    knowledge: ServerProfileCache
    profile: Profile

    def ask(self, body: dict[str, Any], emit: Emit) -> Completion:
        """Return the whole answer; its text goes to ``emit`` as it comes.

        What the server refused before the first token, for reasons that pass, is asked again. Errors after it carry
        what had arrived in ``partial``. A lost connection or a proxy's error page is not repeated: the server may be at
        work on the first request.
        """
        data = encoded(body)
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
        """Return the seconds to wait before asking again, None to give up."""
        error = refused.error
        if not error.retryable or error.code == "upstream_unreachable":
            return None
        if may_have_arrived(error, from_server=refused.from_server):
            return None
        return RetryPolicy.of(self.job.options).pause_s(attempt, error, repeatable=True)

    def _ask_once(self, model: str, data: list[bytes], emit: Emit) -> Completion | _Refused:
        self.job.message(f"Waiting for {model}")
        where = RequestContext(
            str(self.http.url), model, self.knowledge.has_key, self.profile.names, self.profile.dialect == LITELLM
        )
        with self._answered(data) as response:
            if response.status >= 400:
                body = without_secrets(response.start(ERROR_BODY_BYTES), self.http)
                refusal = refusal_of(response.status, body, response.content_type)
                error = self.http.clean(failure_of(refusal, where, response.headers))
                return _Refused(error, from_server=not refusal.plain)
            self._accepted(response)
            return _Reading(self, where, emit).read(response)

    def _answered(self, data: list[bytes]) -> Response:
        """Send the request and wait until it is answered; a job that was cancelled meanwhile stays unanswered."""
        unanswered, job_id = self.knowledge.unanswered, self.job.job_id
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

    def _accepted(self, response: Response) -> None:
        headers = response.headers
        self.knowledge.note_version(headers.get("x-litellm-version"))
        if self.job.backend_id is None:
            self.job.submitted(headers.get("x-litellm-call-id") or headers.get("x-request-id") or self.job.job_id)
        self.job.started()
        self.job.message("Writing")

    def _timeouts(self) -> Timeouts:
        """Return the limits of silence; none is longer than the whole job may take."""
        options = self.job.options
        whole = options.job_timeout_s or float("inf")
        return Timeouts(
            options.connect_timeout_s,
            min(options.first_byte_timeout_s, whole),
            min(options.stream_idle_timeout_s, whole),
        )


class _Reading:
    """Reads one answer."""

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
            raise self._with_partial(failure_in_stream(reported, self._where)) from None
        except ConnectionLost as error:
            raise self._with_partial(self._ended() or self._cut("was cut off: the connection ended")) from error
        except BackendError as error:
            raise self._with_partial(self._ended() or error) from error.__cause__
        return answer

    def _read_stream(self, response: Response) -> bool:
        """Read until the end mark; whether it came."""
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
            raise self._cut("ended without saying that it is finished")
        if not done:
            raise self._cut("ended without its end mark")
        if answer.text or answer.tool_calls:
            return
        if answer.finish_reason == "content_filter":
            raise GenerationError(
                f"The provider's content policy withheld the answer of {self._where.model}.",
                code="content_policy",
                hint="Say it in other words, or choose another model.",
            )
        thought = "thought, but wrote no answer" if answer.reasoning else "returned nothing"
        raise GenerationError(
            f"{self._where.model} {thought}.",
            code="empty_answer",
            hint="The prompt may be too long for it; shorten it, or allow more tokens.",
        )

    def _ended(self) -> BackendError | None:
        """Return why the job was ended from outside, if it was: not what that did to the stream is the error."""
        try:
            self._job.check()
        except BackendError as error:
            return error
        return None

    def _cut(self, how: str) -> StreamInterrupted:
        return StreamInterrupted(
            f"The answer of {self._where.model} {how}.",
            hint="What had come is kept. Try again.",
            context={"server": self._where.server, "model": self._where.model},
        )

    def _with_partial(self, error: BackendError) -> BackendError:
        answer = self._answer
        self._take([answer.finish()])
        text = answer.text
        if text or answer.reasoning or answer.tool_calls:
            error.partial = Result(text=text, usage=answer.usage, metadata=said_of(answer))
        return self._exchange.http.clean(error)


def said_of(answer: Completion) -> dict[str, Any]:
    """Return what a result's metadata say of an answer beside its text."""
    return {
        "finish_reason": answer.finish_reason,
        "reasoning": answer.reasoning,
        "tool_calls": answer.tool_calls,
        "answered_by": answer.model,
    }
