"""ComfyUI's HTTP routes, one method each. Answers are checked for their outer form; nothing here decides anything.

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
"""Silence allowed in the small requests: the server's event loop can stall for seconds while a node works."""


class ComfyAPI:
    """The routes of one server over one session; thread-safe as the session is."""

    def __init__(self, http: HTTPSession, timeout_s: float = ASK_TIMEOUT_S) -> None:
        self.http = http
        times = http.timeouts
        self._ask = Timeouts(times.connect_s, min(times.first_byte_s, timeout_s), min(times.read_s, timeout_s))

    # Who it is

    def system_stats(self, scope: Scope | None = None) -> Mapping[str, Any]:
        """What the server says of itself; ``ProtocolError`` (code ``not_comfyui``) if it is another kind of server."""
        try:
            value = self._get("/api/system_stats", scope)
        except NotFound as error:
            raise self.not_comfyui() from error
        if not isinstance(value, Mapping) or not isinstance(value.get("system"), Mapping):
            raise self.not_comfyui()
        return value

    def features(self, scope: Scope | None = None) -> Mapping[str, Any] | None:
        """The server's feature flags; None before 0.3.45, which has none."""
        value = self._get_if_there("/api/features", scope)
        return value if isinstance(value, Mapping) else None

    def has_jobs(self, scope: Scope | None = None) -> bool:
        """Whether the server has the jobs API."""
        return isinstance(self._get_if_there("/api/jobs?limit=1", scope), Mapping)

    def models(self, folder: str, scope: Scope | None = None) -> list[str]:
        """The model files in one of the server's folders; empty if it has no such folder."""
        value = self._get_if_there(f"/api/models/{quote(folder, safe='')}", scope)
        return get_texts(value)

    def remaining(self, scope: Scope | None = None) -> int:
        """How many prompts run or wait; the cheapest request there is."""
        value = self._get("/api/prompt", scope)
        count = as_int(get_member(value, "exec_info", "queue_remaining"))
        if count is None:
            raise self.not_comfyui()
        return count

    def object_info(self, class_type: str = "", scope: Scope | None = None) -> Mapping[str, Any]:
        """The definition of one node class (empty if unknown), or of all of them: megabytes."""
        path = f"/api/object_info/{quote(class_type, safe='')}" if class_type else "/api/object_info"
        value = self._get(path, scope)
        return as_object(value)

    def replaceable_nodes(self, scope: Scope | None = None) -> frozenset[str]:
        """Classes of old names, which the server (from 0.14) swaps for newer ones in a posted prompt by itself."""
        value = self._get_if_there("/api/node_replacements", scope)
        return frozenset(value) if isinstance(value, Mapping) else frozenset()

    # Prompts

    def post_prompt(self, payload: Mapping[str, Any], scope: Scope) -> tuple[int, Any]:
        """Send a prompt, once; returns status 200 or 400 with the decoded body. Never repeated after it was sent."""
        response = self.http.post_json("/api/prompt", payload, scope=scope, expect=(400,))
        with response:
            return response.status, self.http.json_of(response)

    def queue(self, scope: Scope | None = None) -> tuple[list[Any], list[Any]]:
        """The running and the waiting items, each ``[number, id, prompt, extra_data, outputs]``; the second
        unsorted.
        """
        value = self._get("/api/queue", scope)
        if not isinstance(value, Mapping):
            raise self.not_comfyui()
        return _items(value.get("queue_running")), _items(value.get("queue_pending"))

    def history(self, prompt_id: str, scope: Scope | None = None) -> Mapping[str, Any] | None:
        """The history entry of a prompt; None while there is none (not finished, unknown, deleted: all alike)."""
        value = self._get(f"/api/history/{quote(prompt_id, safe='')}", scope)
        entry = get_member(value, prompt_id)
        return entry if isinstance(entry, Mapping) else None

    def latest_history(self, count: int, scope: Scope | None = None) -> Mapping[str, Any]:
        """The last ``count`` history entries by id."""
        value = self._get(f"/api/history?max_items={count}", scope)
        return as_object(value)

    def job(self, prompt_id: str, scope: Scope | None = None) -> tuple[bool, Mapping[str, Any] | None]:
        """Whether the server has the jobs API, and the job, None if it does not know it."""
        path = f"/api/jobs/{quote(prompt_id, safe='')}"
        with self._request("GET", path, scope, expect=(404,)) as response:
            if response.status == 404:
                return "json" in response.content_type, None
            value = self.http.json_of(response)
        return True, value if isinstance(value, Mapping) else None

    def open_jobs(self, scope: Scope | None = None) -> list[Mapping[str, Any]]:
        """The jobs that run or wait, without their prompts; for servers that have the jobs API."""
        value = self._get("/api/jobs?status=pending,in_progress", scope)
        return get_objects(get_member(value, "jobs"))

    # Ending prompts; all of these do no harm when repeated

    def cancel_job(self, prompt_id: str, scope: Scope) -> bool | None:
        """Cancel by the jobs API (from 0.26): whether it did something; None if the server has no such route."""
        path = f"/api/jobs/{quote(prompt_id, safe='')}/cancel"
        with self._request("POST", path, scope, expect=(404, 405), repeatable=True) as response:
            if response.status != 200:
                return None
            value = self.http.json_of(response)
        return isinstance(value, Mapping) and value.get("cancelled") is True

    def delete_pending(self, prompt_id: str, scope: Scope) -> None:
        """Take a waiting prompt out of the queue; nothing happens if it does not wait."""
        self.http.post_json("/api/queue", {"delete": [prompt_id]}, scope=scope, repeatable=True).close()

    def interrupt(self, prompt_id: str, scope: Scope) -> None:
        """Stop the prompt if it runs; before 0.3.57 the id is passed over and WHATEVER runs is stopped."""
        self.http.post_json("/api/interrupt", {"prompt_id": prompt_id}, scope=scope).close()

    # Files

    def upload(self, body: MultipartUpload, scope: Scope) -> tuple[str, str]:
        """Upload an input file; returns the name and subfolder that the server gave it."""
        with self.http.request(
            "POST", "/api/upload/image", scope=scope, body=body, headers=body.headers, repeatable=True
        ) as response:
            value = self.http.json_of(response)
        name = get_member(value, "name")
        if not isinstance(name, str) or not name:
            raise self.not_comfyui()
        return name, str(value.get("subfolder") or "")

    # The server itself, and what its users have saved

    def free(self, *, unload_models: bool, free_memory: bool) -> None:
        """Ask the server to let go of memory; it does so when the running prompt is done."""
        wanted = {"unload_models": unload_models, "free_memory": free_memory}
        self.http.post_json("/api/free", wanted, repeatable=True).close()

    def users(self) -> dict[str, str] | None:
        """The names of the server's users by their ids; None on a server without ``--multi-user``."""
        value = self._get_if_there("/api/users", None)
        users = get_member(value, "users")
        return {str(each): str(name) for each, name in users.items()} if isinstance(users, Mapping) else None

    def saved_files(self, headers: Mapping[str, str]) -> list[Any]:
        """The rows of the user's saved workflows; none while the user has no folder for them."""
        path = "/api/userdata?dir=workflows&recurse=true&full_info=true"
        with self._request("GET", path, None, expect=(404,), headers=headers) as response:
            value = None if response.status == 404 else self.http.json_of(response)
        return as_list(value)

    def saved_file(self, path: str, headers: Mapping[str, str]) -> bytes | None:
        """The content of one of them; None if there is none of that path."""
        path = f"/api/userdata/{quote(f'workflows/{path}', safe='')}"
        with self._request("GET", path, None, expect=(404,), headers=headers) as response:
            return None if response.status == 404 else response.read(MAX_WORKFLOW_BYTES)

    # Inside

    def not_comfyui(self) -> ProtocolError:
        """Return the error for a server that is none."""
        return ProtocolError(
            f"{self.http.url} answers, but not as a ComfyUI server does.",
            code="not_comfyui",
            backend=self.http.backend,
            hint="Check the address and the port; ComfyUI's own is 8188, the desktop version's 8000.",
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
    """Return the queue items that have the form of one."""
    return [each for each in as_list(value) if _is_item(each)]


def _is_item(item: Any) -> bool:
    return isinstance(item, Sequence) and not isinstance(item, str) and len(item) >= 3 and isinstance(item[1], str)
