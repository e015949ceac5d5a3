"""ComfyUI's HTTP routes, one method each. Responses are checked only for their outer form.

Facts: every route exists with and without ``/api`` before it, the jobs API only with it; with it also behind a proxy
that serves something else at ``/``. A GET of a route that a release lacks is a 404 with an empty body, a POST a 405.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ...core.errors import NotFound, ProtocolError
from ...core.json_fields import as_int, as_list, as_object, get_member, get_objects, get_texts
from ...core.scope import Scope
from ...http.multipart import MultipartUpload
from ...http.response import Response
from ...http.session import HTTPSession
from ...http.transport import Timeouts
from ..workflow.loading import MAX_WORKFLOW_BYTES

ASK_TIMEOUT_S = 30.0
"""Time-out of the small requests: the server's event loop can stall for seconds while a node works."""


class ComfyAPI:
    """The routes of one server over one session; thread-safe as the session is."""

    def __init__(self, http: HTTPSession, timeout_s: float = ASK_TIMEOUT_S) -> None:
        self.http = http
        times = http.timeouts
        self._ask = Timeouts(times.connect_s, min(times.first_byte_s, timeout_s), min(times.read_s, timeout_s))

    # Identity

    def system_stats(self, scope: Scope | None = None) -> Mapping[str, Any]:
        """Return the server's description; ``ProtocolError`` (code ``not_comfyui``) for another kind of server."""
        try:
            value = self._get("/api/system_stats", scope)
        except NotFound as error:
            raise self.not_comfyui() from error
        if not isinstance(value, Mapping) or not isinstance(value.get("system"), Mapping):
            raise self.not_comfyui()
        return value

    def features(self, scope: Scope | None = None) -> Mapping[str, Any] | None:
        """Return the server's feature flags; None before 0.3.45, which has none."""
        value = self._get_if_there("/api/features", scope)
        return value if isinstance(value, Mapping) else None

    def has_jobs(self, scope: Scope | None = None) -> bool:
        """Return True if the server has the jobs API."""
        return isinstance(self._get_if_there("/api/jobs?limit=1", scope), Mapping)

    def models(self, folder: str, scope: Scope | None = None) -> list[str]:
        """Return the model files in one of the server's folders; empty if the folder does not exist."""
        value = self._get_if_there(f"/api/models/{quote(folder, safe='')}", scope)
        return get_texts(value)

    def remaining(self, scope: Scope | None = None) -> int:
        """Return the number of running and waiting prompts; the cheapest request there is."""
        value = self._get("/api/prompt", scope)
        count = as_int(get_member(value, "exec_info", "queue_remaining"))
        if count is None:
            raise self.not_comfyui()
        return count

    def object_info(self, class_type: str = "", scope: Scope | None = None) -> Mapping[str, Any]:
        """Return the definition of one node class (empty if unknown), or of all of them: megabytes."""
        path = f"/api/object_info/{quote(class_type, safe='')}" if class_type else "/api/object_info"
        value = self._get(path, scope)
        return as_object(value)

    def replaceable_nodes(self, scope: Scope | None = None) -> frozenset[str]:
        """Return the old class names that the server (from 0.14) replaces with newer ones in a posted prompt."""
        value = self._get_if_there("/api/node_replacements", scope)
        return frozenset(value) if isinstance(value, Mapping) else frozenset()

    # Prompts

    def post_prompt(self, payload: Mapping[str, Any], scope: Scope) -> tuple[int, Any]:
        """Send a prompt, once; return status 200 or 400 with the decoded body. Never repeated after it was sent."""
        response = self.http.post_json("/api/prompt", payload, scope=scope, expect=(400,))
        with response:
            return response.status, self.http.json_of(response)

    def queue(self, scope: Scope | None = None) -> tuple[list[Any], list[Any]]:
        """Return the running and the waiting items, each ``[number, id, prompt, extra_data, outputs]``; the latter
        unsorted.
        """
        value = self._get("/api/queue", scope)
        if not isinstance(value, Mapping):
            raise self.not_comfyui()
        return _items(value.get("queue_running")), _items(value.get("queue_pending"))

    def history(self, prompt_id: str, scope: Scope | None = None) -> Mapping[str, Any] | None:
        """Return the history entry of a prompt; None without one (not finished, unknown or deleted)."""
        value = self._get(f"/api/history/{quote(prompt_id, safe='')}", scope)
        entry = get_member(value, prompt_id)
        return entry if isinstance(entry, Mapping) else None

    def latest_history(self, count: int, scope: Scope | None = None) -> Mapping[str, Any]:
        """Return the last ``count`` history entries by id."""
        value = self._get(f"/api/history?max_items={count}", scope)
        return as_object(value)

    def job(self, prompt_id: str, scope: Scope | None = None) -> tuple[bool, Mapping[str, Any] | None]:
        """Return whether the server has the jobs API, and the job, None if unknown."""
        path = f"/api/jobs/{quote(prompt_id, safe='')}"
        with self._request("GET", path, scope, expect=(404,)) as response:
            if response.status == 404:
                return "json" in response.content_type, None
            value = self.http.json_of(response)
        return True, value if isinstance(value, Mapping) else None

    def open_jobs(self, scope: Scope | None = None) -> list[Mapping[str, Any]]:
        """Return the running and waiting jobs, without their prompts; for servers with the jobs API."""
        value = self._get("/api/jobs?status=pending,in_progress", scope)
        return get_objects(get_member(value, "jobs"))

    # Ending prompts; all of these are idempotent

    def cancel_job(self, prompt_id: str, scope: Scope) -> bool | None:
        """Cancel through the jobs API (from 0.26); return True if it had an effect, None if the server lacks the
        route.
        """
        path = f"/api/jobs/{quote(prompt_id, safe='')}/cancel"
        with self._request("POST", path, scope, expect=(404, 405), repeatable=True) as response:
            if response.status != 200:
                return None
            value = self.http.json_of(response)
        return isinstance(value, Mapping) and value.get("cancelled") is True

    def delete_pending(self, prompt_id: str, scope: Scope) -> None:
        """Remove a waiting prompt from the queue; no effect on others."""
        self.http.post_json("/api/queue", {"delete": [prompt_id]}, scope=scope, repeatable=True).close()

    def interrupt(self, prompt_id: str, scope: Scope) -> None:
        """Interrupt a running prompt; before 0.3.57 the server ignores the id and stops ANY running prompt."""
        self.http.post_json("/api/interrupt", {"prompt_id": prompt_id}, scope=scope).close()

    # Files

    def upload(self, body: MultipartUpload, scope: Scope) -> tuple[str, str]:
        """Upload an input file; return its name and subfolder on the server."""
        with self.http.request(
            "POST", "/api/upload/image", scope=scope, body=body, headers=body.headers, repeatable=True
        ) as response:
            value = self.http.json_of(response)
        name = get_member(value, "name")
        if not isinstance(name, str) or not name:
            raise self.not_comfyui()
        return name, str(value.get("subfolder") or "")

    # The server itself, and its users' saved workflows

    def free(self, *, unload_models: bool, free_memory: bool) -> None:
        """Have the server free memory once the running prompt is done."""
        wanted = {"unload_models": unload_models, "free_memory": free_memory}
        self.http.post_json("/api/free", wanted, repeatable=True).close()

    def users(self) -> dict[str, str] | None:
        """Return the names of the server's users by id; None on a server without ``--multi-user``."""
        value = self._get_if_there("/api/users", None)
        users = get_member(value, "users")
        return {str(each): str(name) for each, name in users.items()} if isinstance(users, Mapping) else None

    def saved_files(self, headers: Mapping[str, str]) -> list[Any]:
        """Return the rows of the user's saved workflows; empty if the user has no folder for them."""
        path = "/api/userdata?dir=workflows&recurse=true&full_info=true"
        with self._request("GET", path, None, expect=(404,), headers=headers) as response:
            value = None if response.status == 404 else self.http.json_of(response)
        return as_list(value)

    def saved_file(self, path: str, headers: Mapping[str, str]) -> bytes | None:
        """Return the content of a saved workflow; None if there is none at this path."""
        path = f"/api/userdata/{quote(f'workflows/{path}', safe='')}"
        with self._request("GET", path, None, expect=(404,), headers=headers) as response:
            return None if response.status == 404 else response.read(MAX_WORKFLOW_BYTES)

    # Inside

    def not_comfyui(self) -> ProtocolError:
        """Return the error for another kind of server."""
        return ProtocolError(
            f"{self.http.url} responds, but not like a ComfyUI server.",
            code="not_comfyui",
            backend=self.http.backend,
            hint="Check the address and the port: ComfyUI uses 8188, its desktop version 8000.",
        )

    def _get(self, path: str, scope: Scope | None) -> Any:
        with self._request("GET", path, scope) as response:
            return self.http.json_of(response)

    def _get_if_there(self, path: str, scope: Scope | None) -> Any:
        try:
            return self._get(path, scope)
        except NotFound:
            return None

    def _request(
        self,
        method: str,
        path: str,
        scope: Scope | None,
        *,
        expect: Iterable[int] = (),
        repeatable: bool | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        return self.http.request(
            method, path, scope=scope, expect=expect, repeatable=repeatable, headers=headers, timeouts=self._ask
        )


def _items(value: Any) -> list[Any]:
    """Return the well-formed queue items."""
    return [each for each in as_list(value) if _is_item(each)]


def _is_item(item: Any) -> bool:
    return isinstance(item, Sequence) and not isinstance(item, str) and len(item) >= 3 and isinstance(item[1], str)
