"""From the end of a run to the job's result: files fetched, texts joined, errors typed."""

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
    """Fetches what one job has made; used by one worker thread."""

    def __init__(self, http: HTTPSession, job: JobContext, pictures: SocketImages) -> None:
        self._http = http
        self._job = job
        self._pictures = pictures
        self._artifacts: list[Artifact] = []

    def conclude(self, found: LookupResult, prompt: Mapping[str, Any], metadata: dict[str, Any]) -> Result:
        """Return the result of a run that has succeeded, else raise its error, with what it had made as ``partial``."""
        outputs = collect(found.outputs, prompt)
        if found.place is ServerJobState.SUCCEEDED:
            return self._fetched(outputs, metadata)
        error = _error_of(found.place, redact_json(found.end, self._http.redact), prompt)
        self._artifacts += self._pictures.publish()
        if outputs.files or outputs.texts or self._artifacts:
            error.partial = self._rescued(outputs, metadata)
        raise error

    def _fetched(self, outputs: Outputs, metadata: dict[str, Any]) -> Result:
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
            self._job.log("The workflow has run, but its nodes have left no file and no text.")
        return self._result(outputs, gone, metadata)

    def _fetch(self, file: OutputFile) -> list[BackendError]:
        """Fetch a file; a list with its error if it is this one that the server does not give."""
        self._job.message(f"Downloading {file.filename}")
        try:
            artifact = download(
                self._http, file.view_path, self._job.output_dir, file.filename, scope=self._job, source=file.source
            )
        except NotFound as error:
            return [_gone(file, error)]
        except (APIError, ProtocolError) as error:
            return [error]
        self._artifacts.append(artifact)
        return []

    def _rescued(self, outputs: Outputs, metadata: dict[str, Any]) -> Result:
        """Fetch what a failed run has made, as far as that works: its own error is what counts."""
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


def _error_of(place: ServerJobState, end: Mapping[str, Any] | None, prompt: Mapping[str, Any]) -> GenerationError:
    if place is ServerJobState.INTERRUPTED:
        return interrupted_error(end or {}, prompt)
    return run_error(end, prompt) if end is not None else unexplained_error()


def _gone(file: OutputFile, cause: NotFound) -> GenerationError:
    error = GenerationError(
        f"ComfyUI names the file {file.filename} as the result, but does not have it any more.",
        code="output_gone",
        backend=BACKEND,
        hint="It had made the same before and took it from its memory. Change the seed or the file prefix, "
        "or free the server's memory, and send it again.",
        context={"source": file.source},
    )
    error.__cause__ = cause
    return error
