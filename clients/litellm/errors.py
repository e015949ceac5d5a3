"""Maps error responses of LiteLLM, and of servers like it, to typed errors.

LiteLLM sends ``{"error": {"message", "type", "param", "code"}}`` with the status as a text in ``code``, FastAPI's
``{"detail": ...}`` for its own routes, and plain text for its own failures; LM Studio sends ``{"error": "text"}``.
Several failures share one status and differ only by message. Seen on LiteLLM 1.106.2 and 1.109.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import (
    APIError,
    AuthenticationError,
    BackendError,
    ContextWindowExceeded,
    GenerationError,
    MissingResource,
    NetworkTimeout,
    NotFound,
    OutOfMemory,
    Overloaded,
    PermissionDenied,
    RateLimited,
    ServerError,
    StreamInterrupted,
    ValidationError,
)
from ..core.foreign_text import cut_middle
from ..core.json_fields import as_int, parse_int
from ..core.memory_errors import is_out_of_memory
from ..core.request import nearest_names
from ..http.error_text import error_text
from ..http.retry import retry_after_s

_TAIL = re.compile(r"LiteLLM: model group|Set 'context_window_fallback'|Deployment Info:|\nmodel=")
_HEAD = re.compile(r"^(?:Invalid request format: )?(?:(?:litellm\.)?\w*(?:Error|Exception|Timeout)(?:: | - ))*")
_CONTEXT = re.compile(
    r"ContextWindowExceeded|context_length_exceeded|exceed_context_size|maximum context length|context length exceeded"
    r"|exceeds? the (?:available |model's )?context|context size has been exceeded|prompt is too long"
    r"|when (?:the )?context (?:the )?overflows|tokens to keep from the initial prompt is greater"
    r"|longer than the maximum model length",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"(?:maximum model length of|context (?:size|window|length)(?: is| of)?(?: only)?|n_ctx\W*) ?\(?(\d[\d,]{2,})"
    r"|> ?(\d[\d,]{2,}) maximum",
    re.IGNORECASE,
)
_NEEDED = re.compile(
    r"(?:resulted in|requested) (\d[\d,]{0,20}) tokens|prompt \(length (\d[\d,]{0,20})\)|(\d[\d,]{0,20}) tokens >",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"no healthy deployments|invalid model name|model .{0,200}(?:not found|does not exist|not available)"
    r"|model_not_found|no model named",
    re.IGNORECASE,
)
_POLICY = re.compile(r"ContentPolicyViolation|content_filter|content management policy", re.IGNORECASE)
_TIMEOUT = re.compile(r"litellm\.Timeout|Timeout on reading|timed out", re.IGNORECASE)
_UNREACHABLE = re.compile(
    r"Connection error|Cannot connect to host|connection refused|Server disconnected", re.IGNORECASE
)
_CUT = re.compile(r"payload is not completed|incomplete chunked read|peer closed connection", re.IGNORECASE)
_MOST_NAME = 200
_FORMAT = re.compile(r"response_format|json_schema|json_object|structured output|Invalid schema", re.IGNORECASE)


@dataclass(frozen=True)
class RequestContext:
    """The server and model of a request; ``has_key`` is True if a key was sent, ``models`` are the server's model
    names.
    """

    server: str
    model: str = ""
    has_key: bool = False
    models: Iterable[str] = field(default=())
    litellm: bool = True


@dataclass(frozen=True)
class Refusal:
    """A parsed error response; ``message`` is complete, for pattern matching, ``text`` is for people."""

    status: int
    message: str
    kind: str = ""
    param: str = ""
    limit: int | None = None
    needed: int | None = None
    plain: bool = False

    @property
    def text(self) -> str:
        """The message without LiteLLM's wrapping, on one line."""
        own = _TAIL.split(self.message, maxsplit=1)[0].rstrip()
        return error_text(_HEAD.sub("", own).encode(), "text/plain", str)


def parse_refusal(status: int, body: bytes, content_type: str) -> Refusal:
    """Parse an error response in any of its three shapes."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return Refusal(status, error_text(body, content_type, str), plain=True)
    if isinstance(value, Mapping):
        value = value.get("error") or value.get("detail") or value
    return parse_error_object(status, value)


def parse_error_object(status: int, error: Any) -> Refusal:
    """Parse an error object from a response or from a chunk of a stream."""
    if not isinstance(error, Mapping):
        message = error if isinstance(error, str) else _join_problems(error)
        return Refusal(status, cut_middle(message))
    if isinstance(error.get("error"), (str, Mapping)):
        return parse_error_object(status, error["error"])
    code = str(error.get("code", ""))
    number = parse_int(code)
    return Refusal(
        number if number is not None and len(code) == 3 else status,
        cut_middle(str(error.get("message") or error)),
        cut_middle(f"{error.get('type') or ''} {'' if code.isdigit() else code}".strip(), _MOST_NAME),
        cut_middle(str(error.get("param") or ""), _MOST_NAME),
        as_int(error.get("n_ctx")),
        as_int(error.get("n_prompt_tokens")),
    )


def make_error(refusal: Refusal, where: RequestContext, headers: Mapping[str, str]) -> BackendError:
    """Return the typed error for a response with an error status."""
    pause = get_retry_pause_s(headers)
    context = {"server": where.server, "status": refusal.status, "model": where.model, "retry_after_s": pause}
    call_id = headers.get("x-litellm-call-id")
    if call_id:
        context["call_id"] = call_id
    return (
        _key_error(refusal, where, context)
        or _content_error(refusal, where, context)
        or _status_error(refusal, where, context)
    )


def make_stream_error(error: Any, where: RequestContext) -> BackendError:
    """Return the typed error for an error object in the middle of a stream."""
    refusal = parse_error_object(500, error)
    context = {"server": where.server, "model": where.model}
    if refusal.status == 408 or _TIMEOUT.search(refusal.message):
        return NetworkTimeout(
            f"{where.model} stopped in the middle of its answer: {refusal.text}",
            code="stream_idle",
            hint="The server's own time limit was reached; is the model overloaded?",
            context=context,
        )
    if _UNREACHABLE.search(refusal.message) or _CUT.search(refusal.message):
        return StreamInterrupted(
            f"{where.server} lost the backend of {where.model} in the middle of the answer: {refusal.text}",
            hint="Is Ollama, llama.cpp or whichever program runs the model still running? Try again.",
            context=context,
        )
    return _content_error(refusal, where, context) or GenerationError(
        f"{where.model} failed in the middle of its answer: {refusal.text}",
        hint="Check the log of the server that runs the model.",
        context=context,
    )


def get_retry_pause_s(headers: Mapping[str, str]) -> float | None:
    """Return the retry pause in seconds from the headers of the server, or of the provider behind LiteLLM."""
    for prefix in ("", "llm_provider-"):
        exact_ms = parse_int(headers.get(f"{prefix}retry-after-ms", ""))
        if exact_ms is not None:
            return exact_ms / 1000
        pause = retry_after_s(headers.get(f"{prefix}retry-after"))
        if pause is not None:
            return pause
    return None


def is_format_refusal(error: BackendError) -> bool:
    """Return True if the server rejected the requested response format."""
    return isinstance(error, ValidationError) and error.code == "format_refused"


def _key_error(refusal: Refusal, where: RequestContext, context: dict[str, Any]) -> BackendError | None:
    status, message = refusal.status, refusal.message
    if status == 401 and message.startswith("litellm.AuthenticationError"):
        return AuthenticationError(
            f"The provider key that LiteLLM has for {where.model} was rejected: {refusal.text}",
            code="upstream_authentication",
            status=status,
            hint="Correct the key of this model in LiteLLM's own configuration.",
            context=context,
        )
    unlocked = status == 500 and refusal.plain and where.litellm and not where.has_key
    if status == 401 or refusal.kind == "no_db_connection" or unlocked:
        rejected = "did not accept the key" if where.has_key else "requires a key"
        return AuthenticationError(
            f"{where.server} {rejected}: {refusal.text}",
            status=status,
            hint="Set LiteLLM's master key in the preferences.",
            context=context,
        )
    if status == 403:
        return PermissionDenied(
            f"{where.server} denied access: {refusal.text}",
            status=status,
            hint="The key is valid, but has no access to this model.",
            context=context,
        )
    return None


def _content_error(refusal: Refusal, where: RequestContext, context: dict[str, Any]) -> BackendError | None:
    message = f"{refusal.message} {refusal.kind}"
    if _CONTEXT.search(message):
        return _too_long_error(refusal, where, context)
    if _POLICY.search(message):
        return GenerationError(
            f"The provider's content policy rejected the request: {refusal.text}",
            code="content_policy",
            hint="Rephrase it, or choose another model.",
            context=context,
        )
    if is_out_of_memory(message):
        return OutOfMemory(
            f"The server that runs {where.model} is out of memory: {refusal.text}",
            hint="Choose a smaller model or a shorter text, or free memory on the server.",
            context=context,
        )
    if refusal.status in (400, 404) and _NO_MODEL.search(message):
        return _no_model_error(refusal, where, context)
    return None


def _too_long_error(refusal: Refusal, where: RequestContext, context: dict[str, Any]) -> BackendError:
    limit = refusal.limit or _find_number(_LIMIT, refusal.message)
    needed = refusal.needed or _find_number(_NEEDED, refusal.message)
    allowed = f" ({limit} tokens allowed)" if limit else ""
    return ContextWindowExceeded(
        f"The prompt is too long for {where.model}{allowed}: {refusal.text}",
        hint="Shorten it, split the scene, or choose a model with a larger context window.",
        context={**context, "limit": limit, "needed": needed},
    )


def _no_model_error(refusal: Refusal, where: RequestContext, context: dict[str, Any]) -> BackendError:
    models = list(where.models)
    nearest = nearest_names(where.model, models)
    offered = ", ".join(nearest or models[:8])
    return MissingResource(
        f"{where.server} has no model named {where.model}: {refusal.text}",
        kind="model",
        name=where.model,
        nearest=nearest,
        hint=f"Choose one of: {offered}." if offered else "Check the server's list of models.",
        context=context,
    )


def _status_error(refusal: Refusal, where: RequestContext, context: dict[str, Any]) -> BackendError:
    status, text = refusal.status, refusal.text
    details: dict[str, Any] = {"status": status, "context": context}
    if status == 404:
        hint = "Is this the address of LiteLLM, without anything after the port?"
        return NotFound(f"{where.server} does not support this request: {text}", hint=hint, **details)
    if status == 408:
        return NetworkTimeout(
            f"{where.model} took longer than the server allows: {text}",
            code="upstream_timeout",
            hint="Raise the time-out of this model in the server's configuration, or ask for less.",
            context=context,
        )
    if status == 429:
        pause = context["retry_after_s"]
        hint = f"Try again in {pause:g} s." if pause is not None else "Wait a little and try again."
        return RateLimited(f"{where.model} is rate limited: {text}", retry_after_s=pause, hint=hint, **details)
    if status == 503:
        return Overloaded(f"{where.model} is not ready: {text}", hint="It may still be loading.", **details)
    if status >= 500 and _UNREACHABLE.search(refusal.message):
        return ServerError(
            f"{where.server} can't reach the backend of {where.model}: {text}",
            code="upstream_unreachable",
            hint="Is Ollama, llama.cpp or whichever program runs the model running?",
            **details,
        )
    if status >= 500:
        return ServerError(f"{where.server} failed: {text}", hint="Check the server's log.", **details)
    if status == 413:
        return APIError(f"The request is too large for {where.server}: {text}", hint="Send fewer images.", **details)
    if status in (400, 422):
        problem = f"{refusal.param}: {text}" if refusal.param else text
        code = "format_refused" if _FORMAT.search(f"{refusal.param} {refusal.message}") else None
        hint = "Correct the request; the server's message says what is wrong."
        return ValidationError(f"{where.server}: {problem}", code=code, problems=[problem], hint=hint, context=context)
    return APIError(f"{where.server} answered with status {status}: {text}", hint="Check its log.", **details)


def _join_problems(error: Any) -> str:
    """Join FastAPI's list of problems into one text."""
    if isinstance(error, list):
        return "; ".join(
            f"{'.'.join(str(step) for step in each.get('loc', ()))}: {each.get('msg', '')}"
            for each in error
            if isinstance(each, Mapping)
        )
    return str(error)


def _find_number(pattern: re.Pattern[str], message: str) -> int | None:
    """Return the number in any group of the pattern, with or without thousands separators."""
    found = pattern.search(message)
    return parse_int(next(filter(None, found.groups())).replace(",", "")) if found else None
