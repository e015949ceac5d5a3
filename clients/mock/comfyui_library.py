"""The file routes of the mock ComfyUI: /view, /upload and /userdata."""

import email.utils
import json
from typing import Any

from .comfyui_files import ACTIVE, ANNOTATION, TYPES, FileStore, StoredFile
from .comfyui_versions import Version
from .multipart import Part, read_form
from .png import NotAPicture, decode, encode
from .responses import Request, Response, ranged, server_error


class LibraryApi:
    """The routes that give and take files."""

    def __init__(self, files: FileStore, version: Version) -> None:
        self._files = files
        self._version = version
        self._userdata: dict[str, StoredFile] = {}

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
            return _re_encoded(file, query.get("preview"))
        return self._file(file, request)

    def _file(self, file: StoredFile, request: Request, *, attached: bool = False) -> Response:
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
        if self._version.hardened:
            headers["X-Content-Type-Options"] = "nosniff"
            if active:
                headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
                headers |= {"Vary": "Sec-Fetch-Dest", "Cache-Control": "no-store"}
        elif attached:
            del headers["Content-Disposition"]
        if request.headers.get("If-None-Match") == file.etag:
            return Response(304, b"", headers)
        return ranged(file.data, headers, request.headers.get("Range"))

    # /upload

    def upload_image(self, request: Request) -> Response:
        """POST /upload/image."""
        form = read_form(request.headers.get("Content-Type", ""), request.body)
        part = form.get("image")
        refusal = _unfit(part, form)
        if refusal is not None or part is None:
            return refusal or Response(400)
        kind, subfolder = _field(form, "type", "input"), _field(form, "subfolder", "")
        overwrite = _field(form, "overwrite", "") in ("true", "1")
        name = self._files.upload(kind, subfolder, str(part.filename), part.data, overwrite=overwrite)
        return Response.json({"name": name, "subfolder": subfolder, "type": kind})

    def upload_mask(self, request: Request) -> Response:
        """POST /upload/mask: writes nothing where the original is not there, and says 200 all the same."""
        form = read_form(request.headers.get("Content-Type", ""), request.body)
        original = json.loads(form["original_ref"].data) if "original_ref" in form else None
        if original is None:
            return server_error()
        kind = original.get("type", "output")
        if self._files.get(kind, original.get("subfolder", ""), original["filename"]) is None:
            part = form["image"]
            return Response.json({"name": part.filename, "subfolder": _field(form, "subfolder", ""), "type": "input"})
        return self.upload_image(request)

    # /userdata

    def list_userdata(self, request: Request) -> Response:
        """GET /userdata?dir=…"""
        folder = request.query.get("dir")
        if folder is None:
            return Response.text("Directory not provided", 400)
        if ".." in folder:
            return Response.text("Invalid directory", 403)
        found = {path: file for path, file in sorted(self._userdata.items()) if path.startswith(f"{folder}/")}
        if not found:
            return Response.text("Directory not found", 404)
        rows: list[Any] = []
        for path, file in found.items():
            inner = path[len(folder) + 1 :]
            if "/" not in inner or request.query.get("recurse") == "true":
                rows.append(self._shown(inner, file, request))
        return Response.json(rows)

    def list_folder(self, request: Request) -> Response:
        """GET /v2/userdata?path=…: folders and files."""
        folder = request.query.get("path", "")
        found = {path: file for path, file in sorted(self._userdata.items()) if path.startswith(f"{folder}/")}
        if not found:
            return Response.text("Requested path not found", 404)
        parents = {path.rpartition("/")[0] for path in found} - {folder}
        rows: list[dict[str, Any]] = [
            {"name": path.rpartition("/")[2], "path": path, "type": "directory"} for path in sorted(parents)
        ]
        for path, file in found.items():
            size = {"size": len(file.data), "modified": file.modified_ns / 1e9}
            rows.append({"name": file.name, "path": path, "type": "file", **size})
        return Response.json(rows)

    def _shown(self, path: str, file: StoredFile, request: Request) -> Any:
        """A file as lists and answers show it: its path, its parts, or all that is known."""
        if request.query.get("full_info") == "true":
            return _facts(path, file, self._version)
        return [path, *path.split("/")] if request.query.get("split") == "true" else path

    def move_userdata(self, request: Request) -> Response:
        """POST /userdata/{file}/move/{target}."""
        file = self._userdata.pop(request.parts["file"], None)
        if file is None:
            return Response(404)
        self._userdata[request.parts["target"]] = file
        return Response.json(self._shown(request.parts["target"], file, request))

    def get_userdata(self, request: Request) -> Response:
        """GET /userdata/{file}."""
        if ".." in request.parts["file"]:
            return Response(403)
        file = self._userdata.get(request.parts["file"])
        return Response(404) if file is None else self._file(file, request, attached=True)

    def post_userdata(self, request: Request) -> Response:
        """POST /userdata/{file}."""
        path = request.parts["file"]
        if ".." in path:
            return Response(403)
        if path in self._userdata and request.query.get("overwrite") == "false":
            return Response.text("File already exists", 409)
        file = self._userdata[path] = StoredFile(path.rpartition("/")[2], request.body)
        return Response.json(self._shown(path, file, request))

    def delete_userdata(self, request: Request) -> Response:
        """DELETE /userdata/{file}."""
        return Response(404 if self._userdata.pop(request.parts["file"], None) is None else 204)


def _re_encoded(file: StoredFile, preview: str | None) -> Response:
    """The picture newly encoded. The real server gives webp or jpeg; this one PNG under the name of PNG."""
    try:
        data = encode(decode(file.data))
    except NotAPicture:
        return server_error() if preview is not None else Response(500)
    return Response(200, data, {"Content-Disposition": f'filename="{file.name}"', "Content-Type": "image/png"})


def _unfit(part: Part | None, form: dict[str, Part]) -> Response | None:
    """The refusal of an upload; None where it may be written."""
    if part is None:
        return Response(400)
    if part.filename is None or _field(form, "type", "input") not in TYPES:
        return server_error()
    subfolder = _field(form, "subfolder", "")
    outside = subfolder.startswith("/") or ".." in subfolder or ".." in part.filename or "/" in part.filename
    return Response(400) if outside or not part.filename else None


def _field(form: dict[str, Part], name: str, default: str) -> str:
    return form[name].data.decode() if name in form else default


def _facts(path: str, file: StoredFile, version: Version) -> dict[str, Any]:
    """Times are milliseconds in newer releases, seconds with a fraction before; the oldest does not know the making."""
    facts: dict[str, Any] = {"path": path, "size": len(file.data)}
    facts["modified"] = file.modified_ns // 1_000_000 if version.hardened else file.modified_ns / 1e9
    if version.features is not None:
        facts["created"] = facts["modified"]
    return facts
