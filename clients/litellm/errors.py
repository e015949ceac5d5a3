"""What a refusal of LiteLLM, or of a server like it, means: the table of protocol errors as typed errors.

LiteLLM sends ``{"error": {"message", "type", "param", "code"}}`` with the status as a text in ``code``, FastAPI's
``{"detail": ...}`` for its own routes, and plain text where it failed itself; LM Studio sends ``{"error": "text"}``.
Several different failures share one status: only the message tells them apart. Seen on LiteLLM 1.106.2 and 1.109.1.
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
from ..core.json_fields import as_int, parse_int
from ..core.memory_errors import is_out_of_memory
from ..core.request import nearest_names
from ..http.error_text import error_text
from ..http.retry import retry_after_s

_TAIL = re.compile(r"\s*(?:LiteLLM: model group|Set 'context_window_fallback'|Deployment Info:|\nmodel=).*", re.DOTALL)
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
    r"(?:resulted in|requested) (\d[\d,]*) tokens|prompt \(length (\d[\d,]*)\)|(\d[\d,]*) tokens >", re.IGNORECASE
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
_FORMAT = re.compile(r"response_format|json_schema|json_object|structured output|Invalid schema", re.IGNORECASE)


@dataclass(frozen=True)
class RequestContext:
    """What was asked of whom: ``has_key`` says whether a key was sent, ``models`` are the names the server has."""

    server: str
    model: str = ""
    has_key: bool = False
    models: Iterable[str] = field(default=())
    litellm: bool = True


@dataclass(frozen=True)
class Refusal:
    """An error answer taken apart; ``message`` is whole, for the tests below, ``words`` are for people."""

    status: int
    message: str
    kind: str = ""
    param: str = ""
    limit: int | None = None
    needed: int | None = None
    plain: bool = False

    @property
    def words(self) -> str:
        """The message without LiteLLM's wrapping, in one line."""
        return error_text(_HEAD.sub("", _TAIL.sub("", self.message)).encode(), "text/plain", str)


def refusal_of(status: int, body: bytes, content_type: str) -> Refusal:
    """Take an error answer apart, in any of its three shapes."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return Refusal(status, error_text(body, content_type, str), plain=True)
    if isinstance(value, Mapping):
        value = value.get("error") or value.get("detail") or value
    return refusal_in(status, value)


def refusal_in(status: int, error: Any) -> Refusal:
    """Take an error object apart: of an answer, or of a chunk in mid-stream."""
    if not isinstance(error, Mapping):
        message = error if isinstance(error, str) else _listed(error)
        return Refusal(status, message)
    if isinstance(error.get("error"), (str, Mapping)):
        return refusal_in(status, error["error"])
    code = str(error.get("code", ""))
    return Refusal(
        int(code) if code.isdigit() and len(code) == 3 else status,
        str(error.get("message") or error),
        f"{error.get('type') or ''} {'' if code.isdigit() else code}".strip(),
        str(error.get("param") or ""),
        as_int(error.get("n_ctx")),
        as_int(error.get("n_prompt_tokens")),
    )


def failure_of(refusal: Refusal, where: RequestContext, headers: Mapping[str, str]) -> BackendError:
    """Return the typed error of an answer with an error status."""
    pause = wanted_pause_s(headers)
    context = {"server": where.server, "status": refusal.status, "model": where.model, "retry_after_s": pause}
    call_id = headers.get("x-litellm-call-id")
    if call_id:
        context["call_id"] = call_id
    return (
        _key_failure(refusal, where, context)
        or _content_failure(refusal, where, context)
        or _status_failure(refusal, where, context)
    )


def failure_in_stream(error: Any, where: RequestContext) -> BackendError:
    """Return the typed error of one that was reported in the middle of an answer."""
    refusal = refusal_in(500, error)
    context = {"server": where.server, "model": where.model}
    if refusal.status == 408 or _TIMEOUT.search(refusal.message):
        return NetworkTimeout(
            f"{where.model} fell silent in the middle of its answer: {refusal.words}",
            code="stream_idle",
            hint="The server's own time limit was reached; is the model overloaded?",
            context=context,
        )
    if _UNREACHABLE.search(refusal.message) or _CUT.search(refusal.message):
        return StreamInterrupted(
            f"{where.server} lost the backend of {where.model} in the middle of the answer: {refusal.words}",
            hint="Is Ollama, llama.cpp or whatever runs the model still up? Try again.",
            context=context,
        )
    return _content_failure(refusal, where, context) or GenerationError(
        f"{where.model} failed in the middle of its answer: {refusal.words}",
        hint="Look at the log of the server that runs the model.",
        context=context,
    )


def wanted_pause_s(headers: Mapping[str, str]) -> float | None:
    """Return the pause that a server asks for, in seconds: its own, or the one of the provider behind LiteLLM."""
    for prefix in ("", "llm_provider-"):
        exact_ms = parse_int(headers.get(f"{prefix}retry-after-ms", ""))
        if exact_ms is not None:
            return exact_ms / 1000
        pause = retry_after_s(headers.get(f"{prefix}retry-after"))
        if pause is not None:
            return pause
    return None


def is_format_refusal(error: BackendError) -> bool:
    """Whether the server refused the way in which a structured answer was asked for."""
    return isinstance(error, ValidationError) and error.code == "format_refused"


def _key_failure(refusal: Refusal, where: RequestContext, context: dict[str, Any]) -> BackendError | None:
    status, message = refusal.status, refusal.message
    if status == 401 and message.startswith("litellm.AuthenticationError"):
        return AuthenticationError(
            f"The provider key that LiteLLM has for {where.model} was refused: {refusal.words}",
            code="upstream_authentication",
            status=status,
            hint="Correct the key of this model in LiteLLM's own configuration.",
            context=context,
        )
    unlocked = status == 500 and refusal.plain and where.litellm and not where.has_key
    if status == 401 or refusal.kind == "no_db_connection" or unlocked:
        rejected = "did not accept the key" if where.has_key else "wants a key"
        return AuthenticationError(
            f"{where.server} {rejected}: {refusal.words}",
            status=status,
            hint="Set LiteLLM's master key in the preferences.",
            context=context,
        )
    if status == 403:
        return PermissionDenied(
            f"{where.server} refuses this: {refusal.words}",
            status=status,
            hint="The key is known, but may not use this model.",
            context=context,
        )
    return None


def _content_failure(refusal: Refusal, where: RequestContext, context: dict[str, Any]) -> BackendError | None:
    message = f"{refusal.message} {refusal.kind}"
    if _CONTEXT.search(message):
        return _too_long(refusal, where, context)
    if _POLICY.search(message):
        return GenerationError(
            f"The provider's content policy refused the request: {refusal.words}",
            code="content_policy",
            hint="Say it in other words, or choose another model.",
            context=context,
        )
    if is_out_of_memory(message):
        return OutOfMemory(
            f"The server that runs {where.model} is out of memory: {refusal.words}",
            hint="Choose a smaller model or a shorter text, or free memory on the server.",
            context=context,
        )
    if refusal.status in (400, 404) and _NO_MODEL.search(message):
        return _no_model(refusal, where, context)
    return None


def _too_long(refusal: Refusal, where: RequestContext, context: dict[str, Any]) -> BackendError:
    limit = refusal.limit or _number(_LIMIT, refusal.message)
    needed = refusal.needed or _number(_NEEDED, refusal.message)
    allowed = f" ({limit} tokens allowed)" if limit else ""
    return ContextWindowExceeded(
        f"The prompt is too long for {where.model}{allowed}: {refusal.words}",
        hint="Shorten it, split the scene, or choose a model with a larger window.",
        context={**context, "limit": limit, "needed": needed},
    )


def _no_model(refusal: Refusal, where: RequestContext, context: dict[str, Any]) -> BackendError:
    models = list(where.models)
    nearest = nearest_names(where.model, models)
    offered = ", ".join(nearest or models[:8])
    return MissingResource(
        f"{where.server} has no model named {where.model}: {refusal.words}",
        kind="model",
        name=where.model,
        nearest=nearest,
        hint=f"Choose one of: {offered}." if offered else "Look at the server's list of models.",
        context=context,
    )


def _status_failure(refusal: Refusal, where: RequestContext, context: dict[str, Any]) -> BackendError:
    status, words = refusal.status, refusal.words
    details: dict[str, Any] = {"status": status, "context": context}
    if status == 404:
        hint = "Is this the address of LiteLLM, without anything after the port?"
        return NotFound(f"{where.server} does not know this request: {words}", hint=hint, **details)
    if status == 408:
        return NetworkTimeout(
            f"{where.model} took longer than the server allows: {words}",
            code="upstream_timeout",
            hint="Raise the time-out of this model in the server's configuration, or ask for less.",
            context=context,
        )
    if status == 429:
        pause = context["retry_after_s"]
        hint = f"Try again in {pause:g} s." if pause is not None else "Wait a little and try again."
        return RateLimited(f"{where.model} is rate limited: {words}", retry_after_s=pause, hint=hint, **details)
    if status == 503:
        return Overloaded(f"{where.model} is not ready: {words}", hint="It may still be loading.", **details)
    if status >= 500 and _UNREACHABLE.search(refusal.message):
        return ServerError(
            f"{where.server} can't reach the backend of {where.model}: {words}",
            code="upstream_unreachable",
            hint="Is Ollama, llama.cpp or whatever runs the model up?",
            **details,
        )
    if status >= 500:
        return ServerError(f"{where.server} failed: {words}", hint="Look at the server's log.", **details)
    if status == 413:
        return APIError(f"The request is too large for {where.server}: {words}", hint="Send fewer images.", **details)
    if status in (400, 422):
        problem = f"{refusal.param}: {words}" if refusal.param else words
        code = "format_refused" if _FORMAT.search(f"{refusal.param} {refusal.message}") else None
        hint = "Correct the request; the server's own words say what is wrong."
        return ValidationError(f"{where.server}: {problem}", code=code, problems=[problem], hint=hint, context=context)
    return APIError(f"{where.server} answered with status {status}: {words}", hint="Look at its log.", **details)


def _listed(error: Any) -> str:
    """Put FastAPI's list of what is wrong with a request into words."""
    if isinstance(error, list):
        return "; ".join(
            f"{'.'.join(str(step) for step in each.get('loc', ()))}: {each.get('msg', '')}"
            for each in error
            if isinstance(each, Mapping)
        )
    return str(error)


def _number(pattern: re.Pattern[str], message: str) -> int | None:
    """Return the number that a pattern finds in any of its groups, with or without thousands commas."""
    found = pattern.search(message)
    return parse_int(next(filter(None, found.groups())).replace(",", "")) if found else None
