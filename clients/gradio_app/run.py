"""Runs one job: looks up the endpoint, uploads files, follows the call and fetches results; also cancels a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..core.context import CancelContext, JobContext
from ..core.errors import JobCancelled, NetworkTimeout
from ..core.model import BackendCancel, Result
from ..files.storage_errors import check_writable
from ..gradio.files import upload
from ..gradio.http import GradioHTTP
from ..gradio.messages import parse_progress
from .app import App
from .endpoints import Endpoint
from .inputs import Inputs, check_inputs, wrap_files
from .outputs import Outputs
from .request import EndpointRequest

if TYPE_CHECKING:
    from gradio_client.utils import StatusUpdate

    from .call import EndpointCall

POLL_S = 0.1
CLOSE_S = 1.0


class EndpointRun:
    """Runs one job. ``leave`` takes the running call of a job that was cancelled or reached its time limit."""

    def __init__(
        self,
        job: JobContext,
        access: GradioHTTP,
        app: App,
        headers: Mapping[str, str],
        leave: Callable[[EndpointCall], None],
    ) -> None:
        self._job = job
        self._access = access
        self._app = app
        self._headers = headers
        self._leave = leave

    def run(self) -> Result:
        """Call the endpoint and fetch its results."""
        request = cast(EndpointRequest, self._job.request)
        endpoint = self._app.find(request.endpoint)
        inputs = check_inputs(endpoint, request)
        check_writable(self._job.output_dir)
        values = self._upload(endpoint, inputs)
        outputs = Outputs(self._access, self._app.config, self._job)
        call = self._make_call(endpoint)
        try:
            self._follow(call, values)
            outputs.take(endpoint, call.values())  # before the session ends: the app may delete the files at its end
        except BaseException as error:
            self._end(call, error)
            raise
        call.close(CLOSE_S)
        return Result(
            tuple(outputs.artifacts),
            text=outputs.text,
            data=outputs.data,
            problems=tuple(outputs.problems),
            metadata={
                "request": request.to_dict(),
                "endpoint": endpoint.name,
                "inputs": dict(inputs.values),
                "app": self._app.config.title,
                "version": self._app.config.version,
            },
        )

    def _make_call(self, endpoint: Endpoint) -> EndpointCall:
        from .call import EndpointCall  # here, because gradio_client costs a quarter of a second

        return EndpointCall(self._access, self._app, endpoint, self._headers)

    def _upload(self, endpoint: Endpoint, inputs: Inputs) -> list[Any]:
        """Upload the files and return all values, in the endpoint's order."""
        values = []
        for field in endpoint.fields:
            if field.name in inputs.files:
                uploaded = [self._uploaded(path) for path in inputs.files[field.name]]
                values.append(wrap_files(field, uploaded))
            else:
                values.append(inputs.values[field.name])
        return values

    def _uploaded(self, path: Path) -> dict[str, Any]:
        self._job.message(f"Uploading {path.name}")
        file = upload(self._access, self._app.config, path, scope=self._job)
        return file.as_input()

    def _follow(self, call: EndpointCall, values: list[Any]) -> None:
        """Send the call and report its status updates to the job, until the call has ended."""
        self._job.message("")
        self._job.sending()
        call.send(values, lambda: self._job.post(None))
        accepted = False
        while True:
            ended = call.ended  # read before the updates, so that the last ones are not missed
            event_id = call.event_id
            if event_id is not None and not accepted:
                accepted = True
                self._job.submitted(event_id, session=call.session_hash)
            for update in call.updates():
                self._tell(call, update)
            if ended:
                return
            self._job.receive(POLL_S)

    def _tell(self, call: EndpointCall, update: StatusUpdate) -> None:
        if call.started:
            self._job.started()
        elif update.rank is not None:
            self._job.queued(update.rank)
        if update.log is not None:
            self._job.log(update.log[0])
        told = parse_progress({"progress_data": [asdict(each) for each in update.progress_data or ()]})
        if told is not None:
            bar = told.innermost
            self._job.progress(
                told.fraction,
                step=None if bar.index is None else int(bar.index),
                total_steps=None if bar.length is None else int(bar.length),
                stage=bar.desc,
            )

    def _end(self, call: EndpointCall, error: BaseException) -> None:
        """Close the call; after a cancel or the time limit, leave it open for the cancel on the server."""
        timed_out = isinstance(error, NetworkTimeout) and error.code == "job_timeout"
        if isinstance(error, JobCancelled) or timed_out:
            self._leave(call)
            return
        if not call.may_have_arrived:
            self._job.not_sent()
        call.close(CLOSE_S)


def cancel_call(access: GradioHTTP, call: EndpointCall, job: CancelContext) -> BackendCancel:
    """Cancel a call as far as the app can, wait until the app has ended it, and close the call.

    Dropping the stream removes a waiting call from the app's queue; the cancel route of servers before the spring of
    2026 leaves such a call in the queue and runs it for nobody (gradio issue 13323). A generator stops at its next
    yield. No other function can be stopped: wait for its end, as long as ``job.wait`` allows.
    """
    try:
        while not (call.is_listening or call.ended) and job.wait(POLL_S):
            pass
        if call.ended:
            return BackendCancel.CONFIRMED if call.event_id or not call.may_have_arrived else BackendCancel.FAILED
        if not call.is_listening:
            return BackendCancel.FAILED
        for _ in call.updates():
            pass
        if not call.started:
            return BackendCancel.CONFIRMED
        if not (call.endpoint.is_generator and call.app.can_cancel):
            _wait_for_end(call, job)
            return BackendCancel.UNSUPPORTED
        was_told = _tell(access, call, job)
        _wait_for_end(call, job)
        return BackendCancel.CONFIRMED if was_told else BackendCancel.FAILED
    finally:
        call.close(CLOSE_S)


def _wait_for_end(call: EndpointCall, job: CancelContext) -> None:
    while not call.ended and job.wait(POLL_S):
        pass


def _tell(access: GradioHTTP, call: EndpointCall, job: CancelContext) -> bool:
    """Send the cancel; return True if the server confirms it."""
    payload = {"session_hash": call.session_hash, "fn_index": call.endpoint.number, "event_id": call.event_id}
    with access.post_json(call.app.config.path("/cancel"), payload, scope=job) as response:
        answer = access.http.json_of(response)
    return isinstance(answer, dict) and answer.get("success") is True
