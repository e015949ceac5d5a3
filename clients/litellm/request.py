"""What can be asked of LiteLLM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..requests import Request, text_problems


@dataclass(frozen=True)
class ChatRequest(Request):
    """A turn of a chat: ``messages`` in the OpenAI form, or just a ``prompt``; ``stream=False`` leaves out the
    TextDelta events.
    """

    messages: list[dict[str, Any]] | None = None
    prompt: str | None = None
    model: str | None = None
    schema: Any = None
    stream: bool = True

    def problems(self) -> list[str]:
        """Return what is wrong on the face of it."""
        found = super().problems()
        if (self.messages is None) == (self.prompt is None):
            found.append("messages, prompt: one of the two is needed.")
        if self.prompt is not None:
            found += text_problems("prompt", self.prompt)
        if self.messages is not None and (not isinstance(self.messages, list) or not self.messages):
            found.append("messages: a list with at least one message is needed.")
        return found
