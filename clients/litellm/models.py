"""The models of a server: what is known of each, and which to take when the user names none."""

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
    """One model; ``window`` is its context in tokens, None if the server does not say; so for the capabilities.

    ``listed`` is False where the list of models itself has no window: LiteLLM leaves it out of those that come of a
    wildcard and need not exist, so that a window from elsewhere is no reason to choose the model.
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
        """Whether it may be offered for text."""
        return self.mode in CHAT_MODES and not _NO_WRITER.search(self.name)


@dataclass(frozen=True)
class Choice:
    """A model, and why it was taken."""

    name: str
    reason: str
    automatic: bool = field(default=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the choice as JSON-ready data."""
        return {"model": self.name, "automatic": self.automatic, "reason": self.reason}


def models_of(listing: Any) -> list[ModelInfo]:
    """Read ``/v1/models`` of any server; rows that are no models are passed over."""
    return [_model_of(row) for row in rows_of(listing) if isinstance(row.get("id"), str)]


def rows_of(listing: Any) -> list[Mapping[str, Any]]:
    """Return the rows of any listing of a text server, none if it is no listing."""
    return get_objects(get_member(listing, "data"))


def deployed_windows(listing: Any) -> dict[str, int]:
    """Read the windows out of LiteLLM's ``/model/info``; of several deployments of one model the smallest counts."""
    windows: dict[str, int] = {}
    for row in rows_of(listing):
        name, info = row.get("model_name"), row.get("model_info")
        window = count_of(get_member(info, "max_input_tokens"))
        if isinstance(name, str) and window:
            windows[name] = min(window, windows.get(name, window))
    return windows


def choose(models: Sequence[ModelInfo], *, sees: bool = False, calls_tools: bool = False) -> Choice | None:
    """Choose a writer: one that can what is needed, with the largest window; None if there is none at all.

    Models that come of a wildcard are taken last, and of equals the one that the server names first.
    """
    writers = [each for each in models if each.writes]
    if not writers:
        return None
    prefixes = Counter(_prefix(each) for each in writers)

    def worth(each: ModelInfo) -> tuple[bool, bool, bool, int]:
        certain = not _prefix(each) or prefixes[_prefix(each)] < WILDCARD_FROM
        can_see = bool(each.sees or _SEES.search(each.name)) or not sees
        return certain, can_see, each.calls_tools is not False or not calls_tools, _listed_window(each)

    best = max(writers, key=worth)
    window = f"the largest window, {best.window} tokens" if _listed_window(best) else "the first that the server names"
    what = f", for {' and '.join(words)}" if (words := _wishes(sees, calls_tools)) else ""
    return Choice(best.name, f"{window}, of {len(writers)} models{what}")


def _wishes(sees: bool, calls_tools: bool) -> list[str]:
    return [word for wanted, word in ((sees, "images"), (calls_tools, "tools")) if wanted]


def _listed_window(model: ModelInfo) -> int:
    return (model.window or 0) if model.listed else 0


def _prefix(model: ModelInfo) -> str:
    prefix, slash, _ = model.name.partition("/")
    return prefix if slash else ""


def _model_of(row: Mapping[str, Any]) -> ModelInfo:
    meta = row.get("meta")
    window = next((found for found in map(count_of, _windows(row, meta)) if found), None)
    return ModelInfo(
        row["id"],
        as_text(row.get("mode"), "" if row.get("type") == "model" else as_text(row.get("type"))),
        window,
        count_of(row.get("max_output_tokens")),
        True if row.get("type") == "vlm" else _flag(row.get("supports_vision")),
        _flag(row.get("supports_function_calling")),
    )


def _windows(row: Mapping[str, Any], meta: Any) -> list[Any]:
    found = [row.get(name) for name in ("max_input_tokens", "max_model_len", "loaded_context_length")]
    if isinstance(meta, Mapping):
        found += [meta.get("n_ctx"), meta.get("n_ctx_train")]
    return [*found, row.get("max_context_length")]


def count_of(value: Any) -> int | None:
    """Return a number of tokens, None for anything else; LiteLLM sends some as floats."""
    return as_int(value, least=1)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
