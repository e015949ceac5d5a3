"""Provides samples to a server that reads only its own disk."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.context import JobContext
from ..core.errors import BackendError, ValidationError
from ..files.storage_errors import prepare_folder, storage_errors
from ..http.url import ServerURL
from .errors import BACKEND
from .request import TrainRequest
from .samples import Samples, clear_folder

FOLDER = "rvc_samples"


@dataclass(frozen=True)
class UploadedSamples:
    """The location of the samples: the server's path of their folder, and the local one if they were copied there."""

    there: str
    here: Path | None


def provide_samples(job: JobContext, request: TrainRequest, samples: Samples, server: ServerURL) -> UploadedSamples:
    """Copy the samples to a folder that the server reads; ``ValidationError`` (code ``samples_not_shared``) with
    instructions if there is none.
    """
    name = f"{request.voice}-{job.job_id[:8]}"
    if request.shared_folder is not None:
        shared = Path(request.shared_folder)
        there = (
            _join_server_path(request.server_folder, name) if request.server_folder else str((shared / name).absolute())
        )
        return UploadedSamples(there, _copy_samples(job, samples, shared / name))
    if request.server_folder is not None:
        return UploadedSamples(request.server_folder, None)
    if server.is_loopback:
        here = (job.output_dir / FOLDER / name).absolute()
        return UploadedSamples(str(here), _copy_samples(job, samples, here))
    problem = f"The server at {server} reads samples only from its own disk, and accepts no uploads."
    raise ValidationError(
        problem,
        code="samples_not_shared",
        problems=[problem],
        backend=BACKEND,
        hint="Give a folder that both machines see as shared_folder, and its path there as server_folder; or copy the "
        f"samples to the server and give their folder there, such as /data/{request.voice}, as server_folder alone.",
    )


def _copy_samples(job: JobContext, samples: Samples, folder: Path) -> Path:
    prepare_folder(folder)
    try:
        for file in samples.files:
            job.check()
            with storage_errors(folder):
                shutil.copyfile(file, folder / file.name)
    except BackendError:
        remove(folder)
        raise
    return folder


def remove(folder: Path | None) -> None:
    """Delete the copies of a finished training, as far as possible."""
    if folder is not None:
        with suppress(BackendError):
            clear_folder(folder)


def _join_server_path(folder: str, name: str) -> str:
    separator = "\\" if "\\" in folder else "/"
    return f"{folder.rstrip(separator)}{separator}{name}"
