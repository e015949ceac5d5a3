"""The errors of the mock text servers: LiteLLM's as recorded, and those of the servers behind it."""

from __future__ import annotations

from typing import Any

from ..http.faults import Fault
from ..http.responses import Response

# fault kind -> status, LiteLLM's error class, type, the provider's text
UPSTREAM: dict[str, tuple[int, str, str, str]] = {
    "upstream_404": (404, "NotFoundError", "invalid_request_error", "model '{model}' not found, try pulling it first"),
    "upstream_key": (401, "AuthenticationError", "authentication_error", "Incorrect API key provided"),
    "rate_limit": (429, "RateLimitError", "throttling_error", "Rate limit reached for requests"),
    "upstream_500": (500, "InternalServerError", "internal_server_error", "The server had an error"),
    "upstream_html": (
        502,
        "BadGatewayError",
        "internal_server_error",
        "<html><body><h1>502 Bad Gateway</h1></body></html>",
    ),
    "loading": (503, "ServiceUnavailableError", "internal_server_error", "model is loading"),
    "upstream_down": (500, "InternalServerError", "internal_server_error", "Connection error."),
}
OVERFLOW = (
    "This model's maximum context length is {limit} tokens. However, your messages resulted in {needed} tokens. Please"
    " reduce the length of the messages."
)
TIMEOUT = (
    "APITimeoutError - Request timed out. Error_str: Request timed out. - timeout value=2.0, time taken=2.0 seconds"
)
IN_STREAM: dict[str, tuple[str, str]] = {
    "stream_error": ("litellm.APIConnectionError: APIConnectionError: OpenAIException - CUDA out of memory", "500"),
    "stream_drop": ("litellm.APIConnectionError: APIConnectionError: OpenAIException - Connection error.", "500"),
    "stream_timeout": (
        "litellm.Timeout: APITimeoutError - Request timed out. Error_str: Request timed out.",
        "408",
    ),
}


def error(status: int, message: str, kind: str, param: str | None = None) -> Response:
    """Answer with LiteLLM's error object; its code is the status as a text."""
    return reply({"error": {"message": message, "type": kind, "param": param, "code": str(status)}}, status)


def reply(value: Any, status: int = 200) -> Response:
    """Answer with JSON and LiteLLM's bare content type."""
    response = Response.json(value, status)
    response.headers["Content-Type"] = "application/json"
    return response


def unknown_model(model: Any) -> Response:
    """Answer 400 for a model that is not in LiteLLM's configuration."""
    text = f"litellm.BadRequestError: You passed in model={model}. There are no healthy deployments for this model"
    return error(400, text if model is None else text + _tail(model), "invalid_request_error")


def overflow(model: str, limit: int, needed: int, *, litellm: bool) -> Response:
    """Refuse too long a prompt: LiteLLM names the reason in its message only."""
    text = OVERFLOW.format(limit=limit, needed=needed)
    if not litellm:
        return reply({"error": {"message": text, "type": "BadRequestError", "param": None, "code": 400}}, 400)
    head = "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError: OpenAIException - "
    middle = f"\nmodel={model}. context_window_fallbacks=None. fallbacks=None.\n\nSet 'context_window_fallback' - "
    return error(400, f"{head}{text}{middle}https://docs.litellm.ai/docs/routing#fallbacks{_tail(model)}", _BAD)


def refusal(fault: Fault, model: str, *, litellm: bool) -> Response | None:
    """Return the error that a fault puts before any stream; None for the other faults."""
    if fault.kind == "wrong_key":
        return error(400, "No connected db.", "no_db_connection")
    if fault.kind == "unknown_model":
        return unknown_model(model)
    if fault.kind == "context_overflow":
        limit = int(fault.seconds(4096))
        return overflow(model, limit, limit + 4904, litellm=litellm)
    if fault.kind == "content_policy":
        text = "litellm.ContentPolicyViolationError: Your request was rejected by our safety system"
        return error(400, text + _tail(model), _BAD)
    if fault.kind == "upstream_timeout":
        return error(408, f"litellm.Timeout: {TIMEOUT}{_tail(model)}", _BAD)
    if fault.kind not in UPSTREAM:
        return None
    status, name, kind, text = UPSTREAM[fault.kind]
    text = text.format(model=model)
    if not litellm:
        response = reply({"error": {"message": text, "type": "server_error", "code": status}}, status)
        prefix = ""
    else:
        response = error(status, f"litellm.{name}: {name}: OpenAIException - {text}{_tail(model)}", kind)
        prefix = "llm_provider-"
    if fault.kind == "rate_limit":
        response.headers[f"{prefix}retry-after"] = f"{fault.seconds(1):g}"
    return response


_BAD = "invalid_request_error"


def _tail(model: Any) -> str:
    return f"\n\nLiteLLM: model group '{model}' failed with the error above. No fallback was attempted."
