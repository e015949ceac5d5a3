"""A mock LiteLLM proxy, and on request one of the servers that usually stand behind it."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from ..http.faults import ANSWER, FAULT_KINDS, Fault
from ..http.responses import Request, Response, Stream
from ..http.server import MockServer
from .errors import error, overflow, refusal, reply
from .other_servers import SERVERS, TextServer
from .stream import AnswerPlan, ChunkWriter, noisy, sliced
from .text import PARAGRAPH, schema_in, text_for, value_for
from .tokens import count_tokens

FIRST_TOKEN_S = 0.2
PIECE_S = 0.03
WINDOWS = {"demo-writer": 8192, "demo-writer-fast": 4096, "demo-writer-vision": 8192}


class MockLiteLLM(MockServer):
    """LiteLLM without a database. ``version`` is ``1.106.2`` or ``1.109.1``, ``master_key`` the key of all requests,
    ``dialect`` another server to be: ``llamacpp``, ``ollama``, ``lmstudio``, ``vllm`` or ``openai``. ``windows`` maps
    each model's name to its context window in tokens (None: unknown), counted at four characters a token.

    ``left`` counts the answers that clients did not read to the end.
    """

    name = "litellm"
    server_header = "uvicorn"

    def __init__(
        self,
        *,
        version: str = "1.106.2",
        master_key: str | None = None,
        dialect: str = "litellm",
        windows: Mapping[str, int | None] | None = None,
        **options: Any,
    ) -> None:
        self.version = version
        self.master_key = master_key
        self.windows = dict(WINDOWS if windows is None else windows)
        self.dialect: TextServer = SERVERS[dialect](self, self.windows, newest=version.startswith("1.109"))
        self.left = 0
        self._left_changed = threading.Condition()
        super().__init__(**options)

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(self.windows)

    def wait_left(self, count: int = 1, timeout: float = 10.0) -> None:
        """Wait until clients have left ``count`` answers; raise ``TimeoutError`` after ``timeout`` seconds."""
        with self._left_changed:
            if not self._left_changed.wait_for(lambda: self.left >= count, timeout):
                raise TimeoutError(f"{self.left} answers were left, not {count}")

    def add_routes(self) -> None:
        for prefix in ("", "/v1"):
            self.route("GET", f"{prefix}/models", lambda _: reply(self.dialect.listing()))
            self.route("POST", f"{prefix}/chat/completions", self._chat)
        self.dialect.add_routes()

    def forbidden(self, request: Request) -> Response | None:
        if self.master_key is None or request.path in self.dialect.open_paths:
            return None
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        key = key or request.headers.get("x-litellm-api-key", "") or request.headers.get("api-key", "")
        return None if key == self.master_key else self.dialect.locked(has_key=bool(key))

    def missing(self, request: Request) -> Response:
        methods = self.methods(request.path)
        if not methods:
            return self.dialect.missing(request)
        response = reply({"detail": "Method Not Allowed"}, 405)
        response.headers["allow"] = ", ".join(methods)
        return response

    # Chat

    def _chat(self, request: Request) -> Response:
        try:
            body = request.json()
        except ValueError as problem:
            return error(400, f"Invalid JSON payload: {problem}", "invalid_request_error", "request_body")
        invalid = self._check(body)
        if invalid is not None:
            return invalid
        model = str(body["model"])
        fault = self._answer_fault(model)
        refused = refusal(fault, model, litellm=self.dialect.is_litellm) if fault is not None else None
        refused = refused or self.dialect.refuses(body) or self._overflow(model, body)
        if refused is not None:
            refused.headers.setdefault("x-litellm-call-id", str(uuid.uuid4()))
            return refused
        plan = self._plan(model, body, fault)
        writer = ChunkWriter(plan, lambda: self.clock.wait(PIECE_S), self._stall)
        self.clock.wait(FIRST_TOKEN_S)
        if not body.get("stream"):
            whole = reply(writer.answer())
            whole.headers.update(self._headers(model))
            return whole
        events = self._count_if_left(writer.events())
        if plan.kind == "noisy_stream":
            events = noisy(events)
        elif fault is not None and plan.kind == "sliced_stream":
            events = sliced(events, int(fault.seconds(7)))
        headers = {
            **self._headers(model),
            "Content-Type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
        }
        return Stream(200, headers=headers, pieces=events)

    def _check(self, body: Mapping[str, Any]) -> Response | None:
        model = body.get("model")
        if model not in self.windows and self.dialect.checks_names:
            return self.dialect.unknown(model)
        if not isinstance(body.get("messages"), list):
            message = "/chat/completions: Missing required parameter: 'messages'."
            return error(400, message, "invalid_request_error", "messages")
        return None

    def _answer_fault(self, model: str) -> Fault | None:
        kinds = [kind for kind, each in FAULT_KINDS.items() if each.point == ANSWER]
        return next((found for kind in kinds if (found := self.faults.take(kind, model)) is not None), None)

    def _overflow(self, model: str, body: Mapping[str, Any]) -> Response | None:
        window, needed = self.windows.get(model), count_tokens(body["messages"])
        if window is None or needed <= window or self.dialect.truncates:
            return None
        return overflow(model, window, needed, litellm=self.dialect.is_litellm)

    def _plan(self, model: str, body: Mapping[str, Any], fault: Fault | None) -> AnswerPlan:
        number = uuid.uuid4()
        asked = count_tokens(body["messages"])
        window = self.windows.get(model)
        return AnswerPlan(
            f"chatcmpl-{number}",
            int(time.time()),
            model,
            answer_text(body, fault.kind if fault is not None else ""),
            litellm=self.dialect.is_litellm,
            newest=self.dialect.newest,
            call=tool_call_for(body),
            prompt_tokens=min(asked, window) if window is not None else asked,
            usage=bool((body.get("stream_options") or {}).get("include_usage")),
            limit=body.get("max_tokens"),
            fault=fault,
        )

    def _headers(self, model: str) -> dict[str, str]:
        if not self.dialect.is_litellm:
            return {}
        return {
            "x-litellm-call-id": str(uuid.uuid4()),
            "x-litellm-version": self.version,
            "x-litellm-model-group": model,
            "x-litellm-attempted-retries": "0",
            "x-litellm-attempted-fallbacks": "0",
        }

    def _count_if_left(self, events: Iterator[bytes]) -> Iterator[bytes]:
        finished = False
        try:
            yield from events
            finished = True
        finally:
            if not finished:
                with self._left_changed:
                    self.left += 1
                    self._left_changed.notify_all()

    def _stall(self) -> None:
        self.stopping.wait()


def answer_text(body: Mapping[str, Any], kind: str) -> Iterator[str]:
    """Return an answer's text, in pieces."""
    schema = schema_in(body)
    if schema is None or kind == "prose_for_json":
        last = body["messages"][-1].get("content") if body["messages"] else ""
        system = " ".join(str(each.get("content")) for each in body["messages"] if each.get("role") == "system")
        return text_for(f"{system if 'Sum up' in system else ''} {last}") if schema is None else text_for(PARAGRAPH)
    text = json.dumps(value_for(schema), ensure_ascii=False)
    if kind == "wrong_json":
        text = '{"unexpected": true}'
    if kind == "fenced_json":
        text = f"Here is the list you asked for [as JSON]:\n\n```json\n{text}\n```\nShall I go on?"
    return iter([text[start : start + 12] for start in range(0, len(text), 12)])


def tool_call_for(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Make a call of the first tool that a request offers; None if it forbids calls or contains a tool's result."""
    tools = body.get("tools")
    if not tools or body.get("tool_choice") == "none" or body["messages"][-1].get("role") == "tool":
        return None
    function = tools[0]["function"]
    arguments = json.dumps(value_for(function.get("parameters", {"type": "object"})))
    return {"id": f"call_{uuid.uuid4().hex[:8]}", "function": {"name": function["name"], "arguments": arguments}}
