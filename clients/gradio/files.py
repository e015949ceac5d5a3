"""Uploads to a Gradio server, and downloads from it.

Facts: ``POST /upload`` takes multipart fields ``files`` and returns a list of the server's paths; Gradio 3.14 has no
such route. Files are downloaded from ``/file=PATH``: their ``url`` echoes the Host header. A path outside the folders
that the app allows is a 403, whether the file exists or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from ..core.errors import PermissionDenied, ProtocolError
from ..core.model import Artifact
from ..core.scope import Scope
from ..files.names import kind_and_type
from ..http.download import OnBytes, download
from ..http.multipart import MultipartUpload
from ..http.response import Response
from .component_values import GradioFile
from .config import GradioConfig
from .errors import file_not_allowed, read_call_error, too_large
from .http import GradioHTTP

_TOO_LARGE = 413
_REFUSALS = (400, 404, _TOO_LARGE, 422)
_BYTES = re.compile(r"\d+")
_WEB = ("http://", "https://")


def upload(
    access: GradioHTTP,
    config: GradioConfig,
    path: Path,
    *,
    scope: Scope | None = None,
    name: str = "",
    on_chunk: Callable[[int, int], None] | None = None,
) -> GradioFile:
    """Upload a file, streamed from disk; ``name`` is its name on the server (default: its own).

    ``on_chunk(sent, total)`` is called with the bytes so far. Raises ``StorageError`` if the file can't be read and
    ``ValidationError`` (code ``file_too_large``) if it exceeds the server's limit.
    """
    name = name or path.name
    media_type = kind_and_type(name)[1]
    body = MultipartUpload({}, "files", path, name, media_type, on_chunk)
    if config.max_file_size is not None and body.file_size > config.max_file_size:
        raise too_large(access, path, body.file_size, f" of {config.max_file_size} bytes")
    with access.request(
        "POST",
        config.path("/upload"),
        scope=scope,
        body=body,
        headers=body.headers,
        expect=_REFUSALS,
        repeatable=True,
    ) as response:
        if response.status >= 400:
            raise _make_error(access, response, path, body.file_size)
        answer = access.http.json_of(response)
    if not isinstance(answer, list) or len(answer) != 1 or not isinstance(answer[0], str) or not answer[0]:
        raise access.http.clean(
            ProtocolError(
                f"{access.server} took {path.name} but did not return its path.",
                code="bad_upload",
                hint="Is this the address of the right server?",
            )
        )
    return GradioFile(answer[0], name, size=body.file_size, media_type=media_type)


def fetch(
    access: GradioHTTP,
    config: GradioConfig,
    file: GradioFile,
    folder: Path,
    *,
    scope: Scope | None = None,
    name: str = "",
    on_bytes: OnBytes | None = None,
) -> Artifact:
    """Download a file of an output into ``folder`` (see ``download.download``), as ``name`` if given.

    Raises ``PermissionDenied`` (code ``file_not_allowed``) if the server refuses to send it.
    """
    route = file_route(access, config, file)
    try:
        return download(
            access, route, folder, name or file.name, scope=scope, source=file.path or file.url, on_bytes=on_bytes
        )
    except PermissionDenied as error:
        raise file_not_allowed(access, file.path, error) from error


def file_route(access: GradioHTTP, config: GradioConfig, file: GradioFile) -> str:
    """Return the path to GET for a file; ``ProtocolError`` (code ``foreign_file``) if it is on another server."""
    if file.path and not file.path.startswith(_WEB):
        return config.path(f"/file={quote(file.path, safe='/:', errors='replace')}")
    address = file.path or file.url
    base = str(access.http.url)
    if address.startswith(f"{base}/"):
        return address.removeprefix(base)
    raise access.http.clean(
        ProtocolError(
            f"{access.server} keeps {file.name} on another server.",
            code="foreign_file",
            hint="Files on other servers are not downloaded.",
        )
    )


def _make_error(access: GradioHTTP, response: Response, path: Path, size: int) -> Exception:
    if response.status != _TOO_LARGE:
        return read_call_error(access, response, "upload")
    limit = _BYTES.findall(access.error_text(response))
    return too_large(access, path, size, f" of {limit[-1]} bytes" if limit else "")
