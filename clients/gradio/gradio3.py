"""A session with a Gradio server of generation 3: plain requests, generators by polling.

Facts: ``POST /run/predict`` with ``fn_index`` works although the app's queue is on. The response has the values, or
status 500 with ``{"error": null}`` for any failure. A generator's first response has ``is_generating``; the same
request with the same ``session_hash`` polls the next yield; the last response is null in all values. Nothing can be
cancelled, and a generator without polls stands still for ever. 3.34 takes uploads and the bare path as the value; 3.14
has no upload: the file goes into the call as a ``data:`` URL.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import ProtocolError
from ..core.scope import Scope
from ..files.names import kind_and_type
from ..http.base64_body import base64_slices
from .any_session import AnySession, OnMessage, check_count
from .config import Dependency, GradioConfig
from .http import GradioHTTP
from .messages import Completed, Message, Started, Yielded
from .run_endpoint import RunReply, post

_GENERATION = 3


class InlineFile:
    """A file inside a call, for 3.14: a value among the ``data`` of a call, at any depth.

    It is read when the call is sent; ``StorageError`` if that fails.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        self.path = path
        self.name = name or path.name
        self.media_type = kind_and_type(self.name)[1]


class Gradio3Session(AnySession):
    """One ``session_hash`` with its State and generators on the server; a context manager.

    Pass an earlier ``session_hash`` to continue a generator. It has no connection, so nothing to close.
    """

    def __init__(self, access: GradioHTTP, config: GradioConfig, session_hash: str | None = None) -> None:
        if config.generation != _GENERATION:
            raise access.http.clean(
                ProtocolError(
                    f"{access.server} runs Gradio {config.version}, not 3.",
                    code="gradio_version",
                    hint="Install the Gradio version that the program needs.",
                )
            )
        super().__init__(access, config, session_hash)

    def call(
        self,
        target: Dependency | str | int,
        data: Sequence[Any],
        *,
        scope: Scope,
        on_message: OnMessage | None = None,
    ) -> list[Any]:
        """Call a function and return its final values, updates unwrapped; its messages go to ``on_message``.

        Raises ``ValidationError`` for a wrong number of values, ``GenerationError`` (code ``no_reason`` if the server
        gives none), ``OutOfMemory``, and network errors. After ``ConnectionLost`` it may still have run.
        """
        end = Completed([])
        for message in self.iterate(target, data, scope=scope):
            if isinstance(message, Completed):
                end = message
            if on_message is not None:
                on_message(message)
        return end.data

    def iterate(self, target: Dependency | str | int, data: Sequence[Any], *, scope: Scope) -> Iterator[Message]:
        """Call a function and yield ``Started``, a ``Yielded`` for each yield of a generator, and ``Completed`` with
        the last values; raises as ``call`` does. Each step of the iterator polls the next yield.
        """
        dependency = self.dependency(target)
        check_count(dependency, data)
        body = _encode_body(data, dependency, self.session_hash)
        yield Started()
        values: list[Any] | None = None
        while True:
            scope.check()
            answer = post(self.access, self.config, dependency, body, scope)
            if not answer.is_generating:
                break
            values = answer.raw
            yield Yielded(values)
        yield Completed(_get_last_values(answer, values), answer.duration_s)


def _get_last_values(answer: RunReply, values: list[Any] | None) -> list[Any]:
    """Return a generator's last values: its last response is null in all values."""
    ended_empty = values is not None and all(each is None for each in answer.raw)
    return values if ended_empty and values is not None else answer.raw


def _encode_body(data: Sequence[Any], dependency: Dependency, session_hash: str) -> list[bytes]:
    """Return the JSON of a call in pieces, so that its files are encoded slice by slice."""
    marks: dict[str, InlineFile] = {}

    def mark_file(value: Any) -> Any:
        if not isinstance(value, InlineFile):
            raise TypeError(f"{type(value).__name__} can't go into a call")
        mark = secrets.token_hex(16)
        marks[mark] = value
        return {"name": value.name, "data": mark}

    payload = {"data": list(data), "fn_index": dependency.id, "session_hash": session_hash}
    rest = json.dumps(payload, allow_nan=False, default=mark_file).encode()
    pieces: list[bytes] = []
    for mark, file in marks.items():
        before, _, rest = rest.partition(mark.encode())
        pieces += [before, f"data:{file.media_type};base64,".encode(), *base64_slices(file.path)]
    return [*pieces, rest]
