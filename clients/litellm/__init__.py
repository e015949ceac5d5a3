"""Text from a LiteLLM proxy, or from another OpenAI-compatible server."""

from .client import LiteLLMClient
from .conversation import Conversation
from .request import ChatRequest
from .schema import schema_of

__all__ = ["ChatRequest", "Conversation", "LiteLLMClient", "schema_of"]
