"""The identity of a ComfyUI server: its version and capabilities."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from ...core.json_fields import as_text, get_member, get_objects
from ...core.model import ServerInfo
from ..validation_errors import BACKEND
from .api import ComfyAPI

Version = tuple[int, int, int]

CHECKPOINTS = "checkpoints"
_NUMBERS = re.compile(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?")
_MAX_VERSION_CHARS = 100
_SINCE: Mapping[str, Version] = {
    "interrupt_by_id": (0, 3, 57),
    "preview_per_prompt": (0, 5, 0),
    "jobs_cancel": (0, 26, 0),
}
"""Capabilities that only the version shows."""


def parse_version(text: Any) -> Version | None:
    """Parse ``comfyui_version`` (``0.33.0``, ``v0.3.40-12-gabc``); None for other texts of forks."""
    found = _NUMBERS.search(as_text(text)[:_MAX_VERSION_CHARS])
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def version_text(stats: Mapping[str, Any]) -> str:
    """Return the version in a response of ``/system_stats``, empty for none."""
    return as_text(get_member(stats, "system", "comfyui_version"))


def capabilities(version: Version | None, features: Mapping[str, Any] | None, *, has_jobs: bool) -> frozenset[str]:
    """Return the server's capabilities: tested if possible, else derived from its version."""
    found = {"rejoin", "previews", "upload", "cancel"}
    if features is not None:
        found |= {"own_prompt_id", "feature_flags", "progress_state"}
        found |= {"preview_metadata"} if features.get("supports_preview_metadata") else set()
    if has_jobs:
        found.add("jobs_api")
    if version is not None:
        found |= {name for name, since in _SINCE.items() if version >= since}
    return frozenset(found)


def ask_who(api: ComfyAPI) -> ServerInfo:
    """Fetch the server's identity; ``ProtocolError`` (code ``not_comfyui`` or ``web_page``) for another kind of
    server.
    """
    stats = api.system_stats()
    began = time.perf_counter()
    api.remaining()
    latency_s = time.perf_counter() - began
    features, text = api.features(), version_text(stats)
    return ServerInfo(
        version=text,
        dialect=BACKEND,
        capabilities=capabilities(parse_version(text), features, has_jobs=api.has_jobs()),
        models=tuple(api.models(CHECKPOINTS)),
        latency_s=latency_s,
        details={"devices": _count_devices(stats), "max_upload_bytes": (features or {}).get("max_upload_size")},
    )


def _count_devices(stats: Mapping[str, Any]) -> list[str]:
    return [str(each.get("name")) for each in get_objects(stats.get("devices"))]
