"""Pictures that a run sends over the websocket as its result: those of SaveImageWebsocket nodes.

Facts: they come as PNG in preview frames while such a node runs, full size, and are nowhere else: the history of the
run names no file. What is sent while the websocket is down is lost.
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
    """The pictures of one run, on disk from the moment they come; a context manager that removes what was not taken.

    ``expected`` says whether the prompt has such nodes. Used by one worker thread.
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
        """Keep a picture if it is one of these; ``running`` is the node that runs, for frames that do not name it.

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
        """Give the pictures their names, in the order in which they came; raises ``StorageError``."""
        return [publish_part(part, self._names[node_id], f"websocket/{node_id}") for node_id, part in self._parts]

    def lost(self) -> list[GenerationError]:
        """Return an error for each node whose pictures never came."""
        came = {node_id for node_id, _part in self._parts}
        return [_lost(name.removesuffix(".png")) for node_id, name in self._names.items() if node_id not in came]


def _lost(title: str) -> GenerationError:
    return GenerationError(
        f"The pictures of {title!r} have not come: they are sent over the websocket only, which was down.",
        code="socket_images_lost",
        backend=BACKEND,
        hint="Send it again, or use a Save Image node, whose pictures can be fetched later.",
        retryable=True,
    )
