"""The assets system of the mock ComfyUI: files known by an id and a hash."""

from __future__ import annotations

import hashlib
import struct
import time
import uuid
from dataclasses import dataclass
from typing import Any

from ..http.responses import Request, Response
from ..media.png import SIGNATURE
from .files import FileStore, StoredFile
from .messages import Hub

OFF = {
    "error": {
        "code": "SERVICE_DISABLED",
        "message": "Assets system is disabled. Start the server with --enable-assets to use this feature.",
        "details": {},
    }
}


Place = tuple[str, str, str]
"""Type, subfolder and name of a file."""


@dataclass(frozen=True)
class Asset:
    """A known file; ``prompt_id`` is empty for an upload."""

    id: str
    prompt_id: str


class AssetsApi:
    """The asset routes: every file has an id. Each listing sends the scanner's messages to every websocket."""

    def __init__(self, files: FileStore, hub: Hub) -> None:
        self._files = files
        self._hub = hub
        self._assets: dict[Place, Asset] = {}

    def named(self, ui: dict[str, Any], prompt_id: str) -> dict[str, Any]:
        """Return a node's UI output with an id added to each file."""
        return {key: [self._with_id(item, prompt_id) for item in items] for key, items in ui.items()}

    def _with_id(self, item: Any, prompt_id: str) -> Any:
        if not isinstance(item, dict) or "filename" not in item:
            return item
        return {**item, "id": self._asset((item["type"], item["subfolder"], item["filename"]), prompt_id).id}

    def _asset(self, place: Place, prompt_id: str = "") -> Asset:
        return self._assets.setdefault(place, Asset(str(uuid.uuid4()), prompt_id))

    def uploaded(self, kind: str, subfolder: str, name: str) -> dict[str, Any]:
        """Return the asset part of an upload's response."""
        file = self._files.get(kind, subfolder, name)
        assert file is not None
        asset = self._asset((kind, subfolder, name)).id
        facts = {"size": len(file.data), "mime_type": file.media_type, "tags": [kind, "uploaded"]}
        return {"id": asset, "name": name, "asset_hash": _hash(file), **facts}

    def several(self, request: Request) -> Response:
        """GET /api/assets."""
        self._tell()
        most = int(request.query.get("limit", "20"))
        known = [(place, self._files.get(*place)) for place in reversed(self._assets)]
        rows = [_shown(self._assets[place], place, file) for place, file in known if file is not None]
        return Response.json({"assets": rows[:most], "total": len(rows), "has_more": len(rows) > most})

    def _tell(self) -> None:
        done = {"phase": "enrich", "total": 0, "created": 0, "enriched": 1, "skipped": 0, "elapsed": 0.1}
        self._hub.send("assets.seed.started", {"roots": ["output"], "phase": "enrich"}, None)
        self._hub.send("assets.seed.enrich_complete", {"roots": ["output"], "enriched": 1}, None)
        self._hub.send("assets.seed.completed", done, None)


def _hash(file: StoredFile) -> str:
    # the real server's hash is BLAKE3: of the same length
    return f"blake3:{hashlib.sha256(file.data).hexdigest()}"


def _shown(asset: Asset, place: Place, file: StoredFile) -> dict[str, Any]:
    kind, subfolder, name = place
    path = f"{subfolder}/{name}" if subfolder else name
    query = f"type={kind}&filename={name}" + (f"&subfolder={subfolder}" if subfolder else "")
    made = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(file.modified_ns / 1e9)) + ".000000"
    hashed = {} if asset.prompt_id else {"hash": _hash(file), "asset_hash": _hash(file)}
    job = {"job_id": asset.prompt_id, "prompt_id": asset.prompt_id} if asset.prompt_id else {}
    return {
        "id": asset.id,
        "name": name,
        **hashed,
        "loader_path": path,
        "display_name": path,
        "size": len(file.data),
        "mime_type": file.media_type,
        "tags": [kind, "uploaded"],
        "preview_url": f"/api/view?{query}",
        "user_metadata": {"filename": path},
        "is_immutable": False,
        "metadata": _media_info(file),
        **job,
        **dict.fromkeys(("created_at", "updated_at", "last_access_time"), made),
    }


def _media_info(file: StoredFile) -> dict[str, Any]:
    if not file.data.startswith(SIGNATURE):
        return {"kind": file.media_type.partition("/")[0]}
    width, height = struct.unpack_from(">II", file.data, 16)
    return {"kind": "image", "width": width, "height": height}
