"""The calls of a mock Gradio server: as events of its queue, and as its functions see them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .app import Dependency
from .files import FileCache
from .messages import Message


@dataclass(eq=False)
class Event:
    """One call in the queue. ``whole``: its yields are sent in full (the /call routes), not as diffs."""

    id: str
    dependency: Dependency
    session: str
    data: list[Any]
    trigger_id: int | None = None
    username: str | None = None
    whole: bool = False
    alive: bool = True
    cancelled: bool = False
    progress: list[Message] | None = None
    spent: list[float] = field(default_factory=list)


def make_event(dependency: Dependency, session: str, data: list[Any], **fields: Any) -> Event:
    """Make an event with a new id of Gradio's form."""
    return Event(uuid.uuid4().hex, dependency, session, data, **fields)


class Call:
    """The first argument of every function: the event, and ways to report progress to the client."""

    def __init__(self, event: Event, log: Callable[[Event, str, str], None], files: FileCache) -> None:
        self._event = event
        self._log = log
        self._files = files

    @property
    def session(self) -> str:
        return self._event.session

    @property
    def username(self) -> str | None:
        return self._event.username

    @property
    def trigger_id(self) -> int | None:
        """The component that fired; None if the client named none: the real function's ``evt.target`` is then None."""
        return self._event.trigger_id

    @property
    def event_id(self) -> str:
        return self._event.id

    @property
    def alive(self) -> bool:
        """False after a cancel, or after the client left the event's stream."""
        return self._event.alive

    def progress(self, value: float | tuple[int, int | None], desc: str | None = None, *, unit: str = "steps") -> None:
        """Report ``gr.Progress``: a fraction, or (index, length). The newest is sent, every 50 ms at most."""
        if isinstance(value, tuple):
            entry: Message = {"index": value[0], "length": value[1], "unit": unit, "progress": None, "desc": desc}
        else:
            entry = {"index": None, "length": None, "unit": unit, "progress": value, "desc": desc}
        self._event.progress = [entry]

    def info(self, text: str) -> None:
        """Show ``gr.Info``."""
        self._log(self._event, text, "info")

    def warning(self, text: str) -> None:
        """Show ``gr.Warning``."""
        self._log(self._event, text, "warning")

    def file(self, name: str, data: bytes, media_type: str | None = None, *, sized: bool = False) -> dict[str, Any]:
        """Put a file into the server's cache and return its FileData.

        ``media_type`` is for components where Gradio sends it (galleries), ``sized`` for those with a size (gr.File).
        """
        return self._files.file_data(name, data, media_type, sized=sized)

    def read(self, file_data: Any) -> bytes:
        """Return the content of a file that the client has uploaded; ``ValueError`` if there is no such file."""
        return self._files.uploaded(file_data)
