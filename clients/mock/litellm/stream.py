"""The chunks of one streamed answer of the mock text servers, with their faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..http.faults import Fault
from ..http.responses import StreamCut
from .errors import IN_STREAM
from .text import REASONING

PIECES_BEFORE_FAULT = 3


@dataclass
class AnswerPlan:
    """How to answer one request: with the text ``pieces``, or with the tool ``call``; ``usage`` adds a usage chunk."""

    id: str
    created: int
    model: str
    pieces: Iterator[str]
    litellm: bool = True
    newest: bool = False
    call: dict[str, Any] | None = None
    prompt_tokens: int = 0
    usage: bool = False
    limit: int | None = None
    fault: Fault | None = None

    @property
    def kind(self) -> str:
        return self.fault.kind if self.fault is not None else ""


def event(value: Any) -> bytes:
    """Encode one event of the stream."""
    return b"data: " + (value.encode() if isinstance(value, str) else json.dumps(value).encode()) + b"\n\n"


class ChunkWriter:
    """Writes one answer as chunks; ``pause`` is called before each piece and returns True if the server stops."""

    def __init__(self, plan: AnswerPlan, pause: Callable[[], bool], stall: Callable[[], None]) -> None:
        self._plan = plan
        self._pause = pause
        self._stall = stall
        self._written = 0
        self._finish = "stop"

    def events(self) -> Iterator[bytes]:
        """Yield the stream, event by event."""
        plan = self._plan
        yield event(self._chunk({"role": "assistant"} if plan.call else {"content": "", "role": "assistant"}))
        for delta in self._deltas():
            if self._pause():
                return
            yield event(self._chunk(delta))
            if self._written == self._pieces_before_fault:
                yield from self._commit_fault()
                return
        if plan.kind != "no_finish":
            yield event(self._finish_chunk())
        if plan.usage:
            yield event(self._usage_chunk())
        if plan.kind != "no_done":
            yield event("[DONE]")

    def answer(self) -> dict[str, Any]:
        """Make the answer in one piece, for requests that do not stream."""
        plan = self._plan
        deltas = list(self._deltas())
        content = "".join(delta.get("content", "") for delta in deltas)
        message: dict[str, Any] = {"content": content, "role": "assistant"}
        if plan.call is not None:
            call = {"function": plan.call["function"], "id": plan.call["id"], "type": "function"}
            message = {"role": "assistant", "tool_calls": [call], "content": None}
        return {
            "id": plan.id,
            "created": plan.created,
            "model": plan.model,
            "object": "chat.completion",
            "choices": [{"finish_reason": self._finish, "index": 0, "message": message}],
            "usage": self._usage(),
        }

    def _deltas(self) -> Iterator[dict[str, Any]]:
        plan = self._plan
        if plan.call is not None:
            yield from self._call_deltas(plan.call)
            return
        if plan.kind == "empty_answer":
            return
        thoughts = REASONING.split(" ")
        if plan.kind == "thinks":
            for word in thoughts:
                yield {"reasoning_content": f"{word} "}
        if plan.kind == "think_tags":
            for piece in ("<thi", "nk>", *(f"{word} " for word in thoughts), "</th", "ink>", "\n\n"):
                yield {"content": piece}
        pieces = plan.pieces if plan.limit is None else islice(plan.pieces, plan.limit + 1)
        if plan.kind in ("cut_at_length", "filtered"):
            whole = list(pieces)
            pieces = iter(whole[: len(whole) // 2])
            self._finish = "length" if plan.kind == "cut_at_length" else "content_filter"
        for piece in pieces:
            if self._written == plan.limit:
                self._finish = "length"
                return
            self._written += 1
            yield {"content": piece}

    def _call_deltas(self, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
        self._finish = "tool_calls"
        function, text = call["function"], call["function"]["arguments"]
        first = {"arguments": "", "name": function["name"]}
        yield {"tool_calls": [{"id": call["id"], "function": first, "type": "function", "index": 0}]}
        for start in range(0, len(text), 10):
            piece = {"arguments": text[start : start + 10]}
            yield {"tool_calls": [{"function": piece, "type": "function", "index": 0}]}

    @property
    def _pieces_before_fault(self) -> int:
        fault = self._plan.fault
        in_stream = fault is not None and fault.kind.startswith("stream_")
        return int(fault.seconds(PIECES_BEFORE_FAULT)) if in_stream and fault is not None else -1

    def _commit_fault(self) -> Iterator[bytes]:
        plan = self._plan
        if plan.kind == "stream_cut":
            raise StreamCut
        if plan.kind == "stream_stall":
            self._stall()
        elif plan.kind == "stream_bad_json":
            yield event('{"id": "chatcmpl-')
        elif plan.kind in IN_STREAM:
            message, code = IN_STREAM[plan.kind]
            kind = "internal_server_error" if plan.newest and code == "500" else None
            kind = "invalid_request_error" if code == "408" else kind
            yield event({"error": {"message": message, "type": kind, "param": None, "code": code}})
            if plan.newest:
                yield event("[DONE]")

    def _chunk(self, delta: dict[str, Any]) -> dict[str, Any]:
        return self._frame([{"index": 0, "delta": delta}])

    def _finish_chunk(self) -> dict[str, Any]:
        return self._frame([{"finish_reason": self._finish, "index": 0, "delta": {}}])

    def _usage_chunk(self) -> dict[str, Any]:
        old = self._plan.litellm and not self._plan.newest
        return {**self._frame([{"index": 0, "delta": {}}] if old else []), "usage": self._usage()}

    def _usage(self) -> dict[str, Any]:
        written, asked = self._written, self._plan.prompt_tokens
        thinks = self._plan.kind == "thinks"
        details = {"reasoning_tokens": 5} if thinks else {"reasoning_tokens": 0, "text_tokens": written}
        counts = {"completion_tokens": written, "prompt_tokens": asked, "total_tokens": written + asked}
        return {**counts, "completion_tokens_details": details}

    def _frame(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        plan = self._plan
        frame = {
            "id": plan.id,
            "created": plan.created,
            "model": plan.model,
            "object": "chat.completion.chunk",
            "system_fingerprint": "fp_mock",
            "choices": choices,
        }
        if not plan.litellm:
            for choice in choices:
                choice.setdefault("finish_reason", None)
        return frame


def noisy(events: Iterator[bytes]) -> Iterator[bytes]:
    """Add to the events everything that the format allows around them."""
    yield b"\xef\xbb\xbf: hello\r\n\r\n"
    for number, each in enumerate(events):
        yield f"id: {number}\r\nevent: message\r\nretry: 3000\r\n: between\r\n".encode() + each.replace(b"\n", b"\r\n")


def sliced(events: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Cut the stream into slices, without regard to events or characters."""
    rest = b""
    for each in events:
        rest += each
        while len(rest) > size:
            yield rest[:size]
            rest = rest[size:]
    if rest:
        yield rest
