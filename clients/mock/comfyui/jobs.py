"""The jobs API of newer ComfyUI releases: queue and history in one list."""

from __future__ import annotations

import re
import uuid
from typing import Any

from ..http.responses import Request, Response
from .engine import Engine
from .queue_item import Item

STATES = ("pending", "in_progress", "completed", "failed", "cancelled")
PREVIEWABLE = ("images", "video", "audio", "gifs", "3d", "text")
COUNTED = ("images", "video", "audio", "gifs", "3d", "files")
_ENDS = ("execution_success", "execution_error", "execution_interrupted")


class JobsApi:
    """The routes under /api/jobs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def several(self, request: Request) -> Response:
        """GET /api/jobs."""
        query = request.query
        wanted = [each for each in query.get("status", "").split(",") if each]
        bad = [each for each in wanted if each not in STATES]
        if bad:
            valid = ", ".join(STATES)
            return _refused(f"Invalid status value(s): {', '.join(bad)}. Valid values: {valid}")
        limit = query.get("limit")
        if limit is not None and not re.fullmatch(r"[1-9]\d*", limit):
            return _refused("limit must be a positive integer")
        jobs = [job for job in self._all() if not wanted or job["status"] in wanted]
        workflow = query.get("workflow_id")
        if workflow is not None:
            jobs = [job for job in jobs if job.get("workflow_id") == workflow]
        jobs.sort(
            key=lambda job: (job["create_time"] or 0, job["priority"]), reverse=query.get("sort_order", "desc") != "asc"
        )
        offset = int(query.get("offset", "0"))
        count = int(limit) if limit is not None else None
        page = jobs[offset : None if count is None else offset + count]
        more = offset + len(page) < len(jobs)
        pages = {"offset": offset, "limit": count, "total": len(jobs), "has_more": more}
        return Response.json({"jobs": page, "pagination": pages})

    def one(self, request: Request) -> Response:
        """GET /api/jobs/{id}."""
        prompt_id = request.parts["id"]
        running, pending = self._engine.waiting()
        for state, items in (("in_progress", running), ("pending", pending)):
            for item in items:
                if item[1] == prompt_id:
                    return Response.json(_queued_job(item, state))
        entry = self._engine.entry(prompt_id)
        if entry is None:
            return Response.json({"error": "Job not found"}, 404)
        _, _, prompt, extra_data, _ = entry["prompt"]
        whole = {
            **_finished_job(entry),
            "outputs": entry["outputs"],
            "execution_status": entry["status"],
            "workflow": {"prompt": prompt, "extra_data": extra_data},
        }
        return Response.json(whole)

    def cancel(self, request: Request) -> Response:
        """POST /api/jobs/{id}/cancel."""
        return Response.json({"cancelled": self._engine.cancel(request.parts["id"])})

    def cancel_many(self, request: Request) -> Response:
        """POST /api/jobs/cancel."""
        ids = request.json()["job_ids"]
        invalid = [each for each in ids if not canonical(each)]
        if invalid:
            return Response.json({"error": "job_ids contains invalid id(s)", "invalid_ids": invalid}, 400)
        hits = [self._engine.cancel(each) for each in ids]
        return Response.json({"cancelled": any(hits)})

    def _all(self) -> list[dict[str, Any]]:
        running, pending = self._engine.waiting()
        jobs = [_queued_job(item, "in_progress") for item in running]
        jobs += [_queued_job(item, "pending") for item in pending]
        return jobs + [_finished_job(entry) for entry in self._engine.history().values()]


def canonical(value: object) -> bool:
    """Return True for a UUID in lower-case hyphenated form."""
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _refused(error: str) -> Response:
    return Response.json({"error": error}, 400)


def _queued_job(item: Item, state: str) -> dict[str, Any]:
    job = {"id": item[1], "status": state, "priority": item[0], "create_time": item[3].get("create_time")}
    return {**job, "outputs_count": 0, "previewable_outputs_count": 0}


def _finished_job(entry: dict[str, Any]) -> dict[str, Any]:
    number, prompt_id, _, extra_data, _ = entry["prompt"]
    messages = dict(entry["status"]["messages"])
    job: dict[str, Any] = {
        "id": prompt_id,
        "status": _state(messages),
        "priority": number,
        "create_time": extra_data.get("create_time"),
        "execution_start_time": messages["execution_start"]["timestamp"],
        "execution_end_time": next(messages[name]["timestamp"] for name in _ENDS if name in messages),
    }
    if "execution_error" in messages:
        job["execution_error"] = messages["execution_error"]
    items = [
        (node_id, key, item)
        for node_id, ui in entry["outputs"].items()
        for key, values in ui.items()
        for item in values
        if key in PREVIEWABLE or key in COUNTED
    ]
    job["outputs_count"] = sum(key in COUNTED for _, key, _ in items)
    job["previewable_outputs_count"] = sum(key in COUNTED for _, key, _ in items)
    if items:
        node_id, key, item = items[0]
        shown = item if isinstance(item, dict) else {"content": item}
        job["preview_output"] = {**shown, "nodeId": node_id, "mediaType": key}
    workflow: Any = extra_data
    for key in ("extra_pnginfo", "workflow", "id"):
        workflow = workflow.get(key) if isinstance(workflow, dict) else None
    if workflow is not None:
        job["workflow_id"] = workflow
    return job


def _state(messages: dict[str, Any]) -> str:
    if "execution_interrupted" in messages:
        return "cancelled"
    return "failed" if "execution_error" in messages else "completed"
