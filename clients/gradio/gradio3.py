"""A session with a Gradio server of generation 3: plain requests, generators by asking again.

Facts: ``POST /run/predict`` with ``fn_index`` works although the app's queue is on. The answer has the values, or
status 500 with ``{"error": null}`` for whatever went wrong. A generator's first answer says ``is_generating``; the same
request with the same ``session_hash`` gets the next yield, and in the end one that is null all through. Nothing can be
cancelled, and a generator whose client stops asking stands still for ever. 3.34 takes uploads and the bare path as the
value; 3.14 has no upload: the file goes into the call as a ``data:`` URL.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import ProtocolError
from ..core.model import Artifact
from ..core.scope import Scope
from ..files.names import kind_and_type
from ..http.base64_body import base64_slices
from ..http.download import OnBytes
from . import files
from .component_values import GradioFile
from .config import Dependency, GradioConfig
from .http import GradioHTTP
from .messages import Completed, Message, Started, Yielded
from .run_endpoint import RunReply, post
from .session import OnMessage, check_count

_GENERATION = 3


class InlineFile:
    """A file that goes into a call itself, as 3.14 takes it: a value among the ``data`` of a call, at any depth.

    Its bytes are read when the call is sent; ``StorageError`` if that can't be done.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        self.path = path
        self.name = name or path.name
        self.media_type = kind_and_type(self.name)[1]


class Gradio3Session:
    """One ``session_hash`` with the State and generators that the server keeps under it; a context manager.

    Give the ``session_hash`` of before to go on with a generator. Has no connection of its own, so nothing to close.
    """

    def __init__(self, access: GradioHTTP, config: GradioConfig, session_hash: str | None = None) -> None:
        if config.generation != _GENERATION:
            raise access.http.clean(
                ProtocolError(
                    f"{access.server} runs Gradio {config.version}, not 3.",
                    code="gradio_version",
                    hint="Use the program's version for this Gradio.",
                )
            )
        self.access = access
        self.config = config
        self.session_hash = session_hash or secrets.token_hex(6)

    def __enter__(self) -> Gradio3Session:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def call(
        self,
        target: Dependency | str | int,
        data: Sequence[Any],
        *,
        scope: Scope,
        on_message: OnMessage | None = None,
    ) -> list[Any]:
        """Make a call and return its final values, updates unwrapped; its messages go to ``on_message``.

        Raises ``ValidationError`` for a wrong number of values, ``GenerationError`` (code ``no_reason`` if the server
        says nothing), ``OutOfMemory``, and the network's errors. After ``ConnectionLost`` it may have run all the same.
        """
        end = Completed([])
        for message in self.iterate(target, data, scope=scope):
            if isinstance(message, Completed):
                end = message
            if on_message is not None:
                on_message(message)
        return end.data

    def iterate(self, target: Dependency | str | int, data: Sequence[Any], *, scope: Scope) -> Iterator[Message]:
        """Make a call and yield ``Started``, a ``Yielded`` for each yield of a generator, and ``Completed`` with the
        last values there were; raises as ``call`` does. The next yield is asked for when the iterator is.
        """
        dependency = self.dependency(target)
        check_count(dependency, data)
        body = _body(data, dependency, self.session_hash)
        yield Started()
        values: list[Any] | None = None
        while True:
            scope.check()
            answer = post(self.access, self.config, dependency, body, scope)
            if not answer.is_generating:
                break
            values = answer.raw
            yield Yielded(values)
        yield Completed(_last(answer, values), answer.duration_s)

    def upload(
        self,
        path: Path,
        *,
        scope: Scope | None = None,
        name: str = "",
        on_chunk: Callable[[int, int], None] | None = None,
    ) -> GradioFile:
        """Upload a file (from 3.30 or so on; ``MissingResource`` before); see ``files.upload``. Its ``path`` is the
        value for a call.
        """
        return files.upload(self.access, self.config, path, scope=scope, name=name, on_chunk=on_chunk)

    def download(
        self,
        file: GradioFile,
        folder: Path,
        *,
        scope: Scope | None = None,
        name: str = "",
        on_bytes: OnBytes | None = None,
    ) -> Artifact:
        """Download a file that an output names; see ``files.fetch``."""
        return files.fetch(self.access, self.config, file, folder, scope=scope, name=name, on_bytes=on_bytes)

    def dependency(self, target: Dependency | str | int) -> Dependency:
        """Return the function meant; ``MissingResource`` if the app has none such."""
        return self.config.resolve(target)

    def close(self, timeout_s: float = 2.0) -> None:
        """Do nothing: it is there so that both kinds of session can be used alike."""


def _last(answer: RunReply, values: list[Any] | None) -> list[Any]:
    """Return a generator's last values: what ends it is null all through."""
    ended_empty = values is not None and all(each is None for each in answer.raw)
    return values if ended_empty and values is not None else answer.raw


def _body(data: Sequence[Any], dependency: Dependency, session_hash: str) -> list[bytes]:
    """Return the JSON of a call in pieces, so that files in it are encoded slice by slice."""
    marks: dict[str, InlineFile] = {}

    def marked(value: Any) -> Any:
        if not isinstance(value, InlineFile):
            raise TypeError(f"{type(value).__name__} can't go into a call")
        mark = secrets.token_hex(16)
        marks[mark] = value
        return {"name": value.name, "data": mark}

    payload = {"data": list(data), "fn_index": dependency.id, "session_hash": session_hash}
    rest = json.dumps(payload, allow_nan=False, default=marked).encode()
    pieces: list[bytes] = []
    for mark, file in marks.items():
        before, _, rest = rest.partition(mark.encode())
        pieces += [before, f"data:{file.media_type};base64,".encode(), *base64_slices(file.path)]
    return [*pieces, rest]
