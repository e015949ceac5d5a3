"""POST /prompt, the queue and the history of the mock ComfyUI as routes."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from ..http.responses import Request, Response
from .engine import Engine
from .jobs import canonical
from .queue_item import SECRET_KEYS, describe_item
from .validation import problem, validate
from .versions import MINTED, UUID, Version


class PromptApi:
    """The routes that queue, list and delete prompts."""

    def __init__(self, engine: Engine, version: Version, *, outputs_reversed: bool) -> None:
        self._engine = engine
        self._reversed = outputs_reversed
        self._version = version

    def remaining(self, request: Request) -> Response:
        """GET /prompt."""
        return Response.json({"exec_info": {"queue_remaining": self._engine.remaining()}})

    def post(self, request: Request) -> Response:
        """POST /prompt."""
        data = request.json()
        number = (
            float(data["number"])
            if "number" in data
            else self._engine.next_number(front="front" in data and data["front"])
        )
        if "prompt" not in data:
            return _refused(problem("no_prompt", "No prompt provided", "No prompt provided"))
        prompt_id = self._prompt_id(data)
        if prompt_id is None:
            details = (
                "prompt_id must be a UUID string in canonical lowercase hyphenated form; omit it to let the server"
            )
            wrong = problem("invalid_prompt_id", "prompt_id must be a valid UUID", f"{details} generate one")
            return _refused(wrong)
        posted = data["prompt"]
        prompt = dict(posted.items() if self._version.named_missing_nodes else posted)
        verdict = validate(prompt, self._version, self._has_file, data.get("partial_execution_targets"))
        if verdict.error is not None:
            return _refused(verdict.error, verdict.node_errors)
        if self._reversed:
            verdict.outputs.reverse()
        extra_data, secrets = self._extra_data(data)
        self._engine.put((number, prompt_id, prompt, extra_data, verdict.outputs, secrets))
        answer = {"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors}
        return Response.json(answer)

    def _has_file(self, name: str) -> bool:
        return self._engine.files.find(name) is not None

    def _prompt_id(self, data: dict[str, Any]) -> str | None:
        """Return the id of a new prompt; None if the client's own is refused."""
        minted = str(uuid.uuid4())
        if self._version.own_id == MINTED or self._engine.faults.take("minted_id"):
            return minted
        own = data.get("prompt_id", minted)
        if self._version.own_id == UUID:
            own = minted if own is None else own
            return own if canonical(own) else None
        return str(own)

    def _extra_data(self, data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        extra_data = dict(data.get("extra_data") or {})
        secrets = {key: extra_data.pop(key) for key in SECRET_KEYS if key in extra_data}
        if "client_id" in data:
            extra_data["client_id"] = data["client_id"]
        if self._version.create_time:
            extra_data["create_time"] = time.time_ns() // 1_000_000
        return extra_data, secrets

    # Queue

    def queue(self, request: Request) -> Response:
        """GET /queue."""
        secrets = "queue" in self._version.secrets_in
        running, pending = self._engine.waiting()
        shown = [[describe_item(item, secrets=secrets) for item in items] for items in (running, pending)]
        return Response.json({"queue_running": shown[0], "queue_pending": shown[1]})

    def change_queue(self, request: Request) -> Response:
        """POST /queue."""
        data = request.json()
        if data.get("clear"):
            self._engine.clear()
        self._engine.delete(data.get("delete", []))
        return Response()

    def interrupt(self, request: Request) -> Response:
        """POST /interrupt: the running prompt, or since 0.3.57 only the prompt that the body names."""
        try:
            data = json.loads(request.body)
        except ValueError:
            data = {}
        prompt_id = data.get("prompt_id") if self._version.interrupt_by_id else None
        self._engine.interrupt(prompt_id or None)
        return Response()

    def free(self, request: Request) -> Response:
        """POST /free."""
        self._engine.free(free_memory=bool(request.json().get("free_memory")))
        return Response()

    # History

    def history(self, request: Request) -> Response:
        """GET /history."""
        entries = list(self._engine.history().items())
        most = request.query.get("max_items")
        if most is not None:
            count = int(most)
            start = int(request.query.get("offset", "-1"))
            if start < 0:
                start = max(0, len(entries) - count)
            entries = entries[start : start + count]
        return Response.json(dict(entries))

    def history_entry(self, request: Request) -> Response:
        """GET /history/{id}."""
        entry = self._engine.entry(request.parts["id"])
        return Response.json({} if entry is None else {request.parts["id"]: entry})

    def change_history(self, request: Request) -> Response:
        """POST /history."""
        data = request.json()
        if data.get("clear"):
            self._engine.clear_history()
        for prompt_id in data.get("delete", []):
            self._engine.forget(prompt_id)
        return Response()


def _refused(error: dict[str, Any], node_errors: dict[str, Any] | None = None) -> Response:
    return Response.json({"error": error, "node_errors": node_errors or {}}, 400)
