"""The text servers that the mock can be: LiteLLM, and the plain ones that usually stand behind it.

The plain ones are built after their documentation and the threads cited in docs/backends/litellm.md, not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..http.responses import Request, Response
from ..http.server import MockServer
from .errors import error, reply, unknown_model
from .tokens import CHARACTERS_PER_TOKEN, count_tokens

CREATED = 1677610602
"""The creation time that LiteLLM gives for every model."""


class TextServer:
    """An OpenAI-compatible server without routes of its own.

    ``windows`` maps each model's name to its context window in tokens; ``newest`` is for the later recorded version.
    """

    is_litellm = False
    truncates = False
    checks_names = True
    open_paths: tuple[str, ...] = ()
    owner = "organization"

    def __init__(self, mock: MockServer, windows: Mapping[str, int | None], *, newest: bool) -> None:
        self.mock = mock
        self.windows = windows
        self.newest = newest

    def add_routes(self) -> None:
        """Add the routes of this server beside chat and models."""

    def listing(self) -> Any:
        return {"object": "list", "data": [self.row(*each) for each in self.windows.items()]}

    def row(self, name: str, window: int | None) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": CREATED, "owned_by": self.owner}

    def locked(self, *, has_key: bool) -> Response:
        return error(401, "Incorrect API key provided", "invalid_request_error")

    def missing(self, request: Request) -> Response:
        return reply({"detail": "Not Found"}, 404)

    def unknown(self, model: Any) -> Response:
        message = f"The model `{model}` does not exist."
        return reply({"error": {"message": message, "type": "NotFoundError", "param": None, "code": 404}}, 404)

    def refuses(self, body: Mapping[str, Any]) -> Response | None:
        """Refuse a request that this server does not support; None: accept it."""
        return None


class LiteLLM(TextServer):
    is_litellm = True
    owner = "openai"
    open_paths = ("/health/liveliness", "/health/liveness", "/health/readiness")

    def add_routes(self) -> None:
        for path in self.open_paths[:2]:
            self.mock.route("GET", path, lambda _: reply("I'm alive!"))
        ready = {"status": "healthy", "db": "Not connected"}
        self.mock.route("GET", "/health/readiness", lambda _: reply(ready))
        self.mock.route("GET", "/model_group/info", lambda _: reply({"data": self._groups()}))
        self.mock.route("POST", "/utils/token_counter", self._count)

    def listing(self) -> Any:
        return {"data": [self.row(*each) for each in self.windows.items()], "object": "list"}

    def row(self, name: str, window: int | None) -> dict[str, Any]:
        known = {"mode": "chat", "max_input_tokens": window, "max_output_tokens": 1024} if window else {}
        return {**super().row(name, window), **known}

    def locked(self, *, has_key: bool) -> Response:
        if has_key:
            return error(400, "No connected db.", "no_db_connection")
        if self.newest:
            return error(401, "Authentication Error, No api key passed in.", "auth_error")
        return Response.text("Internal Server Error", 500)

    def unknown(self, model: Any) -> Response:
        return unknown_model(model)

    def _groups(self) -> list[dict[str, Any]]:
        return [
            {
                "model_group": name,
                "providers": ["openai"],
                "max_input_tokens": float(window) if window else None,
                "mode": "chat" if window else None,
                "supports_vision": "vision" in name,
                "supports_function_calling": True,
            }
            for name, window in self.windows.items()
        ]

    def _count(self, request: Request) -> Response:
        body = request.json()
        messages = body.get("messages") or ([{"content": body["prompt"]}] if "prompt" in body else None)
        if messages is None:
            return reply({"detail": "prompt or messages or contents must be provided"}, 400)
        counted = {"total_tokens": count_tokens(messages), "request_model": body["model"], "model_used": body["model"]}
        source = {"tokenizer_type": "openai_tokenizer", "count_source": "local_estimate", "original_response": None}
        return reply({**counted, **source, "error": False, "error_message": None, "status_code": None})


class LlamaCpp(TextServer):
    """Serves one model, whatever the request names; the error for too long a prompt has the numbers."""

    owner = "llamacpp"
    checks_names = False

    def add_routes(self) -> None:
        self.mock.route("GET", "/health", lambda _: reply({"status": "ok"}))
        self.mock.route("GET", "/props", lambda _: reply({"build_info": "b7100-mock", "total_slots": 1}))
        self.mock.route("POST", "/tokenize", lambda request: reply({"tokens": _tokens(request.json()["content"])}))

    def row(self, name: str, window: int | None) -> dict[str, Any]:
        meta = {"n_ctx": window, "n_ctx_train": 4 * (window or 0), "n_params": 8_000_000_000}
        return {**super().row(name, window), "meta": meta}

    def refuses(self, body: Mapping[str, Any]) -> Response | None:
        window = next(iter(self.windows.values()))
        needed = count_tokens(body["messages"])
        if window is None or needed <= window:
            return None
        details = {"code": 400, "message": "the request exceeds the available context size, try increasing it"}
        numbers = {"type": "exceed_context_size_error", "n_prompt_tokens": needed, "n_ctx": window}
        return reply({"error": {**details, **numbers}}, 400)


class Ollama(TextServer):
    """Cuts off the beginning of too long a prompt without an error."""

    owner = "library"
    truncates = True

    def add_routes(self) -> None:
        self.mock.route("GET", "/", lambda _: Response.text("Ollama is running"))
        self.mock.route("GET", "/api/version", lambda _: reply({"version": "0.13.0"}))

    def unknown(self, model: Any) -> Response:
        message = f"model '{model}' not found, try pulling it first"
        return reply({"error": {"message": message, "type": "api_error", "param": None, "code": None}}, 404)


class LMStudio(TextServer):
    """Answers 200 to any route, and refuses ``json_object``."""

    owner = "organization_owner"

    def add_routes(self) -> None:
        self.mock.route("GET", "/api/v0/models", lambda _: reply({"data": self._detailed(), "object": "list"}))

    def missing(self, request: Request) -> Response:
        return reply({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})

    def refuses(self, body: Mapping[str, Any]) -> Response | None:
        if (body.get("response_format") or {}).get("type") == "json_object":
            return reply({"error": "'response_format.type' must be 'json_schema' or 'text'"}, 400)
        return None

    def _detailed(self) -> list[dict[str, Any]]:
        return [
            {
                "id": name,
                "object": "model",
                "type": "vlm" if "vision" in name else "llm",
                "state": "loaded",
                "max_context_length": 32 * (window or 4096),
                "loaded_context_length": window,
            }
            for name, window in self.windows.items()
        ]


class VLLM(TextServer):
    owner = "vllm"

    def add_routes(self) -> None:
        self.mock.route("GET", "/version", lambda _: reply({"version": "0.12.0"}))
        self.mock.route("POST", "/tokenize", self._tokenize)

    def row(self, name: str, window: int | None) -> dict[str, Any]:
        return {**super().row(name, window), "root": name, "parent": None, "max_model_len": window}

    def unknown(self, model: Any) -> Response:
        message = f"The model `{model}` does not exist."
        return reply({"object": "error", "message": message, "type": "NotFoundError", "param": None, "code": 404}, 404)

    def _tokenize(self, request: Request) -> Response:
        count = count_tokens(request.json()["messages"])
        return reply({"count": count, "max_model_len": None, "tokens": list(range(count))})


def _tokens(text: str) -> list[int]:
    return list(range(len(text) // CHARACTERS_PER_TOKEN + 1))


SERVERS: dict[str, type[TextServer]] = {
    "litellm": LiteLLM,
    "llamacpp": LlamaCpp,
    "ollama": Ollama,
    "lmstudio": LMStudio,
    "vllm": VLLM,
    "openai": TextServer,
}
