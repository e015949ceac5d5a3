"""The messages of a mock Gradio server, as each generation words them.

Facts: recordings of 4.44.1, 5.29.0 and 6.31.0 (tests/recordings/gradio), with which the tests compare.
"""

import json
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]

NO_SESSION = {4: "404: Session not found.", 5: "404: Session not found.", 6: "404: Not Found"}


@dataclass(frozen=True)
class Dialect:
    """How one version of Gradio writes. ``version`` is any of 4.x, 5.x and 6.x; others raise ``ValueError``."""

    version: str

    def __post_init__(self) -> None:
        if self.version.partition(".")[0] not in ("4", "5", "6"):
            raise ValueError(f"no mock of Gradio {self.version}: there are 4.x, 5.x and 6.x")

    @property
    def generation(self) -> int:
        return int(self.version.partition(".")[0])

    @property
    def prefix(self) -> str:
        """What stands before every route but those of the page itself."""
        return "" if self.generation == 4 else "/gradio_api"

    # Waiting and starting

    def estimation(self, event_id: str | None, rank: int | None, size: int, eta: float | None) -> Message:
        return {"msg": "estimation", "event_id": event_id, "rank": rank, "queue_size": size, "rank_eta": eta}

    def starts(self, event_id: str, eta: float | None) -> Message:
        return {"msg": "process_starts", "event_id": event_id, "eta": eta}

    # What a function says while it runs

    def progress(self, event_id: str, units: list[Message]) -> Message:
        return {"msg": "progress", "event_id": event_id, "progress_data": units}

    def log(self, event_id: str, text: str, level: str) -> Message:
        said = {"msg": "log", "event_id": event_id, "log": text, "level": level, "duration": 10.0, "visible": True}
        return said if self.generation == 4 else {**said, "title": level.capitalize()}

    # What comes out

    def output(self, data: list[Any], *, generating: bool, duration: float, average: float) -> Message:
        """The ``output`` of a yield or an end."""
        told = {
            "data": data,
            "is_generating": generating,
            "duration": duration,
            "average_duration": average,
            "render_config": None,
            "changed_state_ids": [],
        }
        return {**told, "used_cache": None} if self.generation == 6 else told

    def generating(self, event_id: str, output: Message) -> Message:
        said = {"msg": "process_generating", "event_id": event_id, "output": output, "success": True}
        return said if self.generation == 4 else {**said, "time_limit": None}

    def completed(self, event_id: str, output: Message, *, success: bool, title: str | None = None) -> Message:
        """The end of an event; an ``output`` without data is that of one that was cancelled."""
        said = {"msg": "process_completed", "event_id": event_id, "output": output, "success": success}
        if self.generation > 4:
            said["title"] = title
        if self.generation == 6:
            said["used_cache"] = None
            said["cache_duration"] = output.get("duration") if "data" in output else None
            said["avg_time"] = output.get("average_duration")
        return said

    def error(self, text: str | None, *, raised: bool, duration: float | None = 10, shown: bool = False) -> Message:
        """The ``output`` of a failed event. ``raised``: by the function on purpose (gr.Error), so that its text is
        told; else the text is told only where the server was started to ``show`` errors."""
        if raised:
            words = f"'{text}'" if self.generation == 4 else text
            told: Message = {"error": words, "duration": duration, "visible": True}
            return told if self.generation == 4 else {**told, "title": "Error"}
        if shown:
            return {"error": text, "visible": True} if self.generation == 6 else {"error": text}
        return {"error": None}

    # The stream itself

    def close_stream(self) -> Message:
        return {"msg": "close_stream", "event_id": None}

    def heartbeat(self) -> Message:
        return {"msg": "heartbeat", "event_id": None}

    def no_session(self) -> Message:
        said: Message = {"msg": "unexpected_error", "event_id": None, "message": NO_SESSION[self.generation]}
        if self.generation == 6:
            said["session_not_found"] = True
        return {**said, "success": False}

    def locked(self) -> Message:
        """The body of a 401."""
        if self.generation == 6:
            return {"detail": {"error": "Not authenticated", "auth_message": None}}
        return {"detail": "Not authenticated"}


def as_event(message: Any, name: str | None = None) -> bytes:
    """One server-sent event."""
    head = b"" if name is None else f"event: {name}\n".encode()
    return head + b"data: " + json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def edits(old: Any, new: Any, path: tuple[str | int, ...] = ()) -> list[list[Any]]:
    """What turns ``old`` into ``new``, as generators send it: ``[action, path, value]``."""
    if old == new:
        return []
    where = list(path)
    if type(old) is not type(new):
        return [["replace", where, new]]
    if isinstance(old, str) and new.startswith(old):
        return [["append", where, new[len(old) :]]]
    if isinstance(old, list):
        common = min(len(old), len(new))
        found = [edit for at in range(common) for edit in edits(old[at], new[at], (*path, at))]
        found += [["delete", [*where, at], None] for at in range(common, len(old))]
        return found + [["add", [*where, at], new[at]] for at in range(common, len(new))]
    if isinstance(old, dict):
        found = []
        for key in old:
            found += edits(old[key], new[key], (*path, key)) if key in new else [["delete", [*where, key], None]]
        return found + [["add", [*where, key], new[key]] for key in new if key not in old]
    return [["replace", where, new]]
