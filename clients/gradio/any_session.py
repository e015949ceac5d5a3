"""What sessions have in common, whatever the server's generation of Gradio: files, and the functions of the app."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from ..core.errors import ValidationError
from ..core.model import Artifact
from ..core.scope import Scope
from ..http.download import OnBytes
from . import files
from .component_values import GradioFile
from .config import Dependency, GradioConfig
from .http import GradioHTTP
from .messages import Message

OnMessage = Callable[[Message], None]


class AnySession:
    """One ``session_hash`` on one server; a context manager. Without a given hash it gets a new one."""

    def __init__(self, access: GradioHTTP, config: GradioConfig, session_hash: str | None) -> None:
        self.access = access
        self.config = config
        self.session_hash = session_hash or secrets.token_hex(6)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self, timeout_s: float = 2.0) -> None:
        """Close the session's own connections, if it has any, within ``timeout_s``."""

    def dependency(self, target: Dependency | str | int) -> Dependency:
        """Return the function meant; ``MissingResource`` if the app has none such."""
        return self.config.resolve(target)

    def upload(
        self,
        path: Path,
        *,
        scope: Scope | None = None,
        name: str = "",
        on_chunk: Callable[[int, int], None] | None = None,
    ) -> GradioFile:
        """Upload a file; see ``files.upload``.

        What is returned is the value for a call: its ``as_input()``, and for Gradio 3 (from 3.30 or so on;
        ``MissingResource`` before) its ``path``.
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


def check_count(dependency: Dependency, data: Sequence[Any]) -> None:
    """Raise ``ValidationError`` (code ``wrong_arguments``) unless there is one value for each input: the server would
    fail without a message.
    """
    if len(data) == len(dependency.inputs):
        return
    raise ValidationError(
        f"The function {dependency.label} takes {len(dependency.inputs)} values, not {len(data)}.",
        code="wrong_arguments",
        hint="The version of the program on the server may not be supported.",
    )
