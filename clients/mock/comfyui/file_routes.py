"""The file routes of the mock ComfyUI: /view and /upload."""

from __future__ import annotations

import email.utils
import json
from typing import Any

from ..http.multipart import Part, read_form
from ..http.responses import Request, Response, range_response, server_error
from ..media.png import NotAPicture, decode, encode
from .assets import AssetsApi
from .files import ACTIVE, ANNOTATION, TYPES, FileStore, StoredFile
from .versions import Version


class FileRoutes:
    """The routes that read and write files."""

    def __init__(self, files: FileStore, version: Version, assets: AssetsApi | None) -> None:
        self._files = files
        self._version = version
        self._assets = assets

    # /view

    def view(self, request: Request) -> Response:
        """GET /view."""
        query = request.query
        if "filename" not in query:
            return Response(404)
        name, kind = query["filename"], query.get("type", "output")
        match = ANNOTATION.match(name)
        if match:
            name, kind = match.groups()
        if not name or name.startswith("/") or ".." in name or kind not in TYPES:
            return Response(400)
        subfolder = query.get("subfolder", "")
        if subfolder.startswith("/") or ".." in subfolder.split("/"):
            return Response(403)
        file = self._files.get(kind, subfolder, name.rpartition("/")[2])
        if file is None:
            return Response(404)
        if "preview" in query or query.get("channel") in ("rgb", "a"):
            return _re_encode(file, query.get("preview"))
        return file_response(file, request, self._version)

    # /upload

    def upload_image(self, request: Request) -> Response:
        """POST /upload/image."""
        form = read_form(request.headers.get("Content-Type", ""), request.body)
        part = form.get("image")
        refusal = _refuse_upload(part, form)
        if refusal is not None or part is None:
            return refusal or Response(400)
        kind, subfolder = _field(form, "type", "input"), _field(form, "subfolder", "")
        overwrite = _field(form, "overwrite", "") in ("true", "1")
        name = self._files.upload(kind, subfolder, str(part.filename), part.data, overwrite=overwrite)
        answer: dict[str, Any] = {"name": name, "subfolder": subfolder, "type": kind}
        if self._assets is not None:
            answer["asset"] = self._assets.uploaded(kind, subfolder, name)
        return Response.json(answer)

    def upload_mask(self, request: Request) -> Response:
        """POST /upload/mask: without the original nothing is written, and the status is 200 all the same."""
        form = read_form(request.headers.get("Content-Type", ""), request.body)
        original = json.loads(form["original_ref"].data) if "original_ref" in form else None
        if original is None:
            return server_error()
        kind = original.get("type", "output")
        if self._files.get(kind, original.get("subfolder", ""), original["filename"]) is None:
            part = form["image"]
            return Response.json({"name": part.filename, "subfolder": _field(form, "subfolder", ""), "type": "input"})
        return self.upload_image(request)


def file_response(file: StoredFile, request: Request, version: Version, *, attached: bool = False) -> Response:
    """Answer with a file: with its tag and dates, or the part that a Range header names."""
    headers = {
        "Content-Disposition": f'filename="{file.name}"',
        "Content-Type": file.media_type,
        "Etag": file.etag,
        "Last-Modified": email.utils.formatdate(file.modified_ns // 1_000_000_000, usegmt=True),
    }
    if attached:
        headers["Content-Disposition"] = "attachment"
    active = file.extension in ACTIVE and not attached
    if active:
        headers["Content-Type"] = "application/octet-stream"
    if version.hardened:
        headers["X-Content-Type-Options"] = "nosniff"
        if active:
            headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
            headers |= {"Vary": "Sec-Fetch-Dest", "Cache-Control": "no-store"}
    elif attached:
        del headers["Content-Disposition"]
    if request.headers.get("If-None-Match") == file.etag:
        return Response(304, b"", headers)
    return range_response(file.data, headers, request.headers.get("Range"))


def _re_encode(file: StoredFile, preview: str | None) -> Response:
    """Encode the picture anew. The real server sends WebP or JPEG; this one sends PNG, named as PNG."""
    try:
        data = encode(decode(file.data))
    except NotAPicture:
        return server_error() if preview is not None else Response(500)
    return Response(200, data, {"Content-Disposition": f'filename="{file.name}"', "Content-Type": "image/png"})


def _refuse_upload(part: Part | None, form: dict[str, Part]) -> Response | None:
    """Refuse an upload; None: it may be written."""
    if part is None:
        return Response(400)
    if part.filename is None or _field(form, "type", "input") not in TYPES:
        return server_error()
    subfolder = _field(form, "subfolder", "")
    outside = subfolder.startswith("/") or ".." in subfolder or ".." in part.filename or "/" in part.filename
    return Response(400) if outside or not part.filename else None


def _field(form: dict[str, Part], name: str, default: str) -> str:
    return form[name].data.decode() if name in form else default
