"""One-click training of RVC-WebUI, driven by polling.

Facts: the training is a generator under a ``session_hash``. The same request again polls its next text; without polls,
the current step ends, the next never begins, and the server counts as busy for ever. While a step of an aborted request
still runs, polls fail without a reason. After its end the same request would start a new training: its first text then
has no stage, and nothing runs before the second poll. The main branch has a stop button without a name; 2.2 has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...core.context import CancelContext, JobContext
from ...core.delivery import may_have_arrived
from ...core.errors import (
    BackendError,
    ConnectionFailed,
    ConnectionLost,
    GenerationError,
    JobCancelled,
    JobDetached,
    JobLost,
    NetworkTimeout,
    Overloaded,
    ValidationError,
)
from ...core.foreign_text import cut_middle
from ...core.json_fields import as_text
from ...core.model import BackendCancel
from ...core.scope import Scope
from ...gradio.any_session import check_count
from ...gradio.config import Dependency, GradioConfig
from ...gradio.http import GradioHTTP
from ...gradio.run_endpoint import RunReply, run_endpoint
from ..errors import BACKEND, generation_error
from ..request import TrainRequest
from ..sample_upload import provide_samples, remove
from ..samples import Samples
from .progress import MODEL_STAGE, STAGES, View, Wording, new_lines, parse_text

FUNCTION = "train_start_all"
STOP_TEXT = "Stop one-click training"
ASK_AGAIN_S = 0.5
ATTEMPTS = 60
"""Retries in a row after a lost connection: half a minute."""

_MAX_TEXT = 64 * 1024
_YES, _NO = 0, 1
_FAILURE = re.compile(r"traceback|error\b|failed", re.IGNORECASE)
_STOP_SESSION = "movie-director-stop"


class Training:
    """The trainings of one server; ``listed`` returns True if the voice is listed. Used by one worker at a time."""

    def __init__(
        self,
        access: GradioHTTP,
        config: GradioConfig,
        dialect: str,
        wording: Wording,
        listed: Callable[[Scope], bool],
    ) -> None:
        self._access = access
        self._config = config
        self._dialect = dialect
        self._wording = wording
        self._listed = listed
        self._function = config.get_function(FUNCTION)
        self._lost = False

    def run(self, job: JobContext, request: TrainRequest, samples: Samples) -> Mapping[str, object]:
        """Start a training and wait until it is done."""
        data = self._make_arguments(request)
        known = self._listed(job)
        placed = provide_samples(job, request, samples, self._access.http.url)
        data[3] = placed.there
        session = job.job_id.replace("-", "")[:16]
        here = str(placed.here) if placed.here is not None else ""
        state = {"session_hash": session, "data": data, "folder": here, "samples": samples.metadata, "known": known}
        try:
            job.sending(dialect=self._dialect, **state)
        except BackendError:
            remove(placed.here)
            raise
        return self._wait_until_done(job, request, seen=False)

    def rejoin(self, job: JobContext) -> Mapping[str, object] | None:
        """Continue a training; ``JobLost`` if the server no longer has it."""
        if not _get_data(job.state):
            return None
        request = job.request
        assert isinstance(request, TrainRequest)
        return self._wait_until_done(job, request, seen=job.backend_id is not None)

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Stop the training and read its generator to the end, so that the server is free for the next."""
        try:
            return self._stop(job)
        finally:
            _clear(job.state)

    def _stop(self, job: CancelContext) -> BackendCancel:
        stop = self._find_stop_function()
        if stop is None:
            return BackendCancel.UNSUPPORTED  # it ends with its step: nothing polls the next
        stopping = job.backend_id is not None and self._request_stop(job, stop)
        while True:
            try:
                answer = self._request_text(job.state, job)
                if not answer.is_generating:
                    return BackendCancel.CONFIRMED
                stopping = stopping or self._request_stop(job, stop)
            except BackendError as error:
                if not (isinstance(error, GenerationError) or error.retryable) or not job.wait(ASK_AGAIN_S):
                    return BackendCancel.FAILED

    # Polling

    def _wait_until_done(self, job: JobContext, request: TrainRequest, *, seen: bool) -> Mapping[str, object]:
        self._lost = seen
        try:
            texts = self._follow(job, request, seen=seen)
            self._check_end(job, request, texts, rejoined=seen)
        except (JobCancelled, JobDetached):
            raise
        except BackendError:
            _clear(job.state)
            raise
        _clear(job.state)
        metadata = {"samples": job.state.get("samples", {}), "session_hash": job.state["session_hash"]}
        return {**metadata, "confirmed": not _existed_before(job.state) or self._wording is Wording.MAIN}

    def _follow(self, job: JobContext, request: TrainRequest, *, seen: bool) -> list[str]:
        """Poll until the end and return the texts; none for a training that had ended before the first poll."""
        texts: list[str] = []
        view: View | None = None
        while True:
            answer = self._request_next(job, seen=seen)
            first = answer.raw[0] if answer.raw else None
            text = cut_middle(self._access.http.redact(as_text(first)), _MAX_TEXT)
            if text and seen and self._lost and parse_text(text, self._wording).fresh:
                self._stop_restarted(job)
                return []
            if not seen:
                job.submitted(str(job.state["session_hash"]))
            job.started()
            seen, self._lost = True, False
            if text:
                texts = [*texts[-1:], text]
                view = self._report(job, request, text, view)
            if not answer.is_generating:
                return texts

    def _report(self, job: JobContext, request: TrainRequest, text: str, before: View | None) -> View:
        view = parse_text(text, self._wording)
        same_log = before is not None and before.done == view.done
        for line in new_lines(before.log if before is not None and same_log else (), view.log):
            job.log(line)
        step = view.epoch if view.stage == MODEL_STAGE and view.epoch else None
        total = request.epochs if step is not None else None
        job.progress(view.fraction(request.epochs), step=step, total_steps=total, stage=STAGES[view.stage])
        return view

    def _request_next(self, job: JobContext, *, seen: bool) -> RunReply:
        """Poll the next text; retry over lost connections, and while the step of a lost request still runs."""
        failures = 0
        while True:
            try:
                answer = self._request_text(job.state, job)
            except (ConnectionLost, NetworkTimeout, ConnectionFailed) as error:
                job.check()
                failures += 1
                if failures > ATTEMPTS or not (seen or may_have_arrived(error)):
                    raise
                self._lost = True
            except GenerationError as error:
                if error.code != "no_reason" or not self._lost:
                    raise
            else:
                if failures:
                    job.reconnected()
                return answer
            job.sleep(ASK_AGAIN_S)

    def _check_end(self, job: JobContext, request: TrainRequest, texts: list[str], *, rejoined: bool) -> None:
        """Raise if the training failed; the status of the responses does not show it. A new voice in the list proves
        success; a voice that was listed before needs a final text that reports the end too.
        """
        view = parse_text(texts[-1], self._wording) if texts else None
        if view is not None and view.status == "Stopped":
            raise GenerationError(
                "The training was stopped on the server.",
                code="training_stopped",
                backend=BACKEND,
                hint="Train it again: it continues where it stopped.",
            )
        if view is not None and (view.status == "Failed" or "Traceback" in texts[-1]):
            raise generation_error(texts[-1], doing=f"training {request.voice}", code="training_failed")
        alone = len(texts) == 1  # the only text, if another training is running
        if alone and not rejoined and self._wording is Wording.MAIN:
            raise _busy()
        if (not _existed_before(job.state) or self._reports_end(job.state, texts, request.voice)) and self._listed(job):
            return
        if not texts or (alone and rejoined):
            raise JobLost(
                "The server no longer knows the training: it was restarted, or the training was stopped.",
                backend=BACKEND,
                hint="Train the voice again; its finished steps are reused.",
            )
        raise generation_error(texts[-1], doing=f"training {request.voice}", code="training_failed")

    def _reports_end(self, state: Mapping[str, Any], texts: list[str], voice: str) -> bool:
        if not texts:
            return False
        view = parse_text(texts[-1], self._wording)
        if self._wording is Wording.MAIN:
            return view.done == len(STAGES)
        own = texts[-1].replace(str(_get_data(state)[3]), "").replace(voice, "")
        return view.stage >= MODEL_STAGE and _FAILURE.search(own) is None

    # Calls

    def _request_text(self, state: Mapping[str, Any], scope: Scope) -> RunReply:
        return run_endpoint(
            self._access, self._config, self._function, _get_data(state), str(state["session_hash"]), scope
        )

    def _stop_restarted(self, job: JobContext) -> None:
        """Stop a training that the poll has restarted: only its first text exists so far."""
        stop = self._find_stop_function()
        if stop is None:
            return
        with suppress(BackendError):
            self._request_stop(job, stop)
            while self._request_text(job.state, job).is_generating:
                job.check()

    def _request_stop(self, scope: Scope, stop: Dependency) -> bool:
        run_endpoint(self._access, self._config, stop, [], _STOP_SESSION, scope)
        return True

    def _find_stop_function(self) -> Dependency | None:
        """Return the function of the stop button: found by its label, in other languages by its position after the
        start.
        """
        if self._wording is not Wording.MAIN:
            return None
        without = [each for each in self._config.dependencies if not each.api_name and not each.inputs]
        for each in without:
            buttons = (self._config.components.get(target) for target, _ in each.targets)
            if STOP_TEXT in [button.label for button in buttons if button is not None]:
                return each
        return next((each for each in without if each.id > self._function.id), None)

    def _make_arguments(self, request: TrainRequest) -> list[Any]:
        rate = f"{request.rate // 1000}k"
        data: list[Any] = [
            *(request.voice, rate, True, "", 0, request.processes, request.f0_method),
            *(request.save_every, request.epochs, request.batch_size, self._get_choice(10, _YES)),
            *(f"assets/pretrained_v2/f0G{rate}.pth", f"assets/pretrained_v2/f0D{rate}.pth", request.gpus),
            *(self._get_choice(14, _NO), self._get_choice(15, _NO), "v2", "-" if not request.gpus else request.gpus),
        ]
        check_count(self._function, data)
        rates = self._get_choices(1)
        if rates and rate not in rates:
            problem = f"rate: this server trains at {' or '.join(map(str, rates))}, not {rate}."
            raise ValidationError(problem, code="unsupported", problems=[problem], backend=BACKEND, hint="Choose one.")
        return data

    def _get_choices(self, provide_samples: int) -> list[Any]:
        component = self._config.components.get(self._function.inputs[provide_samples])
        choices = component.props.get("choices") if component is not None else None
        return choices if isinstance(choices, list) else []

    def _get_choice(self, provide_samples: int, which: int) -> Any:
        """Return a choice in the server's language: an unknown word silently means No."""
        choices = self._get_choices(provide_samples)
        return choices[which] if len(choices) == 2 else ("Yes", "No")[which]


def _get_data(state: Mapping[str, Any]) -> list[Any]:
    data = state.get("data")
    return data if isinstance(data, list) and state.get("session_hash") else []


def _existed_before(state: Mapping[str, Any]) -> bool:
    """Return True if the voice was listed before its training: then its presence proves nothing."""
    return state.get("known") is True


def _clear(state: Mapping[str, Any]) -> None:
    remove(Path(str(state["folder"])) if state.get("folder") else None)


def _busy() -> Overloaded:
    return Overloaded(
        "Another training is running on the RVC server, or was left unfinished.",
        code="training_busy",
        backend=BACKEND,
        hint="Wait for it, or stop it on the server's page; if that does not help, restart the server.",
    )
