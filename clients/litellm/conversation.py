"""A chat that remembers what was said."""

from __future__ import annotations

from typing import Any

from ..base import BaseAPIClient
from ..jobs import Job
from .request import ChatRequest


class Conversation:
    """Turns of a chat with one client; ``options`` are fields of ``ChatRequest`` for every turn."""

    def __init__(self, client: BaseAPIClient, system: str | None = None, **options: Any) -> None:
        self.client = client
        self.options = options
        self.messages: list[dict[str, Any]] = []
        if system is not None:
            self.messages.append({"role": "system", "content": system})

    def ask(self, text: str) -> Job:
        """Add the user's turn and submit the whole conversation."""
        self.messages.append({"role": "user", "content": text})
        return self.client.submit(ChatRequest(messages=list(self.messages), **self.options))
