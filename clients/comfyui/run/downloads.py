"""Makes the job's result from a finished run: downloads its files, joins its texts, types its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.context import JobContext
from ...core.errors import APIError, BackendError, GenerationError, NotFound, ProtocolError
from ...core.model import Artifact, Result
from ...http.download import download
from ...http.redaction import redact_json
from ...http.session import HTTPSession
from ..execution_errors import interrupted_error, run_error, unexplained_error
from ..server.job_lookup import LookupResult, ServerJobState
from ..server.outputs import OutputFile, Outputs, collect
from ..validation_errors import BACKEND
from .websocket_outputs import SocketImages


class Fetcher:
    """Downloads one job's outputs; used by one worker thread."""

    def __init__(self, http: HTTPSession, job: JobContext, pictures: SocketImages) -> None:
        self._http = http
        self._job = job
        self._pictures = pictures
        self._artifacts: list[Artifact] = []

    def conclude(self, found: LookupResult, prompt: Mapping[str, Any], metadata: dict[str, Any]) -> Result:
        """Return the result of a successful run, else raise its error, with its outputs as ``partial``."""
        outputs = collect(found.outputs, prompt)
        if found.place is ServerJobState.SUCCEEDED:
            return self._fetch_all(outputs, metadata)
        error = _make_error(found.place, redact_json(found.end, self._http.redact), prompt)
        self._artifacts += self._pictures.publish()
        if outputs.files or outputs.texts or self._artifacts:
            error.partial = self._rescue(outputs, metadata)
        raise error

    def _fetch_all(self, outputs: Outputs, metadata: dict[str, Any]) -> Result:
        self._job.progress(1.0, stage="Fetching the result")
        self._artifacts += self._pictures.publish()
        gone: list[BackendError] = [*self._pictures.lost()]
        try:
            for file in outputs.files:
                gone += self._fetch(file)
            if gone and not self._artifacts:
                raise gone[0]
        except BackendError as error:
            if self._artifacts or outputs.texts:
                error.partial = self._result(outputs, [], metadata)
            raise
        if not outputs.files and not outputs.texts:
            self._job.log("The workflow ran, but its nodes produced no files and no text.")
        return self._result(outputs, gone, metadata)

    def _fetch(self, file: OutputFile) -> list[BackendError]:
        """Download a file; return a list with the error if the server does not have this one."""
        self._job.message(f"Downloading {file.filename}")
        try:
            artifact = download(
                self._http, file.view_path, self._job.output_dir, file.filename, scope=self._job, source=file.source
            )
        except NotFound as error:
            return [_missing_file_error(file, error)]
        except (APIError, ProtocolError) as error:
            return [error]
        self._artifacts.append(artifact)
        return []

    def _rescue(self, outputs: Outputs, metadata: dict[str, Any]) -> Result:
        """Download the outputs of a failed run, as far as possible: the run's own error has priority."""
        problems: list[BackendError] = []
        for file in outputs.files:
            try:
                problems += self._fetch(file)
            except BackendError as error:
                self._job.check()
                problems.append(error)
        return self._result(outputs, problems, metadata)

    def _result(self, outputs: Outputs, problems: list[BackendError], metadata: dict[str, Any]) -> Result:
        text = "\n".join(outputs.texts) if outputs.texts else None
        return Result(tuple(self._artifacts), text, problems=tuple(problems), metadata=metadata)


def _make_error(place: ServerJobState, end: Mapping[str, Any] | None, prompt: Mapping[str, Any]) -> GenerationError:
    if place is ServerJobState.INTERRUPTED:
        return interrupted_error(end or {}, prompt)
    return run_error(end, prompt) if end is not None else unexplained_error()


def _missing_file_error(file: OutputFile, cause: NotFound) -> GenerationError:
    error = GenerationError(
        f"ComfyUI names the file {file.filename} as the result, but no longer has it.",
        code="output_gone",
        backend=BACKEND,
        hint="ComfyUI reused a cached result whose file is gone. Change the seed or the file prefix, "
        "or free the server's memory, and send it again.",
        context={"source": file.source},
    )
    error.__cause__ = cause
    return error
