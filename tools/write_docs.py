#!/usr/bin/env python3
"""Write the tables, quotations and drawings of docs/ that come from the code: ``python tools/write_docs.py``.

Each follows its ``<!-- NAME: ... -->`` line; ``tests/unit/docs/test_pages.py`` compares.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import quote_docs
import state_docs

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


def recordings_table(backend: str, newest: str) -> str:
    """Return which tests cover which recorded scenario; ``newest`` is the version of files in no folder.

    Scenarios are named by the folder of their server where servers differ in what they have.
    """
    scenarios: dict[str, tuple[str, ...]] = import_module(f"support.{backend}_scenarios").SCENARIOS
    folder = ROOT / "tests" / "recordings" / backend
    lines = ["| scenario | versions | tests |", "| --- | --- | --- |"]
    for name, tests in sorted(scenarios.items()):
        server, _, scenario = name.rpartition("/")
        folders = [path.parent for path in (folder / server).rglob(f"{scenario}.json*")]
        versions = sorted(newest if each == folder else each.name.removeprefix("v") for each in folders)
        shown = "<br>".join(f"`{test.partition('::')[0]}` {test.partition('::')[2]}" for test in tests)
        lines.append(f"| {scenario} | {', '.join(versions)} | {shown} |")
    return "\n".join(lines)


RECORDED = {"audioldm": "", "comfyui": "0.33.0", "gradio": "", "litellm": "", "rvc": "", "wan2gp": "12.60"}
"""The backends with recordings, and the version of the files that lie in no folder."""


def state_blocks(tables: Callable[[], state_docs.Tables], *regions: str) -> dict[str, Callable[[], str]]:
    """Return the blocks of a state machine's page: a drawing and the states of each region, and all events."""

    def block(make: Callable[..., str], *arguments: str) -> Callable[[], str]:
        return lambda: make(tables(), *arguments)

    blocks = {"events": block(state_docs.events_table)}
    for region in regions:
        blocks[f"{region} drawing"] = block(state_docs.diagram, region)
        blocks[f"{region} states"] = block(state_docs.states_table, region)
    return blocks


TABLES: dict[str, dict[str, Callable[[], str]]] = {
    "docs/clients.md": {"options": options_table},
    "docs/mocks.md": {"faults": faults_table},
    "docs/gradio.md": state_blocks(state_docs.gradio_tables, "stream"),
    "docs/comfyui-run.md": state_blocks(state_docs.comfyui_tables, "run", "server", "websocket"),
    **{
        f"docs/{backend}-recordings.md": {"scenarios": partial(recordings_table, backend, newest)}
        for backend, newest in RECORDED.items()
        if (ROOT / "docs" / f"{backend}-recordings.md").is_file()
    },
}


QUOTING = ("docs/adding-a-backend.md",)
"""The pages with quotations: see ``quote_docs``."""


def written(name: str) -> str:
    """Return what a page should be."""
    text = quote_docs.quote((ROOT / name).read_text(encoding="utf-8"), ROOT)
    for marker, block in TABLES.get(name, {}).items():
        pattern = re.compile(rf"(<!-- {marker}:[^\n]*-->\n\n?)(```mermaid\n.*?```\n|(?:\|[^\n]*\n)*)", re.DOTALL)
        found = pattern.search(text)
        if not found:
            raise LookupError(f"{name} has no line <!-- {marker}: ... -->")
        text = f"{text[: found.start()]}{found[1].rstrip()}\n\n{block()}\n{text[found.end() :]}"
    return text


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "build" / "src"), str(ROOT / "tests")]
    for page in (*TABLES, *QUOTING):
        (ROOT / page).write_text(written(page), encoding="utf-8")
        print(f"wrote {page}")
