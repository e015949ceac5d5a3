"""The state of one session of a mock WanGP's web UI, and the HTML that shows it."""

from __future__ import annotations

import base64
import html
import json
import time
from dataclasses import dataclass, field
from typing import Any

from ..gradio.app import update
from .generation_task import TaskRunner
from .task import Output, Task

EMPTY_QUEUE = "<div style='text-align: center; color: grey; padding: 20px;'>Queue is empty.</div>"
HEADS = ("Qty", "Prompt", "Length", "Steps", "Start/Ref", "End", "", "")


@dataclass
class Session:
    """The ``gen`` dictionary of the program's State."""

    queue: list[Task] = field(default_factory=list)
    files: list[tuple[Output, dict[str, Any]]] = field(default_factory=list)
    runner: TaskRunner | None = None
    latest: TaskRunner | None = None
    in_progress: bool = False
    status_shown: bool = False
    validated: bool = False
    status: str = "Generating..."
    progress: tuple[int, int | None, str] | None = None
    preview: bytes | None = None
    loaded: int = 0
    abort_asked: bool = False
    """True if the task was aborted before its runner started."""
    fresh: bool = False
    """True if there are outputs since the last request for the gallery."""

    def begin(self) -> None:
        self.in_progress = True
        self.status = "Generating..."
        self.preview = None
        self.progress = None

    @property
    def busy(self) -> bool:
        """True while a task runs. One whose stream was lost stays in the queue, but does not count once it ended."""
        return self.in_progress and bool(self.queue) and not self.stale

    @property
    def stale(self) -> bool:
        """True if the first task of the queue has ended, but its stream was lost before the queue was updated."""
        latest = self.latest
        return bool(self.queue) and latest is not None and latest.ended and latest.task is self.queue[0]

    @property
    def gallery(self) -> list[dict[str, Any]]:
        """The pictures and videos, as items of the gallery."""
        return [{each.kind: data, "caption": None} for each, data in self.files if each.kind != "audio"]

    @property
    def sounds(self) -> list[str]:
        """The paths of the audio files."""
        return [str(data["path"]) for each, data in self.files if each.kind == "audio"]


def stamp() -> str:
    """Return the time in the form that the program sends to trigger a change."""
    return str(time.time())


def queue_html(tasks: list[Task]) -> str:
    """Render the list of waiting tasks; the first of ``tasks`` is running."""
    waiting = tasks[1:]
    if not waiting:
        return EMPTY_QUEUE
    heads = "".join(f'<th class="center-align">{each}</th>' for each in HEADS)
    rows = "".join(
        f'<tr class="draggable-row" data-index="{at}"><td>1</td><td>{html.escape(each.prompt)}</td>'
        f"<td>{each.frames}</td><td>{each.steps}</td><td></td><td></td><td></td>"
        f"<td><button onclick=\"updateAndTrigger('remove_{each.number}')\"></button></td></tr>"
        for at, each in enumerate(waiting)
    )
    return f'<div id="queue-scroll-container"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def preview_html(picture: bytes | None) -> str:
    if picture is None:
        return ""
    data = base64.b64encode(picture).decode()
    return (
        '\n    <div style="display: flex; justify-content: center; align-items: center; height: 200px;" '
        "onclick=\"showImageModal('preview_0')\">\n"
        f'        <img src="data:image/jpeg;base64,{data}"\n             alt="Preview">\n    </div>\n    '
    )


def gallery_outputs(session: Session) -> list[Any]:
    """Make the outputs of refresh_gallery."""
    files, running = session.gallery, session.queue[0] if session.busy else None
    tabs, shown = (update(selected="video_images"), max(0, len(files) - 1)) if session.fresh else (update(), update())
    session.fresh = False
    prompt = (
        "" if running is None else f"<TABLE WIDTH=100% ID=PINFO><TR><TD>{html.escape(running.prompt)}</TD></TR></TABLE>"
    )
    busy = session.busy
    return [
        tabs,
        shown,
        update(selected_index=max(0, len(files) - 1), value=files),
        max(0, len(files) - 1),
        _paths(session),
        len(session.sounds) - 1,
        stamp(),
        update(visible=busy, value=prompt),
        update(visible=not busy),
        update(visible=busy),
        update(visible=busy),
        update(visible=busy),
        update(value=queue_html(session.queue)),
        update(interactive=True),
        update(interactive=True, visible=False),
        update(visible=False),
    ]


def final_outputs(session: Session) -> list[Any]:
    """Make the outputs of finalize_generation."""
    files = session.gallery
    return [
        update(selected="video_images"),
        max(0, len(files) - 1),
        update(selected_index=len(files) - 1, value=files),
        _paths(session),
        len(session.sounds) - 1,
        stamp(),
        update(interactive=True),
        update(interactive=True, visible=False),
        update(visible=True),
        update(visible=False),
        update(visible=False),
        update(visible=False, value=""),
    ]


def _paths(session: Session) -> str:
    return json.dumps(session.sounds)
