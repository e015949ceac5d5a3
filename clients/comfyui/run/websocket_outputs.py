"""Result pictures that a run sends only over the websocket: those of SaveImageWebsocket nodes.

Facts: they arrive as full-size PNG in preview frames while such a node runs, and exist nowhere else: the history of
the run lists no file. Pictures sent while the websocket is down are lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ...core.errors import GenerationError
from ...core.model import Artifact
from ...files.names import safe_name
from ...files.part_file import part_path, publish_part
from ...files.storage_errors import storage_errors
from ..server.messages import Preview
from ..validation_errors import BACKEND
from ..workflow.loading import title_of

SENDING_CLASS = "SaveImageWebsocket"


class SocketImages:
    """The pictures of one run, saved to disk as they arrive; a context manager that deletes unpublished ones.

    ``expected`` is True if the prompt has such nodes. Used by one worker thread.
    """

    def __init__(self, prompt: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
        self._names = {
            node_id: safe_name(f"{title_of(prompt, node_id)}.png")
            for node_id, node in prompt.items()
            if node.get("class_type") == SENDING_CLASS
        }
        self._folder = folder
        self._parts: list[tuple[str, Path]] = []
        self.expected = bool(self._names)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, _error: BaseException | None, _trace: TracebackType | None) -> None:
        for _node_id, part in self._parts:
            part.unlink(missing_ok=True)

    def take(self, picture: Preview, running: str) -> bool:
        """Save a picture of such a node and return True; ``running`` is the running node, for frames that name none.

        Raises ``StorageError``.
        """
        node_id = (picture.node_id or running).partition(".")[0]
        name = self._names.get(node_id)
        if name is None or picture.media_type != "image/png":
            return False
        part = part_path(self._folder, name)
        self._parts.append((node_id, part))
        with storage_errors(self._folder):
            part.write_bytes(picture.data)
        return True

    def publish(self) -> list[Artifact]:
        """Name the pictures, in the order of arrival; raises ``StorageError``."""
        return [publish_part(part, self._names[node_id], f"websocket/{node_id}") for node_id, part in self._parts]

    def lost(self) -> list[GenerationError]:
        """Return an error for each node whose pictures never arrived."""
        came = {node_id for node_id, _part in self._parts}
        return [_lost_text(name.removesuffix(".png")) for node_id, name in self._names.items() if node_id not in came]


def _lost_text(title: str) -> GenerationError:
    return GenerationError(
        f"The pictures of {title!r} are missing: they are sent only over the websocket, which was down.",
        code="socket_images_lost",
        backend=BACKEND,
        hint="Send it again, or use a Save Image node: its pictures can be fetched later.",
        retryable=True,
    )
