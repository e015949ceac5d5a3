"""The messages of a mock Gradio server, in each generation's form.

Facts: recordings of 4.44.1, 5.29.0 and 6.31.0 (tests/recordings/gradio), with which the tests compare.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]

NO_SESSION = {4: "404: Session not found.", 5: "404: Session not found.", 6: "404: Not Found"}


@dataclass(frozen=True)
class Dialect:
    """The message format of one version of Gradio: 4.x, 5.x or 6.x; others raise ``ValueError``."""

    version: str

    def __post_init__(self) -> None:
        if self.version.partition(".")[0] not in ("4", "5", "6"):
            raise ValueError(f"no mock of Gradio {self.version}: there are 4.x, 5.x and 6.x")

    @property
    def generation(self) -> int:
        return int(self.version.partition(".")[0])

    @property
    def prefix(self) -> str:
        """The path before every route except those of the page itself."""
        return "" if self.generation == 4 else "/gradio_api"

    # Waiting and starting

    def estimation(self, event_id: str | None, rank: int | None, size: int, eta: float | None) -> Message:
        return {"msg": "estimation", "event_id": event_id, "rank": rank, "queue_size": size, "rank_eta": eta}

    def starts(self, event_id: str, eta: float | None) -> Message:
        return {"msg": "process_starts", "event_id": event_id, "eta": eta}

    # While a function runs

    def progress(self, event_id: str, units: list[Message]) -> Message:
        return {"msg": "progress", "event_id": event_id, "progress_data": units}

    def log(self, event_id: str, text: str, level: str) -> Message:
        message = {"msg": "log", "event_id": event_id, "log": text, "level": level, "duration": 10.0, "visible": True}
        return message if self.generation == 4 else {**message, "title": level.capitalize()}

    # Outputs

    def output(self, data: list[Any], *, generating: bool, duration: float, average: float) -> Message:
        """Make the ``output`` of a yield or an end."""
        output = {
            "data": data,
            "is_generating": generating,
            "duration": duration,
            "average_duration": average,
            "render_config": None,
            "changed_state_ids": [],
        }
        return {**output, "used_cache": None} if self.generation == 6 else output

    def generating(self, event_id: str, output: Message) -> Message:
        message = {"msg": "process_generating", "event_id": event_id, "output": output, "success": True}
        return message if self.generation == 4 else {**message, "time_limit": None}

    def completed(self, event_id: str, output: Message, *, success: bool, title: str | None = None) -> Message:
        """Make the end of an event; an ``output`` without data belongs to a cancelled one."""
        message = {"msg": "process_completed", "event_id": event_id, "output": output, "success": success}
        if self.generation > 4:
            message["title"] = title
        if self.generation == 6:
            message["used_cache"] = None
            message["cache_duration"] = output.get("duration") if "data" in output else None
            message["avg_time"] = output.get("average_duration")
        return message

    def error(self, text: str | None, *, raised: bool, duration: float | None = 10, shown: bool = False) -> Message:
        """Make the ``output`` of a failed event.

        ``raised``: the function raised gr.Error, whose text is sent; else the text is sent only if the server was
        started to show errors (``shown``).
        """
        if raised:
            quoted = f"'{text}'" if self.generation == 4 else text
            output: Message = {"error": quoted, "duration": duration, "visible": True}
            return output if self.generation == 4 else {**output, "title": "Error"}
        if shown:
            return {"error": text, "visible": True} if self.generation == 6 else {"error": text}
        return {"error": None}

    # The stream itself

    def close_stream(self) -> Message:
        return {"msg": "close_stream", "event_id": None}

    def heartbeat(self) -> Message:
        return {"msg": "heartbeat", "event_id": None}

    def no_session(self) -> Message:
        message: Message = {"msg": "unexpected_error", "event_id": None, "message": NO_SESSION[self.generation]}
        if self.generation == 6:
            message["session_not_found"] = True
        return {**message, "success": False}

    def locked(self) -> Message:
        """Make the body of a 401."""
        if self.generation == 6:
            return {"detail": {"error": "Not authenticated", "auth_message": None}}
        return {"detail": "Not authenticated"}


def as_event(message: Any, name: str | None = None) -> bytes:
    """Encode a server-sent event."""
    head = b"" if name is None else f"event: {name}\n".encode()
    return head + b"data: " + json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def make_diff(old: Any, new: Any, path: tuple[str | int, ...] = ()) -> list[list[Any]]:
    """Return the diff from ``old`` to ``new`` that generators send: ``[action, path, value]``."""
    if old == new:
        return []
    where = list(path)
    if type(old) is not type(new):
        return [["replace", where, new]]
    if isinstance(old, str) and new.startswith(old):
        return [["append", where, new[len(old) :]]]
    if isinstance(old, list):
        common = min(len(old), len(new))
        found = [step for at in range(common) for step in make_diff(old[at], new[at], (*path, at))]
        found += [["delete", [*where, at], None] for at in range(common, len(old))]
        return found + [["add", [*where, at], new[at]] for at in range(common, len(new))]
    if isinstance(old, dict):
        found = []
        for key in old:
            found += make_diff(old[key], new[key], (*path, key)) if key in new else [["delete", [*where, key], None]]
        return found + [["add", [*where, key], new[key]] for key in new if key not in old]
    return [["replace", where, new]]
