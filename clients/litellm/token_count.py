"""Counting tokens by asking the server, where it has a counter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .context_window import transcript
from .payload import Messages
from .server_info import LITELLM, LLAMACPP, VLLM, Profile, ServerProbe


@dataclass(frozen=True)
class TokenCount:
    """How many ``tokens`` a prompt has; ``source`` is ``server`` or ``estimate``."""

    tokens: int
    source: str


def count_on_server(inquiry: ServerProbe, profile: Profile, model: str, messages: Messages) -> int | None:
    """Return the server's count, None if it has no counter or that failed.

    llama.cpp and vLLM count exactly; LiteLLM with the model's tokenizer where it has it, else with cl100k.
    """
    if profile.dialect == LITELLM:
        value = inquiry.post("/utils/token_counter", {"model": model, "messages": messages}).value
        counted = value.get("total_tokens") if isinstance(value, Mapping) else None
    elif profile.dialect == VLLM:
        value = inquiry.post("/tokenize", {"model": model, "messages": messages}).value
        counted = value.get("count") if isinstance(value, Mapping) else None
    elif profile.dialect == LLAMACPP:
        value = inquiry.post("/tokenize", {"content": transcript(messages)}).value
        tokens = value.get("tokens") if isinstance(value, Mapping) else None
        counted = len(tokens) if isinstance(tokens, list) else None
    else:
        return None
    return counted if isinstance(counted, int) and counted > 0 else None
