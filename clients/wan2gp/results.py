"""Makes the job's result from the server's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from ..core.context import JobContext
from ..core.model import Artifact, Result
from .catalogue import catalogue
from .errors import BACKEND
from .request import VideoRequest
from .task import Task

FETCHING = "Fetching the result"


def get_request(job: JobContext) -> VideoRequest:
    """Return the job's request, typed."""
    return cast(VideoRequest, job.request)


def make_local_name(task: Task, server_name: str) -> str:
    """Return the local name of a file of the server."""
    return task.name + Path(server_name).suffix


def make_result(job: JobContext, task: Task, artifacts: list[Artifact], server: dict[str, Any]) -> Result:
    """Return the job's result with the metadata to make it again; ``server`` describes the server."""
    request = get_request(job)
    fields = request.to_dict()
    model = request.definition()
    metadata = {
        "backend": BACKEND,
        **server,
        "seed": task.seed,
        "model": request.model,
        "fps": model.fps if model is not None and model.makes_video else None,
        "settings": task.params,
        "files": fields["files"],
        "settings_of_version": catalogue().wangp_version,
        "request_metadata": fields["metadata"],
    }
    return Result(tuple(artifacts), metadata=metadata)


def log_warnings(job: JobContext) -> None:
    """Log the warnings of the request."""
    for warning in get_request(job).warnings():
        job.log(f"{warning}")
