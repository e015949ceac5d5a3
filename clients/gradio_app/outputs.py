"""Turns an endpoint's values into files in the output folder, a text, and data.

Facts: a file is an object with ``path``, at any depth of a value. For a streamed sound or video (``is_stream``) the
path names a playlist; the whole file is beside it as ``playlist-file``, below the route ``/stream``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..core.context import JobContext
from ..core.errors import APIError, BackendError, ProtocolError
from ..core.model import Artifact
from ..files.names import kind_and_type
from ..gradio.component_values import GradioFile, extract_files, unwrap
from ..gradio.config import GradioConfig
from ..gradio.files import fetch
from ..gradio.http import GradioHTTP
from ..http.download import download
from .endpoints import Endpoint, Output

FETCHING = "Fetching the result"
MAX_FILES = 256
MAX_DEPTH = 12
PLAYLIST = ".m3u8"
_OF_SOUND_AND_VIDEO = {"audio": ".mp3", "video": ".mp4"}


class Outputs:
    """The results of one call. After one ``take``, ``data`` has the values by output, with the names of local files.

    ``problems`` are the errors of files that could not be fetched.
    """

    def __init__(self, access: GradioHTTP, config: GradioConfig, job: JobContext) -> None:
        self.artifacts: list[Artifact] = []
        self.problems: list[BackendError] = []
        self.text: str | None = None
        self.data: dict[str, Any] = {}
        self._access = access
        self._config = config
        self._job = job
        self._fetched: dict[str, str | None] = {}

    def take(self, endpoint: Endpoint, values: list[Any]) -> None:
        """Fetch all files in the values, and keep the other values as data.

        Raises ``ProtocolError`` (code ``too_many_files``) for more than ``MAX_FILES``, the error of the first file if
        no file can be fetched, and errors of the disk and the network.
        """
        for output, value in zip(endpoint.outputs, values, strict=False):
            told: Any = self._local(output, unwrap(value), MAX_DEPTH)
            self.data[output.name] = told
            if self.text is None and output.media == "text" and isinstance(told, str) and told:
                self.text = told
        if self.problems and not self.artifacts:
            raise self.problems[0]

    def _local(self, output: Output, value: Any, depth: int) -> Any:
        """Return the value with the names of the fetched files in place of the server's files."""
        if not depth:
            return None
        if isinstance(value, Mapping):
            if isinstance(value.get("path"), str) or isinstance(value.get("url"), str):
                return self._fetch(output, value)
            return {name: self._local(output, each, depth - 1) for name, each in value.items()}
        if isinstance(value, list):
            return [self._local(output, each, depth - 1) for each in value]
        return value

    def _fetch(self, output: Output, value: Mapping[str, Any]) -> str | None:
        """Fetch a file, once, and return its local name; None if the server does not provide the file."""
        files = extract_files(value)
        if not files:
            return None
        file = files[0]
        key = file.path or file.url
        if key in self._fetched:
            return self._fetched[key]
        if len(self._fetched) == MAX_FILES:
            raise ProtocolError(
                f"The app returned more than {MAX_FILES} files.",
                code="too_many_files",
                hint="Request fewer files at a time.",
            )
        self._fetched[key] = None
        try:
            artifact = self._download(output, file, is_stream=value.get("is_stream") is True)
        except (APIError, ProtocolError) as error:
            self.problems.append(error)
            return None
        self.artifacts.append(artifact)
        self._fetched[key] = artifact.path.name
        return artifact.path.name

    def _download(self, output: Output, file: GradioFile, *, is_stream: bool) -> Artifact:
        self._job.message(f"{FETCHING}: {file.name}")
        if not is_stream or not file.path.endswith(PLAYLIST):
            return fetch(self._access, self._config, file, self._job.output_dir, scope=self._job)
        folder = file.path.rpartition("/")[0]
        name = file.name
        if kind_and_type(name)[0] == "other":
            name = f"stream{_OF_SOUND_AND_VIDEO.get(output.media, '')}"
        route = self._config.path(f"/stream/{quote(folder, errors='replace')}/playlist-file")
        return download(self._access, route, self._job.output_dir, name, scope=self._job, source=file.path)
