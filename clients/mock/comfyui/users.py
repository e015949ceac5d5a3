"""The routes of the mock ComfyUI that depend on the user: /users, /settings and /userdata."""

from __future__ import annotations

import uuid
from typing import Any

from ..http.responses import Request, Response
from .file_routes import file_response
from .files import StoredFile
from .versions import Version

NOBODY = "default"


class UserNotKnown(LookupError):
    """Unknown user: answered with 500, by /settings with 401."""


class UsersApi:
    """Users with settings and files of their own; unless ``several``, there is one user without a name."""

    def __init__(self, version: Version, *, several: bool) -> None:
        self._version = version
        self._several = several
        self._names: dict[str, str] = {}
        self._settings: dict[str, dict[str, Any]] = {}
        self._files: dict[str, dict[str, StoredFile]] = {}

    def users(self, request: Request) -> Response:
        """GET /users: its form differs if there are several."""
        if self._several:
            return Response.json({"storage": "server", "users": self._names})
        return Response.json({"storage": "server", "migrated": False})

    def add_user(self, request: Request) -> Response:
        """POST /users."""
        name = request.json()["username"]
        if name in self._names.values():
            return Response.json({"error": "Duplicate username."}, 400)
        user = f"{name}_{uuid.uuid4()}"
        self._names[user] = name
        return Response.json(user)

    def _user(self, request: Request) -> str:
        if not self._several:
            return NOBODY
        user = request.headers.get("comfy-user", NOBODY)
        if user not in self._names:
            raise UserNotKnown(user)
        return user

    # Settings

    def settings(self, request: Request) -> Response:
        """GET /settings."""
        try:
            return Response.json(self._settings.get(self._user(request), {}))
        except UserNotKnown:
            return Response.text("401: Unauthorized", 401)

    def change_setting(self, request: Request) -> Response:
        """POST /settings/{name}."""
        self._settings.setdefault(self._user(request), {})[request.parts["name"]] = request.json()
        return Response()

    def _mine(self, request: Request) -> dict[str, StoredFile]:
        return self._files.setdefault(self._user(request), {})

    # Files

    def list_userdata(self, request: Request) -> Response:
        """GET /userdata?dir=…"""
        folder = request.query.get("dir")
        if folder is None:
            return Response.text("Directory not provided", 400)
        if ".." in folder:
            return Response.text("Invalid directory", 403)
        found = {path: file for path, file in sorted(self._mine(request).items()) if path.startswith(f"{folder}/")}
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
        found = {path: file for path, file in sorted(self._mine(request).items()) if path.startswith(f"{folder}/")}
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
        """Describe a file as lists and responses do: its path, its parts, or all that is known."""
        if request.query.get("full_info") == "true":
            return _facts(path, file, self._version)
        return [path, *path.split("/")] if request.query.get("split") == "true" else path

    def move_userdata(self, request: Request) -> Response:
        """POST /userdata/{file}/move/{target}."""
        file = self._mine(request).pop(request.parts["file"], None)
        if file is None:
            return Response(404)
        self._mine(request)[request.parts["target"]] = file
        return Response.json(self._shown(request.parts["target"], file, request))

    def get_userdata(self, request: Request) -> Response:
        """GET /userdata/{file}."""
        if ".." in request.parts["file"]:
            return Response(403)
        file = self._mine(request).get(request.parts["file"])
        return Response(404) if file is None else file_response(file, request, self._version, attached=True)

    def post_userdata(self, request: Request) -> Response:
        """POST /userdata/{file}."""
        path = request.parts["file"]
        if ".." in path:
            return Response(403)
        if path in self._mine(request) and request.query.get("overwrite") == "false":
            return Response.text("File already exists", 409)
        file = self._mine(request)[path] = StoredFile(path.rpartition("/")[2], request.body)
        return Response.json(self._shown(path, file, request))

    def delete_userdata(self, request: Request) -> Response:
        """DELETE /userdata/{file}."""
        return Response(404 if self._mine(request).pop(request.parts["file"], None) is None else 204)


def _facts(path: str, file: StoredFile, version: Version) -> dict[str, Any]:
    """Describe a file in full: times are milliseconds in newer releases, seconds before; the oldest has one only."""
    facts: dict[str, Any] = {"path": path, "size": len(file.data)}
    facts["modified"] = file.modified_ns // 1_000_000 if version.hardened else file.modified_ns / 1e9
    if version.features is not None:
        facts["created"] = facts["modified"]
    return facts
