"""Queue files as clients of WanGP's web UI send them, and the recorded scenarios with theirs."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.gradio_replay import Replay

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings" / "wan2gp"
MODEL = "t2v_1.3B"


def recorded(scenario: str) -> list[dict[str, Any]]:
    """Return the lines of a scenario."""
    text = (RECORDINGS / f"{scenario}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def settings(prompt: str = "a paper boat", steps: int = 4, **more: Any) -> dict[str, Any]:
    """Return settings of one task."""
    small = {"resolution": "160x96", "video_length": 17, "num_inference_steps": steps, "seed": 42}
    return {"model_type": MODEL, "prompt": prompt, **small, **more}


def queue_zip(*tasks: Mapping[str, Any], media: Mapping[str, bytes] | None = None) -> bytes:
    """Return a queue.zip."""
    told = io.BytesIO()
    with zipfile.ZipFile(told, "w") as archive:
        archive.writestr("queue.json", json.dumps([{"id": at, "params": each} for at, each in enumerate(tasks, 1)]))
        for name, data in (media or {}).items():
            archive.writestr(name, data)
    return told.getvalue()


class WanGPReplay(Replay):
    """A replay with whole uploads: of the recorded ones only the first bytes are known."""

    def __init__(self, url: str, lines: list[dict[str, Any]], uploads: list[bytes]) -> None:
        super().__init__(url, lines)
        self._uploads = iter(uploads)

    def kind(self, name: str | None, message: Any) -> str:
        kind = super().kind(name, message)
        # process_tasks has three outputs, and its yields come in a certain order; those of the status come by polling
        tasks = kind == "process_generating" and len(message["output"]["data"]) == 3
        return "a yield of process_tasks" if tasks else kind

    def _body(self, line: dict[str, Any]) -> bytes | None:
        if not line["path"].endswith("/upload"):
            return super()._body(line)
        boundary = line["headers"]["content-type"].rpartition("boundary=")[2]
        head = 'Content-Disposition: form-data; name="files"; filename="queue.zip"\r\n\r\n'
        body = next(self._uploads)
        return f"--{boundary}\r\n{head}".encode() + body + f"\r\n--{boundary}--\r\n".encode()


def without_chance(message: Any) -> Any:
    """A message, less what polling sees or misses: the progress of the short phases."""
    if isinstance(message, dict) and message.get("msg") == "progress":
        phases = [each for each in message["progress_data"] if each["length"] is not None]
        return {**message, "progress_data": phases} if phases else None
    return message


SUFFIX = re.compile(r"_\d+\Z")
