"""What is kept beside a result so that it can be made again."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from ..clients.core.job import Job
from ..clients.core.model import Artifact, Result
from ..clients.files.part_file import write_whole

_log = logging.getLogger(__name__)


def sidecar_path(artifact: Path) -> Path:
    """Return where the sidecar of a file is: beside it, with ``.json`` after its whole name."""
    return artifact.with_name(artifact.name + ".json")


def _free_path(path: Path) -> Path:
    """Return the path, or one like it where a result of that very name is already."""
    number = 2
    while path.exists():
        path = path.with_name(f"{path.stem}.{number}{path.suffix}")
        number += 1
    return path


def write_sidecars(job: Job, result: Result) -> None:
    """Write one beside each file of the result. A failure is logged: the result itself is safe."""
    for artifact in result.artifacts:
        try:
            _write(_free_path(sidecar_path(artifact.path)), _contents(job, result, artifact))
        except OSError as error:
            _log.warning("No sidecar could be written beside %s: %s", artifact.path.name, error)


def _contents(job: Job, result: Result, artifact: Artifact) -> dict[str, Any]:
    return {
        "format": 1,
        "made_by": "Movie Director",
        "backend": job.backend,
        "job_id": job.id,
        "backend_id": job.backend_id,
        "submitted_at": job.status.submitted_at,
        "finished_at": job.status.finished_at,
        "artifact": artifact.to_dict(),
        "request": job.request.to_dict(),
        "metadata": result.metadata,
    }


def _write(path: Path, contents: dict[str, Any]) -> None:
    write_whole(path, json.dumps(contents, indent=1, default=str))
