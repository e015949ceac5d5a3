"""The real Gradio app of tests/servers/gradio_app.py in a process of its own."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

APP = Path(__file__).resolve().parents[1] / "servers" / "gradio_app.py"
START_S = 180.0
PORTS = (20000, 32000)
QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}


def free_port() -> int:
    """Return a port that is free now, of those that systems do not hand out: the server takes seconds to bind it."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


@contextmanager
def real_app(python: str, folder: Path, *options: str, port: int | None = None, app: Path = APP) -> Iterator[str]:
    """Serve the app with that interpreter's Gradio; yields its address. Its log and caches are in ``folder``."""
    port = port or free_port()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {**QUIET, "GRADIO_TEMP_DIR": str(folder / "cache"), "TMPDIR": str(folder)}
    log = folder / f"log-{port}"
    with log.open("ab") as told:
        process = subprocess.Popen(
            [python, str(app), str(port), *options],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_up(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait(20.0)


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            if "ready\n" in log.read_text(errors="replace"):
                return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    raise AssertionError(log.read_text(errors="replace")[-3000:])
