"""Job records: the JSON-ready form of a job that the journal keeps and ``resume`` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import ValidationError
from .job_internals import JobInternals

if TYPE_CHECKING:
    from .job_internals import JobOwner
    from .request import Request

RECORD_VERSION = 1


def make_record(job: JobInternals) -> dict[str, Any]:
    """Return the job's record for ``resume``, JSON-ready and without secrets."""
    return {
        "version": RECORD_VERSION,
        "id": job.id,
        "backend": job.backend,
        "backend_id": job.backend_id,
        "stage": job.stage,
        "server": job.server,
        "state": dict(job.state),
        "request_type": type(job.request).__name__,
        "request": job.request.to_dict(),
        "submitted_at": job.status.submitted_at,
    }


def parse_record(
    record: Mapping[str, Any], backend: str, request_types: tuple[type[Request], ...], owner: JobOwner
) -> JobInternals:
    """Return the job of a record.

    Raises ``ValidationError`` (code ``invalid_record``) for anything but a record of a job of ``backend``.
    """
    try:
        if record["version"] != RECORD_VERSION or record["backend"] != backend:
            raise ValueError(f"version {record['version']!r} of backend {record['backend']!r}")
        request = _parse_request(str(record["request_type"]), record["request"], request_types)
        job = JobInternals(str(record["id"]), backend, request, owner)
        job.backend_id = record["backend_id"]
        job.stage = str(record["stage"])
        job.state = dict(record["state"])
        job.server = record.get("server")
    except (KeyError, TypeError, ValueError) as error:
        raise ValidationError(
            f"This is not a record of a {backend} job: {error!r}.",
            code="invalid_record",
            backend=backend,
            hint="Pass on what Job.record() returned, unchanged.",
        ) from error
    return job


def _parse_request(name: str, fields: Mapping[str, Any], request_types: tuple[type[Request], ...]) -> Request:
    for each in request_types:
        if each.__name__ == name:
            return each.from_dict(fields)
    raise ValueError(f"request type {name!r}")
