"""The recorded traffic of real servers, read for tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1] / "recordings"
COMFYUI_VERSIONS = {"0.33.0": "", "0.3.64": "v0.3.64", "0.3.40": "v0.3.40"}


@dataclass(frozen=True)
class Exchange:
    """One HTTP request with its answer; ``note`` is what the recorder had said before."""

    request: dict[str, Any]
    answer: dict[str, Any]
    note: str


@cache
def comfyui(version: str, scenario: str) -> tuple[dict[str, Any], ...]:
    """Return the lines of a scenario, in the recorded order."""
    path = ROOT / "comfyui" / COMFYUI_VERSIONS[version] / f"{scenario}.jsonl"
    return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def exchanges(lines: tuple[dict[str, Any], ...], method: str, path: str) -> list[Exchange]:
    """Return the exchanges of one route, in the order in which they were answered."""
    sent: dict[int, tuple[dict[str, Any], str]] = {}
    found, note = [], ""
    for line in lines:
        if line["channel"] == "note":
            note = line.get("text", "")
        elif line["channel"] == "http" and line["dir"] == "send":
            sent[line["id"]] = (line, note)
        elif line["channel"] == "http":
            request, said = sent[line["id"]]
            if request["method"] == method and request["path"] == path:
                found.append(Exchange(request, line, said))
    return found


def messages(lines: tuple[dict[str, Any], ...], prompt_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the websocket texts about one prompt, as (type, data)."""
    texts = [line["json"] for line in lines if line.get("event") == "text" and line["dir"] == "recv" and "json" in line]
    return [(text["type"], text["data"]) for text in texts if text["data"].get("prompt_id") == prompt_id]
