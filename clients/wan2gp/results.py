"""From the server's files to the job's result."""

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


def request_of(job: JobContext) -> VideoRequest:
    """Return the job's request, typed."""
    return cast(VideoRequest, job.request)


def local_name(task: Task, server_name: str) -> str:
    """Return what a file of the server is called here."""
    return task.name + Path(server_name).suffix


def result_of(job: JobContext, task: Task, artifacts: list[Artifact], server: dict[str, Any]) -> Result:
    """Return the job's result with what is needed to make it again; ``server`` says who made it."""
    request = request_of(job)
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


def say_warnings(job: JobContext) -> None:
    """Put what may be wrong with the request into the job's log."""
    for warning in request_of(job).warnings():
        job.log(f"{warning}")
