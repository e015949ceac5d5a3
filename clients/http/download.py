"""Files from a server to disk: streamed to ``.part``, resumed after a cut, checked, and only then given their name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from ..core.errors import ConnectionFailed, ConnectionLost, NetworkError, NetworkTimeout, ProtocolError
from ..core.model import Artifact
from ..core.scope import Scope
from ..files.disk_space import CHECK_EVERY_BYTES, check_free_space
from ..files.names import kind_and_type, safe_name, signature_problem
from ..files.part_file import part_path, publish_part
from ..files.storage_errors import prepare_folder, storage_errors
from .response import Response

MAX_RESUMES = 5
"""In a row: a resume that gets further counts anew."""

_CHUNK_BYTES = 512 * 1024
_FURTHER_BYTES = 64 * 1024
_PARTIAL = 206
_RANGE_NOT_SATISFIABLE = 416
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")
_WORTH_WAITING = (ConnectionLost, ConnectionFailed, NetworkTimeout)

OnBytes = Callable[[int, int | None], None]


class Requests(Protocol):
    """What a file is fetched through: a server's session, or something that adds to its requests."""

    @property
    def max_file_bytes(self) -> int:
        """The largest file that is taken."""

    def request(
        self,
        method: str,
        path: str,
        *,
        scope: Scope | None = None,
        headers: Mapping[str, str] | None = None,
        expect: Iterable[int] = (),
        stream: bool = False,
    ) -> Response:
        """Send a request, as ``HTTPSession.request`` does."""

    def free_scope(self) -> Scope:
        """Return a scope for requests that belong to no job."""


@dataclass
class _Part:
    """What has been written so far. ``validator`` names the version of the file on the server, empty if it can't."""

    name: str
    source: str
    path: Path
    file: BinaryIO
    max_bytes: int
    digest: hashlib._Hash
    size: int = 0
    checked_at: int = 0
    total: int | None = None
    validator: str = ""

    @property
    def resumable(self) -> bool:
        return bool(self.size and self.validator)

    def begin(self, response: Response) -> None:
        with storage_errors(self.path.parent):
            if self.size:  # ext4 writes a file that was cut to nothing to disk when it is closed
                self.file.seek(0)
                self.file.truncate()
        self.digest = hashlib.sha256()
        self.size = self.checked_at = 0
        self._check_size(response.content_length or 0)
        check_free_space(self.path.parent, response.content_length or 0)
        self.total = response.content_length
        tag = response.headers.get("ETag", "")
        self.validator = "" if tag.startswith("W/") else tag or response.headers.get("Last-Modified", "")

    def write(self, chunk: bytes) -> None:
        self._check_size(self.size + len(chunk))
        if self.size - self.checked_at >= CHECK_EVERY_BYTES:
            self.checked_at = self.size
            check_free_space(self.path.parent)
        with storage_errors(self.path.parent):
            self.file.write(chunk)
        self.digest.update(chunk)
        self.size += len(chunk)

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            raise ProtocolError(
                f"The file {self.name} that the server sends is larger than {self.max_bytes} bytes.",
                code="too_large",
                hint="If the server can be trusted, raise max_file_bytes.",
                context={"source": self.source},
            )


def download(
    session: Requests,
    path: str,
    folder: Path,
    name: str,
    *,
    scope: Scope | None = None,
    source: str = "",
    on_bytes: OnBytes | None = None,
) -> Artifact:
    """Fetch ``path`` into ``folder`` under a safe form of ``name`` that no file has yet, and return the artifact.

    ``on_bytes(received, total)`` is told how far it is. A cut is resumed by Range up to five times in a row if the
    server says that the file is still the same, else the file is fetched anew. Raises ``StorageError`` for the disk,
    ``ProtocolError`` for a file that is empty or not what its name says (code ``bad_file``) or of more than the
    session's ``max_file_bytes`` (code ``too_large``), and the session's errors. No partial file stays behind.
    """
    part = _open_part(folder, safe_name(name), source or name, session.max_file_bytes)
    try:
        _Fetch(session, path, part, scope or session.free_scope(), on_bytes).run()
        return _publish(part)
    finally:
        with suppress(OSError):  # of what could not be written before: that error is on its way already
            part.file.close()
        with suppress(OSError):
            part.path.unlink()


class _Fetch:
    """Getting one file's bytes, in as many requests as it takes."""

    def __init__(self, session: Requests, path: str, part: _Part, scope: Scope, on_bytes: OnBytes | None) -> None:
        self._session = session
        self._path = path
        self._part = part
        self._scope = scope
        self._on_bytes = on_bytes

    def run(self) -> None:
        resumes = 0
        while True:
            before = self._part.size
            try:
                self._ask()
                return
            except _WORTH_WAITING as error:
                self._scope.check()
                further = self._part.size - before
                resumes = 0 if further >= _FURTHER_BYTES else resumes
                if resumes == MAX_RESUMES or not self._is_passing(error, got_further=further > 0):
                    raise
            self._scope.sleep(min(0.2 * 2**resumes, 5.0))
            resumes += 1

    def _is_passing(self, error: NetworkError, *, got_further: bool) -> bool:
        """Return True if a retry may help: after a cut, after a stall in the body, and while the server is away after
        one.
        """
        if error.code == "read":
            return got_further
        return error.code == "connection_lost" or (self._part.resumable and isinstance(error, ConnectionFailed))

    def _ask(self) -> None:
        if self._part.resumable and self._resumed():
            return
        with self._request({}) as response:
            if response.status == _PARTIAL:
                raise _bad_file(self._part.name, "the server sent only part of it", self._part.source)
            self._part.begin(response)
            self._take(response)

    def _resumed(self) -> bool:
        """Get the rest; or all of it, if it has changed and the server says so by sending it. Else False."""
        part = self._part
        # both ends are named: Gradio 4 sends the whole file for a range with an open end
        end = "" if part.total is None else part.total - 1
        headers = {"Range": f"bytes={part.size}-{end}", "If-Range": part.validator}
        with self._request(headers, expect=(_RANGE_NOT_SATISFIABLE,)) as response:
            if response.status in (_PARTIAL, _RANGE_NOT_SATISFIABLE):
                if not _goes_on(response, part):
                    return False
            else:
                part.begin(response)
            self._take(response)
        return True

    def _request(self, headers: dict[str, str], expect: tuple[int, ...] = ()) -> Response:
        return self._session.request("GET", self._path, scope=self._scope, headers=headers, expect=expect, stream=True)

    def _take(self, response: Response) -> None:
        part = self._part
        if response.content_type == "text/html" and not part.name.lower().endswith((".html", ".htm")):
            raise _bad_file(part.name, "it is a web page", part.source)
        for chunk in response.chunks(_CHUNK_BYTES):
            self._scope.check()
            part.write(chunk)
            if self._on_bytes is not None:
                self._on_bytes(part.size, part.total)
        if part.total is not None and part.size != part.total:
            raise ConnectionLost(f"The server sent {part.size} of {part.total} bytes.", hint="Try again.")


def _goes_on(response: Response, part: _Part) -> bool:
    """Return True if the response is the rest of the same file, from the end of the part on."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status != _PARTIAL or match is None or int(match[1]) != part.size:
        return False
    return part.total is None or int(match[2]) == part.total


def _open_part(folder: Path, name: str, source: str, max_bytes: int) -> _Part:
    prepare_folder(folder)
    path = part_path(folder, name)
    with storage_errors(folder):
        return _Part(name, source, path, path.open("xb"), max_bytes, hashlib.sha256())


def _publish(part: _Part) -> Artifact:
    with storage_errors(part.path.parent):
        part.file.close()
        problem = signature_problem(part.path, kind_and_type(part.name)[1])
    if problem:
        raise _bad_file(part.name, problem, part.source)
    return publish_part(part.path, part.name, part.source, part.digest.hexdigest())


def _bad_file(name: str, problem: str, source: str) -> ProtocolError:
    return ProtocolError(
        f"The file {name} that the server sent can't be used: {problem}.",
        code="bad_file",
        hint="Generate it again; if that fails too, check the server's log.",
        context={"source": source},
    )
