#!/usr/bin/env python3
"""Calls of Gradio functions and connecting, ours and gradio_client's, on one real server in a process of its own.

Run it with the interpreter that ``python tools/envs.py python gradio-6`` names: it has both. The app is that of
tests/servers, with as many functions more as make ``/config`` as large as WanGP's. Contenders take turns; medians are
printed. ``--server PYTHON`` names another interpreter for the server, such as that of Gradio 5.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from report import report, report_absent

if TYPE_CHECKING:
    from movie_director.clients.gradio.session import GradioSession
    from movie_director.clients.http.session import HTTPSession
    from movie_director.clients.http.transport import Transport

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "build" / "src"), str(ROOT / "tests")]
os.environ.update({"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"})

ROUNDS = 15
CONNECTS = 5
FUNCTIONS = 900
WAKE_S = 0.001


class Lateness:
    """How late a thread that wakes every millisecond is, as Blender's main thread would be."""

    def __enter__(self) -> Lateness:
        self.late: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._wake)
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _wake(self) -> None:
        before = time.perf_counter()
        while not self._ended.wait(WAKE_S):
            now = time.perf_counter()
            self.late.append(now - before - WAKE_S)
            before = now

    def summary(self) -> str:
        """Return the 99th percentile and the worst, in milliseconds."""
        ranked = sorted(self.late)
        return f"{ranked[int(len(ranked) * 0.99) - 1] * 1000:7.1f} ms p99, {ranked[-1] * 1000:7.1f} ms at worst"


def http_of(transport: Transport, url: str) -> HTTPSession:
    """Return the requests to the server."""
    from movie_director.clients.core.options import ClientOptions
    from movie_director.clients.http.session import HTTPSession
    from movie_director.clients.http.url import parse_server_url

    return HTTPSession(transport, parse_server_url(url), "wan2gp", ClientOptions(), {})


def ours(transport: Transport, url: str) -> GradioSession:
    """Connect."""
    from movie_director.clients.gradio.config import read_config
    from movie_director.clients.gradio.http import GradioHTTP
    from movie_director.clients.gradio.session import GradioSession

    access = GradioHTTP(http_of(transport, url))
    return GradioSession(access, read_config(access))


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def medians(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median of each contender in milliseconds; they take turns."""
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for call in contenders.values():
        call()
    for _ in range(rounds):
        for name, call in contenders.items():
            spent[name].append(timed(call))
    return {name: statistics.median(each) * 1000 for name, each in spent.items()}


def show(title: str, found: dict[str, float], base: str) -> None:
    """Print one row for each contender, with its ratio to the ``base``."""
    print(title)
    for name, each in found.items():
        print(f"    {name:32} {each:9.1f} ms   {each / found[base]:6.1f} x")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default=sys.executable, help="the server's interpreter")
    parser.add_argument("--functions", type=int, default=FUNCTIONS)
    options = parser.parse_args()
    try:
        began = time.perf_counter()
        import gradio_client
    except ImportError:
        report_absent("Gradio call", "gradio_client", f"{sys.executable} has none")
        return 1
    print(f"gradio_client {gradio_client.__version__}, imported in {(time.perf_counter() - began) * 1000:.0f} ms")
    from support.gradio_process import real_app

    from movie_director.clients.http.transport import Transport

    with tempfile.TemporaryDirectory() as folder, Transport() as transport:
        app: AbstractContextManager[str] = real_app(options.server, Path(folder), "--functions", str(options.functions))
        with app as url:
            measure(transport, url)
    return 0


def measure(transport: Transport, url: str) -> None:
    """Measure all on a server that is up."""
    import gradio_client

    from movie_director.clients.core.scope import SessionScope

    scope = SessionScope()
    raw = http_of(transport, url)

    def fetched() -> bytes:
        with raw.request("GET", "/config") as response:
            return response.read(1 << 30)

    size = len(fetched())
    connects = medians(
        {
            "the server alone (GET /config)": fetched,
            "ours": lambda: ours(transport, url).close(),
            "gradio_client": lambda: gradio_client.Client(
                url, verbose=False, httpx_kwargs={"timeout": 60, "trust_env": False}
            ).close(),
        },
        CONNECTS,
    )
    show(f"connecting, /config of {size / 1e6:.1f} MB", connects, "ours")
    with Lateness() as late:
        for _ in range(CONNECTS):
            ours(transport, url).close()
    print(f"    main thread late, ours           {late.summary()}")
    with Lateness() as late:
        for _ in range(2):
            gradio_client.Client(url, verbose=False, httpx_kwargs={"timeout": 60}).close()
    print(f"    main thread late, gradio_client  {late.summary()}")

    session = ours(transport, url)
    client = gradio_client.Client(url, verbose=False, httpx_kwargs={"timeout": 60, "trust_env": False})
    calls = medians(
        {
            "ours, without the queue (run)": lambda: session.run("echo", ["hi", 3, True], scope=scope),
            "ours, over the queue (call)": lambda: session.call("echo", ["hi", 3, True], scope=scope),
            "gradio_client predict": lambda: client.predict("hi", 3, True, api_name="/echo"),
        },
        ROUNDS,
    )
    show("one call of a function that does nothing", calls, "ours, over the queue (call)")
    report(
        "Gradio call",
        calls["ours, over the queue (call)"],
        f"with the server's time; gradio_client {calls['gradio_client predict']:.0f} ms",
    )
    session.close()
    client.close()


if __name__ == "__main__":
    raise SystemExit(main())
