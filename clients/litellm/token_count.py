"""Counts tokens on the server, if it has a counter."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.json_fields import as_int, as_list, get_member
from .context_window import transcript
from .payload import Messages
from .server_info import LITELLM, LLAMACPP, VLLM, Profile, ServerProbe


@dataclass(frozen=True)
class TokenCount:
    """The ``tokens`` of a prompt; ``source`` is ``server`` or ``estimate``."""

    tokens: int
    source: str


def count_on_server(server_probe: ServerProbe, profile: Profile, model: str, messages: Messages) -> int | None:
    """Return the server's count, None if it has no counter or the request failed.

    llama.cpp and vLLM count exactly; LiteLLM with the model's tokenizer if it has it, else with cl100k.
    """
    if profile.dialect == LITELLM:
        value = server_probe.post("/utils/token_counter", {"model": model, "messages": messages}).value
        counted = get_member(value, "total_tokens")
    elif profile.dialect == VLLM:
        value = server_probe.post("/tokenize", {"model": model, "messages": messages}).value
        counted = get_member(value, "count")
    elif profile.dialect == LLAMACPP:
        value = server_probe.post("/tokenize", {"content": transcript(messages)}).value
        counted = len(as_list(get_member(value, "tokens")))
    else:
        return None
    return as_int(counted, least=1)
