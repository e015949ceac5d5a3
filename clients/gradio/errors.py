"""Typed errors for the failures of Gradio functions.

Facts: an error that the app raises on purpose comes with its text (in quotes from 4.x); any other is ``null`` unless
the app shows errors. Rejected requests come with JSON, plain text or, from 5.x, a traceback.
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
from ..core.foreign_text import cut_middle
from ..core.json_fields import as_text
from ..core.memory_errors import is_out_of_memory
from ..http.response import Response
from .http import GradioHTTP

REFUSALS = (400, 403, 404, 422, 500, 503)
"""Error statuses that ``read_call_error`` handles."""

MAX_WORDS = 2000
_MIB = 1024 * 1024
_QUOTED = re.compile(r"""(['"])(.*)\1""", re.DOTALL)
_QUEUE_FULL = re.compile(r"Queue is full(?:\. Max size is (\d+))?", re.IGNORECASE)
"""Gradio's own text with a 503; any other 503 is of a proxy, which may have passed the call on."""


def make_function_error(access: GradioHTTP, function: str, reported: Any, title: Any = None) -> BackendError:
    """Return the error of a function that ran and failed; ``reported`` is the server's error value."""
    text = get_error_text(access.http.redact(as_text(reported)))
    context = {"server": access.server, "function": function, "title": _shorten(access, title)}
    if not text:
        return access.http.clean(
            GenerationError(
                f"{access.server} failed in {function} without giving a reason.",
                code="no_reason",
                hint="Its console has the details: the program hides errors unless it is started with show_error.",
                context=context,
            )
        )
    out_of_memory = is_out_of_memory(text)
    text = _shorten(access, text)
    context["reported"] = text
    if out_of_memory:
        return access.http.clean(
            OutOfMemory(
                f"The server ran out of memory: {text}",
                hint="Use a smaller size or a shorter length, or close other programs that use the GPU, and try again.",
                context=context,
            )
        )
    return access.http.clean(
        GenerationError(f"The server reports: {text}", hint="Its console may have more details.", context=context)
    )


def _shorten(access: GradioHTTP, reported: Any) -> str:
    return access.http.redact(as_text(reported))[:MAX_WORDS]


def get_error_text(reported: Any) -> str:
    """Return the text of an error, without the quotes that Gradio 4 adds; empty if there is none."""
    text = cut_middle(as_text(reported)).strip()
    match = _QUOTED.fullmatch(text)
    return (match[2] if match else text).strip()


def read_call_error(access: GradioHTTP, response: Response, function: str) -> BackendError:
    """Read and close the response to a rejected call, and return its error."""
    return make_call_error(access, response.status, access.error_text(response), function)


def make_call_error(access: GradioHTTP, status: int, text: str, function: str) -> BackendError:
    """Return the error of a call that was answered with an error ``status`` and a ``text``."""
    context = {"server": access.server, "function": function, "status": status}
    full = _QUEUE_FULL.search(text) if status == 503 else None
    if full is not None:
        error: BackendError = Overloaded(
            f"The server's queue is full{f' (maximum {full[1]})' if full[1] else ''}.",
            status=status,
            code="queue_full",
            hint="Wait until some of its jobs are done, or raise its limit.",
            context=context,
        )
    elif status in (400, 422):
        error = ValidationError(
            f"The server rejected the call of {function}: {text or f'status {status}'}.",
            code="refused",
            problems=(text,) if text else (),
            hint="Is the program's version supported?",
            context=context,
        )
    elif status == 404:
        error = MissingResource(
            f"{access.server} does not accept calls of {function}{_after_colon(text)}",
            kind="function",
            name=function,
            hint="Is this the address of the right program?",
            context=context,
        )
    else:
        error = _make_server_error(access, status, _last_line(text), function, context)
    return access.http.clean(error)


def _make_server_error(
    access: GradioHTTP, status: int, text: str, function: str, context: dict[str, Any]
) -> BackendError:
    kind = Overloaded if status == 503 else ServerError if status >= 500 else APIError
    return kind(
        f"{access.server} failed with status {status} when {function} was called{_after_colon(text)}",
        status=status,
        hint="It may have been restarted with another version; check its console.",
        context=context,
        retryable=kind is Overloaded,
    )


def make_stream_error(access: GradioHTTP, session_hash: str, reason: str, *, gone: bool) -> StreamInterrupted:
    """Return the error of a call whose stream has ended; ``gone`` if the server no longer knows the session.

    Its context has ``session`` (``gone``, or ``unknown``: its State may still exist and can be fetched) and the
    ``session_hash``.
    """
    error = StreamInterrupted(
        f"The connection to the running job on {access.server} was lost: {reason}",
        code="session_gone" if gone else None,
        hint="Did the server stop or restart? Files that it had made may still be there.",
        context={"server": access.server, "session": "gone" if gone else "unknown", "session_hash": session_hash},
    )
    access.http.clean(error)
    return error


def cancelled_on_server(access: GradioHTTP, function: str) -> GenerationError:
    """Return the error of a call that the server has ended without a result or an error."""
    error = GenerationError(
        f"{access.server} cancelled {function}.",
        code="cancelled_on_server",
        hint="It was cancelled on the server, or its connection was lost; start it again if you still need it.",
        context={"server": access.server, "function": function},
    )
    access.http.clean(error)
    return error


def too_large(access: GradioHTTP, path: Path, size: int, limit: str) -> ValidationError:
    """Return the error for a file that exceeds the server's limit."""
    error = ValidationError(
        f"{path.name} ({size / _MIB:.1f} MiB) is larger than the server's limit{limit}.",
        code="file_too_large",
        problems=(f"{path.name} is too large.",),
        hint="Use a smaller or shorter file, or raise the server's limit for uploads.",
        context={"server": access.server, "path": str(path)},
    )
    access.http.clean(error)
    return error


def file_not_allowed(access: GradioHTTP, path: str, cause: PermissionDenied) -> PermissionDenied:
    """Return the error for a file that the server refuses to send."""
    error = PermissionDenied(
        f"The server refuses to send {path}.",
        status=cause.status,
        code="file_not_allowed",
        hint="The file is outside the folders that the program allows, or no longer exists.",
        context={"server": access.server, "path": path},
    )
    access.http.clean(error)
    return error


def _after_colon(text: str) -> str:
    return f": {text}" if text else "."


def _last_line(text: str) -> str:
    """Return the last line of a traceback."""
    return text.rpartition("File ")[2] if text.startswith("Traceback") else text
