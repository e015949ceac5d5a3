"""Echo's refusals and failures as typed errors."""

from __future__ import annotations

from movie_director.clients.core.errors import (
    APIError,
    BackendError,
    GenerationError,
    JobLost,
    OutOfMemory,
    ProtocolError,
    ValidationError,
)
from movie_director.clients.core.memory_errors import is_out_of_memory

BACKEND = "echo"


def refusal_of(error: BackendError) -> BackendError:
    """Return the error of a request that Echo did not take: a 400 is about the request, the rest says enough."""
    if not isinstance(error, APIError) or error.status != 400:
        return error
    return ValidationError(
        error.message, problems=[error.message], backend=BACKEND, hint="Correct the request and send it again."
    )


def failure_of(text: str) -> GenerationError:
    """Return the error of a job that Echo ran and that failed; ``text`` is what Echo says."""
    if is_out_of_memory(text):
        return OutOfMemory(f"Echo has no memory left: {text}.", backend=BACKEND, hint="Say it fewer times.")
    return GenerationError(f"Echo failed: {text or 'it does not say why'}.", backend=BACKEND, hint="Try it again.")


def not_echo(url: str) -> ProtocolError:
    """Return the error for an address where another program answers."""
    return ProtocolError(
        f"{url} is no Echo server.", code="not_echo", backend=BACKEND, hint="Check the address in the preferences."
    )


def malformed(answer: object) -> ProtocolError:
    """Return the error for an answer that is not of the form that Echo 1.4 sends."""
    return ProtocolError(
        f"Echo's answer can't be read: {str(answer)[:100]}.",
        code="bad_answer",
        backend=BACKEND,
        hint="Its version may be newer than Movie Director knows; please report it.",
    )


def job_lost() -> JobLost:
    """Return the error for a job that Echo had and has no more."""
    return JobLost("Echo does not know the job any more.", backend=BACKEND, hint="Was it restarted? Send it again.")


def outcome_unknown(error: BackendError) -> JobLost:
    """Return the error for a job of which nobody can tell whether Echo has it."""
    return JobLost(
        f"The connection to Echo failed, and it can't be told whether it has the job: {error.message}",
        code="outcome_unknown",
        backend=BACKEND,
        hint="Look at Echo before you send it again.",
    )
