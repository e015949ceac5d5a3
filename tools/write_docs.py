#!/usr/bin/env python3
"""Write the tables of docs/ that come from the code: ``python tools/write_docs.py``.

A table follows its ``<!-- NAME: ... -->`` line; ``tests/unit/test_docs.py`` compares.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def options_table() -> str:
    """Return the default options of each backend."""
    from movie_director.clients import BACKENDS, ClientOptions

    lines = [
        f"| option | {' | '.join(info.label for info in BACKENDS.values())} |",
        f"| --- |{' --- |' * len(BACKENDS)}",
    ]
    for each in dataclasses.fields(ClientOptions):
        if each.name != "output_dir":
            values = (getattr(info.client.default_options, each.name) for info in BACKENDS.values())
            lines.append(f"| `{each.name}` | {' | '.join(str(value) for value in values)} |")
    return "\n".join(lines)


def faults_table() -> str:
    """Return the kinds of faults of the mock servers."""
    from movie_director.clients.mock import FAULT_KINDS

    lines = ["| kind | strikes | what the server does |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | {kind.point} | {kind.text} |" for name, kind in FAULT_KINDS.items()]
    return "\n".join(lines)


def recordings_table(backend: str, scenarios: dict[str, tuple[str, ...]], newest: str = "") -> str:
    """Return which tests cover which recorded scenario; ``newest`` is the version of files in no folder."""
    folder = ROOT / "tests" / "recordings" / backend
    lines = ["| scenario | versions | tests |", "| --- | --- | --- |"]
    for name, tests in sorted(scenarios.items()):
        folders = [path.parent for path in folder.rglob(f"{name}.jsonl")]
        versions = sorted(newest if each == folder else each.name.removeprefix("v") for each in folders)
        shown = "<br>".join(f"`{test.partition('::')[0]}` {test.partition('::')[2]}" for test in tests)
        lines.append(f"| {name} | {', '.join(versions)} | {shown} |")
    return "\n".join(lines)


def litellm_recordings_table() -> str:
    """Return which tests cover which recorded scenario of LiteLLM."""
    from support.litellm_scenarios import SCENARIOS

    return recordings_table("litellm", SCENARIOS)


def audioldm_recordings_table() -> str:
    """Return which tests cover which recorded scenario of the sound servers."""
    from support.audioldm_scenarios import SCENARIOS

    return recordings_table("audioldm", SCENARIOS)


def comfyui_recordings_table() -> str:
    """Return which tests cover which recorded scenario of ComfyUI."""
    from support.comfyui_scenarios import SCENARIOS

    return recordings_table("comfyui", SCENARIOS, "0.33.0")


def rvc_recordings_table() -> str:
    """Return which tests cover which recorded scenario of the RVC servers."""
    from support.rvc_scenarios import SCENARIOS

    lines = ["| server | scenario | tests |", "| --- | --- | --- |"]
    for name, tests in sorted(SCENARIOS.items()):
        server, _, scenario = name.partition("/")
        shown = "<br>".join(f"`{test.partition('::')[0]}` {test.partition('::')[2]}" for test in tests)
        lines.append(f"| {server} | {scenario} | {shown} |")
    return "\n".join(lines)


def wan2gp_recordings_table() -> str:
    """Return which tests cover which recorded scenario of WanGP."""
    from support.wan2gp_scenarios import SCENARIOS

    lines = ["| scenario | tests |", "| --- | --- |"]
    for name, tests in sorted(SCENARIOS.items()):
        shown = "<br>".join(f"`{test.partition('::')[0]}` {test.partition('::')[2]}" for test in tests)
        lines.append(f"| {name} | {shown} |")
    return "\n".join(lines)


TABLES = {
    "docs/clients.md": ("options", options_table),
    "docs/mocks.md": ("faults", faults_table),
    "docs/comfyui-recordings.md": ("scenarios", comfyui_recordings_table),
    "docs/litellm-recordings.md": ("scenarios", litellm_recordings_table),
    "docs/audioldm-recordings.md": ("scenarios", audioldm_recordings_table),
    "docs/rvc-recordings.md": ("scenarios", rvc_recordings_table),
    "docs/wan2gp-recordings.md": ("scenarios", wan2gp_recordings_table),
}


def written(name: str) -> str:
    """Return what a page should be."""
    marker, table = TABLES[name]
    text = (ROOT / name).read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {marker}:[^\n]*-->\n\n?)((?:\|[^\n]*\n)*)")
    return pattern.sub(lambda match: f"{match[1].rstrip()}\n\n{table()}\n", text)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "build" / "src"), str(ROOT / "tests")]
    for page in TABLES:
        (ROOT / page).write_text(written(page), encoding="utf-8")
        print(f"wrote {page}")
