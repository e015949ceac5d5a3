"""A Cog server's HTTP calls, of both generations: the Rust one (0.17 and later) and the Python one before it.

Both answer a failed run with status 200; rejections are ``{"detail": ...}`` or ``{"error": ...}``. Seen on 0.23.1 and
0.9.25.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.delivery import may_have_arrived
from ...core.errors import BackendError, GenerationError, OutOfMemory, Overloaded, ProtocolError, ValidationError
from ...core.json_fields import as_list, as_text, get_member, get_objects
from ...core.memory_errors import is_out_of_memory
from ...http.error_text import error_text
from ...http.redaction import Redact, redact_json
from ...http.session import ERROR_BODY_BYTES
from ...http.transport import Timeouts

if TYPE_CHECKING:
    from ...core.scope import Scope
    from ...http.session import HTTPSession

HEALTHS = frozenset({"UNKNOWN", "STARTING", "READY", "BUSY", "SETUP_FAILED", "DEFUNCT", "UNHEALTHY"})
ASYNC = {"Prefer": "respond-async"}
LOADING = frozenset({"STARTING", "UNKNOWN"})
BUSY_STATUSES = frozenset({409, 503})
_ANY_ERROR = range(400, 600)
_REFUSAL_MEMBERS = frozenset({"detail", "error"})


@dataclass(frozen=True)
class Health:
    """The response of ``/health-check``; ``log`` is the log of loading the model."""

    status: str
    log: str = ""

    @property
    def broken(self) -> bool:
        """True if the model failed to load: the server will never make a sound."""
        return self.status in ("SETUP_FAILED", "DEFUNCT")


@dataclass(frozen=True)
class Prediction:
    """The response of a call that creates or observes a run."""

    status: int
    value: Any = None
    text: str = ""

    @property
    def busy(self) -> bool:
        """True if the server itself reports that it is busy; after a proxy's 503 the server may have the run."""
        own_error = isinstance(self.value, Mapping) and not self.value.keys().isdisjoint(_REFUSAL_MEMBERS)
        return self.status in BUSY_STATUSES and not may_have_arrived(refused(self), from_server=own_error)

    @property
    def run(self) -> Mapping[str, Any]:
        """The state of the run; ``ProtocolError`` for another response."""
        if isinstance(self.value, Mapping) and isinstance(self.value.get("status"), str):
            return self.value
        raise ProtocolError(
            "The server's response is not the state of a prediction.",
            code="not_a_run",
            hint="Is this the address of a Cog server? There may be a proxy in front of it.",
        )


class CogAPI:
    """The calls. ``quick_s`` is the time-out of the small ones, ``run_s`` of the one that waits for a sound."""

    def __init__(self, http: HTTPSession, *, quick_s: float) -> None:
        connect_s, read_s = http.timeouts.connect_s, http.timeouts.read_s
        self._http = http
        self._quick = Timeouts(connect_s, min(quick_s, http.timeouts.first_byte_s), read_s)

    def health(self, scope: Scope | None) -> Health:
        """Get the state of the model; ``ProtocolError`` if this is no Cog server."""
        value = self._get("/health-check", scope)
        found = parse_health(value, self._http.redact)
        if found is None:
            raise ProtocolError(
                f"{self._http.url} does not respond like a Cog server.",
                code="not_cog",
                hint="Is this the address of the sound server?",
            )
        return found

    def _get(self, path: str, scope: Scope | None) -> Any:
        with self._http.request("GET", path, scope=scope, timeouts=self._quick) as response:
            return self._http.json_of(response)

    def create(self, run_id: str, body: Mapping[str, Any], scope: Scope, *, wait: bool) -> Prediction:
        """Create a run with the id ``run_id``; with ``wait`` the response comes at its end. Never sent twice."""
        headers = {} if wait else ASYNC
        return self._put(run_id, body, scope, headers, self._http.timeouts if wait else self._quick)

    def observe(self, run_id: str, scope: Scope) -> Mapping[str, Any] | None:
        """Return the state of a current run, None if it has ended.

        A Cog server answers a PUT of a running id with its state before it checks the input. So an empty input, which
        it rejects for lack of a prompt, can't start another run if this one has just ended.
        """
        answer = self._put(run_id, {"input": {}}, scope, ASYNC, self._quick)
        return answer.run if answer.status == 202 else None

    def cancel(self, run_id: str, scope: Scope) -> bool:
        """Cancel the run; return False if the server does not know its id (any more)."""
        path = f"/predictions/{run_id}/cancel"
        with self._http.request("POST", path, scope=scope, expect=(404,), timeouts=self._quick, body=b"") as response:
            response.start(ERROR_BODY_BYTES)
            return response.status != 404

    def _put(
        self, run_id: str, body: Mapping[str, Any], scope: Scope, headers: Mapping[str, str], timeouts: Timeouts
    ) -> Prediction:
        with self._http.request(
            "PUT",
            f"/predictions/{run_id}",
            scope=scope,
            body=json.dumps(body, allow_nan=False).encode(),
            headers={"Content-Type": "application/json", **headers},
            expect=_ANY_ERROR,
            repeatable=False,
            timeouts=timeouts,
        ) as response:
            if response.status < 400:
                return Prediction(response.status, self._http.json_of(response))
            if response.status in (401, 403, 404, 429):
                raise self._http.error_of(response)
            data = response.start(ERROR_BODY_BYTES)
            redact = self._http.redact
            return Prediction(response.status, _json(data, redact), error_text(data, response.content_type, redact))


def parse_health(value: Any, redact: Redact) -> Health | None:
    """Parse a response of ``/health-check``; None for other content."""
    if not isinstance(value, Mapping) or value.get("status") not in HEALTHS:
        return None
    return Health(str(value["status"]), redact(as_text(get_member(value, "setup", "logs"))))


def setup_failed(health: Health) -> BackendError:
    """Return the error for a server that could not load its model."""
    lines = [line.strip() for line in health.log.splitlines() if line.strip()]
    detail = f": {lines[-1][:300]}" if lines else "."
    return GenerationError(
        f"The server could not load its model{detail}",
        code="setup_failed",
        hint="Check the log of the server's container, then restart it.",
        context={"health": health.status, "log": "\n".join(lines[-20:])},
    )


def refused(answer: Prediction) -> BackendError:
    """Return the typed error for a rejected run."""
    if answer.status in BUSY_STATUSES:
        return Overloaded(
            "The server is busy with another sound.", status=answer.status, hint="Try again when it is done."
        )
    problems = parse_problems(answer.value)
    if answer.status in (400, 422):
        text = " ".join(problems) or answer.text
        return ValidationError(
            f"The server rejected the request: {text}",
            problems=problems or [answer.text],
            hint="Correct the inputs that it names.",
            context={"status": answer.status},
        )
    return failed(answer.text or f"status {answer.status}", "", str)


def failed(error: object, log: str, redact: Redact) -> BackendError:
    """Return the typed error for a failed run; ``error`` is the server's, ``log`` the last line of the run's log.

    ``redact`` removes secrets: a model may print its arguments.
    """
    reason = str(error) if error else log
    reason = reason.removeprefix("Prediction failed: ").removeprefix("Prediction failed: ")
    text = error_text(reason.encode(), "text/plain", redact) or "it gave no reason"
    if is_out_of_memory(reason, log):
        return OutOfMemory(
            f"The server does not have enough GPU memory: {text}",
            hint="Ask for a shorter duration or fewer candidates, or free memory on the server.",
        )
    return GenerationError(f"The server failed to make the sound: {text}", hint="Check the server's log.")


def parse_problems(value: Any) -> list[str]:
    """Return FastAPI's problems with a request, one sentence a field."""
    found = []
    for each in get_objects(get_member(value, "detail")):
        steps = [str(step) for step in as_list(each.get("loc")) if step not in ("body", "input")]
        found.append(f"{'.'.join(steps) or 'request'}: {each.get('msg', '')}.")
    return found


def _json(data: bytes, redact: Redact) -> Any:
    try:
        return redact_json(json.loads(data), redact)
    except (ValueError, RecursionError):
        return None
