"""Small requests to an RVC server, and sounds from it; most error statuses are returned, not raised."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.json_fields import as_object, get_member
from ..core.scope import Scope
from ..files.storage_errors import storage_errors
from ..http.redaction import redact_json
from ..http.response import Response
from ..http.session import HTTPSession
from .errors import odd_answer

MAX_SOUND_BYTES = 1 << 30
_EXPECTED = frozenset(range(400, 600)) - {401, 403, 429, 503}
"""Error statuses that are returned; the others are about the connection or the login, and are raised."""


@dataclass(frozen=True)
class Reply:
    """A small response; ``value`` is its JSON, None for other content."""

    status: int
    value: Any

    def member(self, name: str) -> Any:
        """Return a member of the JSON object, None if there is none."""
        return get_member(self.value, name)


class RVCHTTP:
    """Requests of one scope."""

    def __init__(self, http: HTTPSession, scope: Scope) -> None:
        self.http = http
        self.scope = scope

    def get(self, path: str) -> Reply:
        """GET JSON; error statuses are returned, except 401, 403, 429 and 503."""
        with self._request("GET", path) as response:
            return self._read(response)

    def routes(self) -> frozenset[str]:
        """Return the paths in a FastAPI server's description, empty if it has none."""
        return frozenset(as_object(self.get("/openapi.json").member("paths")))

    def post(self, path: str, payload: Any, *, repeatable: bool = False) -> Reply:
        """POST JSON; error statuses as in ``get``."""
        body = json.dumps(payload, allow_nan=False).encode()
        headers = {"Content-Type": "application/json"}
        with self._request("POST", path, body=body, headers=headers, repeatable=repeatable) as response:
            return self._read(response)

    def save(self, path: str, body: bytes | Iterable[bytes], headers: Mapping[str, str], target: Path) -> Reply | None:
        """POST once and write the returned sound to ``target``; return None, or the response if it is not a sound."""
        with self._request("POST", path, body=body, headers=headers, repeatable=False) as response:
            if response.status >= 400 or not response.content_type.startswith("audio/"):
                return self._read(response)
            save_body(response, target)
            return None

    def _request(self, method: str, path: str, **request: Any) -> Response:
        return self.http.request(method, path, scope=self.scope, expect=_EXPECTED, **request)

    def _read(self, response: Response) -> Reply:
        if response.status >= 400 and "json" not in response.content_type:
            return Reply(response.status, None)
        value = self.http.json_of(response)
        if response.status >= 400:  # its text goes into errors, so it must hold no key
            value = redact_json(value, self.http.redact)
        return Reply(response.status, value)


def save_body(response: Response, target: Path) -> None:
    """Write a response body to a file, with a size limit; ``StorageError`` if the disk fails."""
    with storage_errors(target.parent), target.open("wb") as file:
        for chunk in response.chunks_within(MAX_SOUND_BYTES):
            file.write(chunk)


def parse_texts(value: Any, path: str) -> list[str]:
    """Return a list of texts, or raise ``ProtocolError``."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise odd_answer(path, "a list of texts was expected")
    return value
