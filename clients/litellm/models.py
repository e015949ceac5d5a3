"""The models of a server: their properties, and the choice of one if the user names none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.json_fields import as_int, as_text, get_member, get_objects

CHAT_MODES = ("", "chat", "responses", "llm", "vlm")
WILDCARD_FROM = 12
"""A provider's prefix that so many models share comes of a wildcard route: none of them need exist."""

_NO_WRITER = re.compile(
    r"embed|whisper|\btts\b|dall-e|rerank|moderation|stable-diffusion|\bclip\b|bge-|\*", re.IGNORECASE
)
_SEES = re.compile(r"vision|llava|\bvl\b|-vl-|moondream|pixtral|gpt-4o|minicpm-v", re.IGNORECASE)


@dataclass(frozen=True)
class ModelInfo:
    """One model; ``window`` is its context window in tokens, None if unknown; None for unknown capabilities too.

    ``listed`` is False if the model list itself gives no window: LiteLLM omits it for models that come from a wildcard
    and need not exist, so a window from another source is no reason to choose the model.
    """

    name: str
    mode: str = ""
    window: int | None = None
    max_output: int | None = None
    sees: bool | None = None
    calls_tools: bool | None = None
    listed: bool = True

    @property
    def writes(self) -> bool:
        """True if the model can write text."""
        return self.mode in CHAT_MODES and not _NO_WRITER.search(self.name)


@dataclass(frozen=True)
class Choice:
    """A model and the reason for choosing it."""

    name: str
    reason: str
    automatic: bool = field(default=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the choice as JSON-ready data."""
        return {"model": self.name, "automatic": self.automatic, "reason": self.reason}


def parse_models(listing: Any) -> list[ModelInfo]:
    """Parse ``/v1/models`` of any server; rows that are not models are skipped."""
    return [_parse_model(row) for row in get_rows(listing) if isinstance(row.get("id"), str)]


def get_rows(listing: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a listing, none if the value is not a listing."""
    return get_objects(get_member(listing, "data"))


def parse_deployed_windows(listing: Any) -> dict[str, int]:
    """Parse the context windows in LiteLLM's ``/model/info``; the smallest of a model's deployments counts."""
    windows: dict[str, int] = {}
    for row in get_rows(listing):
        name, info = row.get("model_name"), row.get("model_info")
        window = parse_token_count(get_member(info, "max_input_tokens"))
        if isinstance(name, str) and window:
            windows[name] = min(window, windows.get(name, window))
    return windows


def choose(models: Sequence[ModelInfo], *, sees: bool = False, calls_tools: bool = False) -> Choice | None:
    """Return the text model with the needed capabilities and the largest window; None if there is none.

    Models from a wildcard come last; of equal models the first in the server's list wins.
    """
    writers = [each for each in models if each.writes]
    if not writers:
        return None
    prefixes = Counter(_get_prefix(each) for each in writers)

    def worth(each: ModelInfo) -> tuple[bool, bool, bool, int]:
        certain = not _get_prefix(each) or prefixes[_get_prefix(each)] < WILDCARD_FROM
        can_see = bool(each.sees or _SEES.search(each.name)) or not sees
        return certain, can_see, each.calls_tools is not False or not calls_tools, _get_listed_window(each)

    best = max(writers, key=worth)
    window = (
        f"the largest window, {best.window} tokens" if _get_listed_window(best) else "the first in the server's list"
    )
    suffix = f", for {' and '.join(needs)}" if (needs := _describe_needs(sees, calls_tools)) else ""
    return Choice(best.name, f"{window}, of {len(writers)} models{suffix}")


def _describe_needs(sees: bool, calls_tools: bool) -> list[str]:
    return [word for wanted, word in ((sees, "images"), (calls_tools, "tools")) if wanted]


def _get_listed_window(model: ModelInfo) -> int:
    return (model.window or 0) if model.listed else 0


def _get_prefix(model: ModelInfo) -> str:
    prefix, slash, _ = model.name.partition("/")
    return prefix if slash else ""


def _parse_model(row: Mapping[str, Any]) -> ModelInfo:
    meta = row.get("meta")
    window = next((found for found in map(parse_token_count, _get_windows(row, meta)) if found), None)
    return ModelInfo(
        row["id"],
        as_text(row.get("mode"), "" if row.get("type") == "model" else as_text(row.get("type"))),
        window,
        parse_token_count(row.get("max_output_tokens")),
        True if row.get("type") == "vlm" else _parse_flag(row.get("supports_vision")),
        _parse_flag(row.get("supports_function_calling")),
    )


def _get_windows(row: Mapping[str, Any], meta: Any) -> list[Any]:
    found = [row.get(name) for name in ("max_input_tokens", "max_model_len", "loaded_context_length")]
    if isinstance(meta, Mapping):
        found += [meta.get("n_ctx"), meta.get("n_ctx_train")]
    return [*found, row.get("max_context_length")]


def parse_token_count(value: Any) -> int | None:
    """Return a number of tokens, None for other values; LiteLLM sends some as floats."""
    return as_int(value, least=1)


def _parse_flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
