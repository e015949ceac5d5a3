"""Text from a LiteLLM proxy."""

from __future__ import annotations

from typing import ClassVar

from ..requests import Request
from ..unfinished import UnfinishedClient
from .request import ChatRequest


class LiteLLMClient(UnfinishedClient):
    """Text from a LiteLLM proxy."""

    name: ClassVar[str] = "litellm"
    request_types: ClassVar[tuple[type[Request], ...]] = (ChatRequest,)
