"""Cancels one job on the server, and only this one, and waits for its end.

Facts: a waiting prompt is deleted from the queue. A running one is interrupted by id from 0.3.57 on; before, an
interrupt stops WHATEVER runs, so the queue is checked first (the remaining race can't be closed). From 0.26 on the
jobs API does both. An interrupt takes effect between nodes and where a node checks for it: it can take as long as a
node.
"""

from __future__ import annotations

import time

from ...core.context import CancelContext
from ...core.errors import BackendError
from ...core.model import BackendCancel
from ..server.api import ComfyAPI
from ..server.job_lookup import JobLookup, LookupResult, ServerJobState
from ..server.timings import Timings


class Canceller:
    """Cancels one job on the server; used by one worker thread."""

    def __init__(self, api: ComfyAPI, lookup: JobLookup, timings: Timings, job: CancelContext) -> None:
        self._api = api
        self._lookup = lookup
        self._timings = timings
        self._job = job
        self._told_at = -timings.interrupt_again_s

    def run(self) -> BackendCancel:
        """Cancel until the job neither waits nor runs: ``CONFIRMED``; ``FAILED`` after the drain time or a long
        outage.
        """
        began = answered = time.monotonic()
        pause_s, over = self._timings.drain_every_s, False
        while True:
            try:
                if self._step(time.monotonic() - began):
                    return BackendCancel.CONFIRMED
                answered = time.monotonic()
            except BackendError as error:
                if not error.retryable and not over:
                    raise
            if over or time.monotonic() - answered >= self._timings.drain_outage_s:
                return BackendCancel.FAILED
            over = not self._job.wait(pause_s)
            pause_s = min(pause_s * 2.0, self._timings.poll_without_socket_s)

    def _step(self, elapsed_s: float) -> bool:
        """Look the job up and cancel it accordingly; return True once it is gone."""
        accepted = self._job.backend_id
        mark = "" if accepted else self._job.job_id
        found = self._lookup.locate(accepted or self._job.job_id, self._job, job_id=mark)
        if found.place in (ServerJobState.PENDING, ServerJobState.RUNNING):
            self._notify(found)
            return False
        # A prompt whose POST was interrupted may appear a moment later.
        return bool(accepted) or found.place.ended or elapsed_s >= self._timings.in_flight_s

    def _notify(self, found: LookupResult) -> None:
        if found.place is ServerJobState.PENDING:
            self._api.delete_pending(found.prompt_id, self._job)
        elif time.monotonic() - self._told_at >= self._timings.interrupt_again_s:
            self._told_at = time.monotonic()
            if self._api.cancel_job(found.prompt_id, self._job) is None:
                self._api.interrupt(found.prompt_id, self._job)
