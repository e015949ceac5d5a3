"""Text from a LiteLLM proxy."""

from .client import LiteLLMClient
from .conversation import Conversation
from .request import ChatRequest

__all__ = ["ChatRequest", "Conversation", "LiteLLMClient"]
