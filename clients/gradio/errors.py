"""What goes wrong with Gradio's functions, in words for people.

Facts: an error that the app raises on purpose comes with its text (within quotes from 4.x); of any other there is only
``null`` unless the app shows errors. Refused requests come with JSON, plain text or, from 5.x, a traceback.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..core.errors import (
    APIError,
    BackendError,
    GenerationError,
    MissingResource,
    OutOfMemory,
    Overloaded,
    PermissionDenied,
    ServerError,
    StreamInterrupted,
    ValidationError,
)
from ..core.json_fields import as_text
from ..core.memory_errors import is_out_of_memory
from ..http.response import Response
from .http import GradioHTTP

REFUSALS = (400, 403, 404, 422, 500, 503)
"""Statuses of an answer to a call that ``refusal_of`` reads."""

MAX_WORDS = 2000
_MIB = 1024 * 1024
_QUOTED = re.compile(r"""(['"])(.*)\1""", re.DOTALL)
_QUEUE_FULL = re.compile(r"Queue is full(?:\. Max size is (\d+))?", re.IGNORECASE)
"""Gradio's own words with a 503; any other 503 is of a proxy, which may have passed the call on."""


def failure_of(access: GradioHTTP, function: str, said: Any, title: Any = None) -> BackendError:
    """Return the error of a function that the server ran and that failed; ``said`` is what it tells of it."""
    text = said_text(said)
    context = {"server": access.server, "function": function, "title": _bounded(access, title)}
    if not text:
        return access.http.clean(
            GenerationError(
                f"{access.server} failed in {function} without giving a reason.",
                code="no_reason",
                hint="Its console has the details: it hides errors unless it is started with show_error.",
                context=context,
            )
        )
    out_of_memory = is_out_of_memory(text)
    text = _bounded(access, text)
    context["said"] = text
    if out_of_memory:
        return access.http.clean(
            OutOfMemory(
                f"The server has run out of memory: {text}",
                hint="Make it smaller or shorter, or close other programs that use the GPU, and try again.",
                context=context,
            )
        )
    return access.http.clean(
        GenerationError(f"The server reports: {text}", hint="Its console may have more about it.", context=context)
    )


def _bounded(access: GradioHTTP, said: Any) -> str:
    return access.http.redact(as_text(said))[:MAX_WORDS]


def said_text(said: Any) -> str:
    """Return the text of an error, without the quotes that Gradio 4 puts around it; empty if there is none."""
    if not isinstance(said, str):
        return ""
    text = said.strip()
    match = _QUOTED.fullmatch(text)
    return (match[2] if match else text).strip()


def refusal_of(access: GradioHTTP, response: Response, function: str) -> BackendError:
    """Read and close the answer to a call that the server has refused, and return its error."""
    return refusal(access, response.status, access.error_text(response), function)


def refusal(access: GradioHTTP, status: int, words: str, function: str) -> BackendError:
    """Return the error of a call that was answered with an error ``status``; ``words`` are the server's."""
    context = {"server": access.server, "function": function, "status": status}
    full = _QUEUE_FULL.search(words) if status == 503 else None
    if full is not None:
        error: BackendError = Overloaded(
            f"The server's queue is full{f' (maximum {full[1]})' if full[1] else ''}.",
            status=status,
            code="queue_full",
            hint="Wait until it has done some of its work, or raise its limit.",
            context=context,
        )
    elif status in (400, 422):
        error = ValidationError(
            f"The server did not accept the call of {function}: {words or f'status {status}'}.",
            code="refused",
            problems=(words,) if words else (),
            hint="Is the program's version one that is known?",
            context=context,
        )
    elif status == 404:
        error = MissingResource(
            f"{access.server} does not take calls of {function}{_after_colon(words)}",
            kind="function",
            name=function,
            hint="Is this the address of the right program?",
            context=context,
        )
    else:
        error = _failed(access, status, _last_line(words), function, context)
    return access.http.clean(error)


def _failed(access: GradioHTTP, status: int, words: str, function: str, context: dict[str, Any]) -> BackendError:
    kind = Overloaded if status == 503 else ServerError if status >= 500 else APIError
    return kind(
        f"{access.server} failed with status {status} when {function} was called{_after_colon(words)}",
        status=status,
        hint="It may have been restarted with another version; look at its console.",
        context=context,
        retryable=kind is Overloaded,
    )


def interrupted(access: GradioHTTP, session_hash: str, reason: str, *, gone: bool) -> StreamInterrupted:
    """Return the error of a call whose stream has ended; ``gone`` if the server does not know the session any more.

    Its context says ``session`` (``gone``, or ``unknown``: its State may still be there and can be asked for) and the
    ``session_hash``.
    """
    error = StreamInterrupted(
        f"The connection to the running job on {access.server} was lost: {reason}",
        code="session_gone" if gone else None,
        hint="Has the server stopped or been restarted? What it had made may still be there.",
        context={"server": access.server, "session": "gone" if gone else "unknown", "session_hash": session_hash},
    )
    access.http.clean(error)
    return error


def cancelled_there(access: GradioHTTP, function: str) -> GenerationError:
    """Return the error of a call that the server has ended without a result and without an error."""
    error = GenerationError(
        f"{access.server} has cancelled {function}.",
        code="cancelled_on_server",
        hint="It was cancelled there, or its connection was lost; start it again if it is still wanted.",
        context={"server": access.server, "function": function},
    )
    access.http.clean(error)
    return error


def too_large(access: GradioHTTP, path: Path, size: int, limit: str) -> ValidationError:
    """Return the error for a file that the server does not take because of its size."""
    error = ValidationError(
        f"{path.name} ({size / _MIB:.1f} MiB) is larger than the server's limit{limit}.",
        code="file_too_large",
        problems=(f"{path.name} is too large.",),
        hint="Use a smaller or shorter file, or raise the server's limit for uploads.",
        context={"server": access.server, "path": str(path)},
    )
    access.http.clean(error)
    return error


def not_handed_out(access: GradioHTTP, path: str, cause: PermissionDenied) -> PermissionDenied:
    """Return the error for a file that the server refuses to send."""
    error = PermissionDenied(
        f"The server does not hand out {path}.",
        status=cause.status,
        code="file_not_allowed",
        hint="It lies outside the folders that the program allows, or is not there any more.",
        context={"server": access.server, "path": path},
    )
    access.http.clean(error)
    return error


def _after_colon(words: str) -> str:
    return f": {words}" if words else "."


def _last_line(words: str) -> str:
    """Shorten a traceback to what it ends with."""
    return words.rpartition("File ")[2] if words.startswith("Traceback") else words
