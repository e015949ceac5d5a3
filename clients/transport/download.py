"""Files from a server to disk: streamed to ``.part``, resumed after a cut, checked, and only then given their name."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import ConnectionLost, NetworkTimeout, ProtocolError
from ..filenames import kind_and_type, safe_name, signature_problem
from ..jobs import Artifact
from ..storage import prepare_folder, storage_error, storage_errors_in
from .http import CHUNK_BYTES, Response
from .session import FreeScope, HTTPSession, Scope

MAX_RESUMES = 5
_HTTP_PARTIAL = 206
_HTTP_RANGE_NOT_SATISFIABLE = 416


@dataclass
class _Part:
    """What has been written so far."""

    path: Path
    file: BinaryIO
    digest: hashlib._Hash
    size: int = 0
    total: int | None = None
    etag: str = ""

    def restart(self) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.digest = hashlib.sha256()
        self.size = 0


def download(
    session: HTTPSession,
    path: str,
    folder: Path,
    name: str,
    *,
    scope: Scope | None = None,
    source: str = "",
    on_bytes: Callable[[int, int | None], None] | None = None,
) -> Artifact:
    """Fetch ``path`` into ``folder`` under a safe form of ``name`` that no file has yet, and return the artifact.

    ``on_bytes(received, total)`` is told how far it is. A cut is resumed by Range up to five times, if the server
    says that the file is still the same. Raises ``StorageError`` for the disk, ``ProtocolError`` (code ``bad_file``)
    for a file that is empty or not what its name says, and the session's errors. No partial file stays behind.
    """
    part = _open_part(folder, safe_name(name))
    try:
        _fetch(session, path, part, scope or FreeScope(), on_bytes)
        with storage_errors_in(part.path.parent):
            part.file.close()
        return _publish(part, folder, safe_name(name), source or name)
    finally:
        part.file.close()
        part.path.unlink(missing_ok=True)


def _open_part(folder: Path, name: str) -> _Part:
    prepare_folder(folder)
    path = folder / f".{name}.{os.getpid()}-{os.urandom(4).hex()}.part"
    with storage_errors_in(folder):
        return _Part(path, path.open("xb"), hashlib.sha256())


def _fetch(
    session: HTTPSession, path: str, part: _Part, scope: Scope, on_bytes: Callable[[int, int | None], None] | None
) -> None:
    for resumes in range(MAX_RESUMES + 1):
        try:
            _fetch_rest(session, path, part, scope, on_bytes)
            return
        except (ConnectionLost, NetworkTimeout):
            scope.check()
            if resumes == MAX_RESUMES or not part.size:
                raise
            scope.sleep(min(0.2 * 2**resumes, 5.0))


def _fetch_rest(
    session: HTTPSession, path: str, part: _Part, scope: Scope, on_bytes: Callable[[int, int | None], None] | None
) -> None:
    headers = {}
    if part.size:
        headers = {"Range": f"bytes={part.size}-"} | ({"If-Range": part.etag} if part.etag else {})
    with session.request(
        "GET", path, scope=scope, headers=headers, expect=(_HTTP_RANGE_NOT_SATISFIABLE,) if part.size else ()
    ) as response:
        if response.status != _HTTP_PARTIAL or not part.etag:
            part.restart()
            part.total, part.etag = response.content_length, response.headers.get("ETag", "")
            _check_room(part)
        for chunk in response.chunks(CHUNK_BYTES):
            scope.check()
            with storage_errors_in(part.path.parent):
                part.file.write(chunk)
            part.digest.update(chunk)
            part.size += len(chunk)
            if on_bytes is not None:
                on_bytes(part.size, part.total)
        _check_whole(part, response)


def _check_room(part: _Part) -> None:
    if part.total is not None and part.total > shutil.disk_usage(part.path.parent).free:
        raise storage_error(part.path.parent, OSError(errno.ENOSPC, "No space left on device"))


def _check_whole(part: _Part, response: Response) -> None:
    if part.total is not None and part.size != part.total:
        raise ConnectionLost(
            f"{response.url.partition('?')[0]} sent {part.size} of {part.total} bytes.", hint="Try again."
        )


def _publish(part: _Part, folder: Path, name: str, source: str) -> Artifact:
    kind, media_type = kind_and_type(name)
    problem = signature_problem(part.path, media_type)
    if problem:
        raise ProtocolError(
            f"The file {name} that the server sent is not usable: {problem}.",
            code="bad_file",
            hint="Generate it again; if it happens again, look at the server's log.",
            context={"source": source},
        )
    with storage_errors_in(folder):
        path = _give_name(part.path, folder, name)
    return Artifact(path, kind, media_type, part.size, part.digest.hexdigest(), source)


def _give_name(part: Path, folder: Path, name: str) -> Path:
    """Rename without ever replacing a file, also where another process does the same."""
    stem, suffix = Path(name).stem, Path(name).suffix
    path = folder / name
    for number in itertools.count(2):
        with suppress(FileExistsError):
            _take_name(part, path)
            break
        path = folder / f"{stem}_{number}{suffix}"
    return path


def _take_name(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: reserve the name, then move over the reservation
        path.open("xb").close()
        part.replace(path)
