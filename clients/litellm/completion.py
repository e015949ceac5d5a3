"""One answer as it streams in: its text, reasoning, tool calls, usage and finish reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.errors import ProtocolError
from ..core.json_fields import as_int, as_text
from .reasoning import ThinkFilter


class StreamFailure(Exception):
    """The server reported an error in the middle of its stream; ``error`` is its error object."""

    def __init__(self, error: Any) -> None:
        super().__init__("an error in the stream")
        self.error = error


class Completion:
    """Collects the chunks of ``chat.completion.chunk`` streams, of all servers; not thread-safe.

    A chunk must only be an object: absent, null and unknown members are ignored.
    """

    def __init__(self) -> None:
        self.id = ""
        self.model = ""
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] | None = None
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._tools: dict[int, dict[str, Any]] = {}
        self._filter = ThinkFilter()

    @property
    def text(self) -> str:
        """The text of the answer so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return "".join((*self._reasoning, *self._filter.thoughts))

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The tool calls so far, in the form of an assistant message."""
        return [self._tools[index] for index in sorted(self._tools)]

    def take(self, chunk: Any) -> str:
        """Add a chunk and return the answer's new text; ``StreamFailure`` if the chunk reports an error."""
        if not isinstance(chunk, dict):
            raise ProtocolError(
                f"The server streams {type(chunk).__name__} values instead of the chunks of an answer.",
                code="invalid_chunk",
                hint="Is this the address of an OpenAI-compatible server?",
            )
        if chunk.get("error"):
            raise StreamFailure(chunk["error"])
        if not self.id:
            self.id = as_text(chunk.get("id"))
            self.model = as_text(chunk.get("model"))
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self.usage = dict(usage)
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return ""
        choice = choices[0]
        if choice.get("finish_reason"):
            self.finish_reason = str(choice["finish_reason"])
        delta = choice.get("delta") or choice.get("message")
        return self._take_delta(delta) if isinstance(delta, dict) else ""

    def finish(self) -> str:
        """Return the rest of the answer's text, held back while it could have been the start of a reasoning tag."""
        return self._add(self._filter.finish())

    def _take_delta(self, delta: Mapping[str, Any]) -> str:
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(reasoning, str):
            self._reasoning.append(reasoning)
        tool_calls = delta.get("tool_calls")
        if isinstance(tool_calls, list):
            for at, each in enumerate(tool_calls):
                if isinstance(each, dict):
                    self._take_tool_call(each, at)
        content = delta.get("content")
        return self._add(self._filter.feed(content)) if isinstance(content, str) and content else ""

    def _take_tool_call(self, piece: Mapping[str, Any], at: int) -> None:
        index = as_int(piece.get("index"))
        index = at if index is None else index
        call = self._tools.setdefault(index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        call["id"] = call["id"] or as_text(piece.get("id"))
        function = piece.get("function")
        if isinstance(function, dict):
            call["function"]["name"] = call["function"]["name"] or as_text(function.get("name"))
            call["function"]["arguments"] += as_text(function.get("arguments"))

    def _add(self, text: str) -> str:
        if text:
            self._text.append(text)
        return text
