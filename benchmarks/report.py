#!/usr/bin/env python3
"""What the benchmarks report: each figure with its promise, on the terminal and in the table of docs/speed.md.

A benchmark calls ``report(name, value)`` with a name of ``PROMISES`` and ``report_absent`` for each contender that it
can't measure against. Both are kept in build/benchmarks. ``python benchmarks/report.py`` prints them all and writes the
table; rows without a new figure stay as they are.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "build" / "benchmarks"
PAGE = ROOT / "docs" / "speed.md"
HEAD = "| promise | measured | | command |\n| --- | --- | --- | --- |\n"


@dataclass(frozen=True)
class Promise:
    """What is promised of one figure: at most, or at least, so much of a unit."""

    text: str
    script: str
    unit: str
    most: float | None = None
    least: float | None = None

    def is_kept(self, value: float) -> bool:
        """Tell whether a figure keeps it."""
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    def row(self, figure: dict[str, Any]) -> str:
        """Return the row of the table."""
        measured = f"{figure['value']:,.2f} {self.unit}" + (f" ({figure['detail']})" if figure["detail"] else "")
        kept = "kept" if self.is_kept(figure["value"]) else "**not kept**"
        return f"| {self.text} | {measured} | {kept} | `benchmarks/{self.script}.py` |"


_HTTP, _JOBS, _CHAT, _GRADIO = "bench_transport", "bench_comfyui", "bench_chat", "bench_gradio"
_CANCEL = "a cancelled call ends within 5 ms:"
PROMISES = {
    "job": Promise(
        "a job costs at most 2 ms more than the same exchange by hand with `requests` and `websocket-client`",
        *(_JOBS, "ms more"),
        most=2.0,
    ),
    "small GET": Promise(
        "a small GET with JSON takes at most 1.2 x the time of `requests.Session`", _HTTP, "x", most=1.2
    ),
    "download": Promise("a download has at least 0.9 x the rate of `http.client`", _HTTP, "x", least=0.9),
    "big output": Promise(
        "a job with an output of 200 MiB: at least 0.9 x the rate of `http.client`", _JOBS, "x", least=0.9
    ),
    "big output, hashed": Promise("the same against `http.client` that hashes too", _JOBS, "x", least=0.9),
    "big output, memory": Promise("at constant memory: at most 16 MiB more", _JOBS, "MiB more", most=16.0),
    "websocket texts": Promise(
        "websocket texts, received and parsed: at least 3 x `websocket-client` as it comes", _HTTP, "x", least=3.0
    ),
    "websocket binary": Promise(
        "websocket messages of 1 MiB: at least 0.8 x `websocket-client`", _HTTP, "x", least=0.8
    ),
    "cancel connecting": Promise(f"{_CANCEL} connecting", _HTTP, "ms", most=5.0),
    "cancel TLS handshake": Promise(f"{_CANCEL} TLS handshake", _HTTP, "ms", most=5.0),
    "cancel waiting for the answer": Promise(f"{_CANCEL} waiting for the answer", _HTTP, "ms", most=5.0),
    "cancel reading, by length": Promise(f"{_CANCEL} reading, by length", _HTTP, "ms", most=5.0),
    "cancel reading, chunked": Promise(f"{_CANCEL} reading, chunked", _HTTP, "ms", most=5.0),
    "cancel reading, up to the end": Promise(f"{_CANCEL} reading, up to the end", _HTTP, "ms", most=5.0),
    "cancel websocket handshake": Promise(f"{_CANCEL} websocket handshake", _HTTP, "ms", most=5.0),
    "first event": Promise("the first event of a stream is there within 5 ms", _HTTP, "ms", most=5.0),
    "chat chunks": Promise("chat chunks: at least 5 x the rate of openai-python", _CHAT, "x", least=5.0),
    "chat event": Promise("an event within 5 ms of its chunk", _CHAT, "ms", most=5.0),
    "chat memory": Promise("memory flat over 100,000 chunks: at most 16 MiB more", _CHAT, "MiB more", most=16.0),
    "submit": Promise("`submit()` below 1 ms, for a workflow of 200 nodes", _HTTP, "ms", most=1.0),
    "many jobs, submit": Promise("1,000 jobs queued at once: `submit()` below 1 ms", _JOBS, "ms", most=1.0),
    "many jobs, memory": Promise("1,000 jobs queued at once: at most 32 MiB more", _JOBS, "MiB more", most=32.0),
    "finished jobs": Promise(
        "memory flat over finished jobs: after 3,000 at most 4 MiB more than after 1,000", _JOBS, "MiB more", most=4.0
    ),
    "cancel ends here": Promise("a cancelled job has ended here within 50 ms", _JOBS, "ms", most=50.0),
    "cancel is told": Promise("the server is told of it within 500 ms", _JOBS, "ms", most=500.0),
    "Gradio call": Promise("a Gradio call takes at most 100 ms beyond the server's time", _GRADIO, "ms", most=100.0),
    "wake-up": Promise(
        "another thread wakes up less than 10 ms late (p99) while 20 MiB of JSON are decoded", _HTTP, "ms", most=10.0
    ),
    **{
        f"register {version}": Promise(
            f"import and `register()` below 15 ms in Blender {version}", _HTTP, "ms", most=15.0
        )
        for version in ("4.2", "4.5", "5.2")
    },
}
"""Every row that the table can have, in its order."""


def report(name: str, value: float, detail: str = "") -> None:
    """Print one figure with its promise and keep it for the table."""
    promise = PROMISES[name]
    mark = "kept" if promise.is_kept(value) else "NOT KEPT"
    print(f"  => {promise.text}: {value:,.2f} {promise.unit}{f' ({detail})' if detail else ''}: {mark}", flush=True)
    _keep(name, {"value": value, "detail": detail, "absent": ""})


def report_absent(name: str, contender: str, reason: str) -> None:
    """Say that a figure can't be had, for want of a contender."""
    print(f"  => {PROMISES[name].text}: NOT MEASURED: {contender.upper()} DID NOT RUN: {reason}", flush=True)
    _keep(name, {"value": None, "detail": "", "absent": f"{contender}: {reason}"})


def _keep(name: str, figure: dict[str, Any]) -> None:
    if "--quick" in sys.argv:  # the figures of a trial mean little
        return
    FIGURES.mkdir(parents=True, exist_ok=True)
    figure = {"name": name, "python": platform.python_version(), **figure}
    (FIGURES / f"{name}.json").write_text(json.dumps(figure), encoding="utf-8")


def read_figures() -> dict[str, dict[str, Any]]:
    """Return the newest figure of each name."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FIGURES.glob("*.json"))]
    return {figure["name"]: figure for figure in found}


def written(page: str, figures: dict[str, dict[str, Any]]) -> str:
    """Return the page with its table renewed: the rows that have a new figure, and the others as they are."""
    old = rows_of(page)
    rows = []
    for name, promise in PROMISES.items():
        figure = figures.get(name)
        if figure is not None and figure["value"] is not None:
            rows.append(promise.row(figure))
        elif promise.text in old:
            rows.append(old[promise.text])
    table = HEAD + "\n".join(rows) + "\n"
    text, count = re.subn(
        r"(<!-- figures:[^\n]*-->\n\n).*?(\n<!-- figures end -->)", lambda found: f"{found[1]}{table}{found[2]}", page,
        flags=re.DOTALL,
    )  # fmt: skip
    if not count:
        raise LookupError("docs/speed.md has no table between its markers")
    return text


def rows_of(page: str) -> dict[str, str]:
    """Return the rows of the page's table by their promise."""
    _, _, table = page.partition("<!-- figures:")
    lines = [line for line in table.partition("<!-- figures end -->")[0].splitlines() if line.startswith("| ")]
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines[2:]}


def main() -> int:
    """Print all figures and write the table; return 1 if a contender did not run."""
    figures = read_figures()
    for name, promise in PROMISES.items():
        figure = figures.get(name)
        if figure is None:
            print(f"  {promise.text}: not measured in this checkout ({promise.script})")
        elif figure["value"] is None:
            print(f"  {promise.text}: NOT MEASURED: {figure['absent']}")
        else:
            print(f"  {promise.row(figure)[2:]} Python {figure['python']}")
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), figures), encoding="utf-8")
    print(f"{os.path.relpath(PAGE, ROOT)} has these figures now. Ratios count; the rest is this machine's.")
    return int(any(figure["value"] is None for figure in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
