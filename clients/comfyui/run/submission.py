"""Submits a prompt, at most once.

Facts: from 0.3.45 on the server takes the client's prompt id, before it mints its own. It does not check ids for
duplicates: sending twice runs twice. So after a lost response the job is looked up, and only a prompt that is
certainly not on the server is sent again. The number of a prompt is never sent: two waiting prompts with one number
crash the server's worker.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core.context import JobContext
from ...core.delivery import may_have_arrived, outcome_unknown
from ...core.errors import BackendError, ConnectionLost, JobLost, NetworkTimeout, ValidationError
from ...core.json_fields import get_member
from ...core.scope import Scope
from ...http.redaction import redact_json
from ..server.api import ComfyAPI
from ..server.job_lookup import MARKER, JobLookup, LookupResult, ServerJobState
from ..server.timings import Timings
from ..validation_errors import BACKEND, make_refusal
from ..workflow.loading import Prompt

MAX_POSTS = 3


@dataclass(frozen=True)
class Accepted:
    """An accepted prompt with its ``prompt_id``; ``node_errors`` are those of skipped outputs."""

    prompt_id: str
    node_errors: Mapping[str, Any]


class Submission:
    """Sends one job's prompt and determines its outcome; ``extra_data`` is sent with it."""

    def __init__(self, lookup: JobLookup, timings: Timings, job: JobContext, extra_data: Mapping[str, str]) -> None:
        self._api = lookup.api
        self._lookup = lookup
        self._timings = timings
        self._job = job
        self._extra_data = extra_data

    def send(self, prompt: Prompt, client_id: str) -> Accepted:
        """Send the prompt and return the server's acceptance.

        Raises the typed error of a rejection, ``ValidationError`` (code ``not_json``) for values without a JSON form,
        the network error if the prompt is certainly not on the server, and ``JobLost`` (code ``outcome_unknown``) if
        that is unknown.
        """
        job_id = self._job.job_id
        payload = {
            "prompt": prompt,
            "client_id": client_id,
            "prompt_id": job_id,
            "extra_data": {MARKER: {"job": job_id}, "preview_method": "auto", **self._extra_data},
        }
        posts_left = MAX_POSTS
        while True:
            posts_left -= 1
            try:
                return self._post(payload, prompt)
            except BackendError as error:
                self._job.check()
                if not may_have_arrived(error):
                    raise
                found = self._look_for_job(error)
                if found.place is not ServerJobState.ABSENT:
                    return Accepted(found.prompt_id or job_id, {})
                self._give_up_unless_repeatable(error, posts_left)

    def _post(self, payload: Mapping[str, Any], prompt: Prompt) -> Accepted:
        try:
            status, answer = self._api.post_prompt(payload, self._job)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValidationError(
                f"The workflow contains a value that can't be sent: {error}.",
                code="not_json",
                backend=BACKEND,
                hint="Use only finite numbers, text, lists and mappings.",
            ) from error
        if status != 200:
            raise make_refusal(redact_json(answer, self._api.http.redact), prompt)
        prompt_id = get_member(answer, "prompt_id")
        if not isinstance(prompt_id, str) or not prompt_id:
            raise self._api.not_comfyui()
        node_errors = redact_json(answer.get("node_errors"), self._api.http.redact)
        return Accepted(prompt_id, node_errors if isinstance(node_errors, Mapping) else {})

    def _look_for_job(self, error: BackendError) -> LookupResult:
        """Look the job up twice, with a pause; after a time-out for longer, because the server may still be busy with
        the prompt.
        """
        self._job.message("The server's response was lost; looking for the job")
        until = time.monotonic() + (self._timings.settle_s if isinstance(error, NetworkTimeout) else 0.0)
        found = self._locate(error)
        looks = 1
        while found.place is ServerJobState.ABSENT and (looks < 2 or time.monotonic() < until):
            self._job.sleep(self._timings.recheck_missing_s)
            found = self._locate(error)
            looks += 1
        return found

    def _locate(self, error: BackendError) -> LookupResult:
        try:
            return self._lookup.locate(self._job.job_id, self._job, job_id=self._job.job_id)
        except BackendError as second:
            self._job.check()
            raise _unknown_outcome(second) from error

    def _give_up_unless_repeatable(self, error: BackendError, posts_left: int) -> None:
        """Raise unless a retry can't run the prompt twice and may succeed."""
        if not isinstance(error, (ConnectionLost, NetworkTimeout)):
            raise error
        if isinstance(error, NetworkTimeout) or not takes_own_ids(self._api, self._job):
            raise _unknown_outcome(error) from error
        if not posts_left:
            raise error


def takes_own_ids(api: ComfyAPI, scope: Scope) -> bool:
    """Return True if the server uses the client's prompt id: releases that do also have feature flags."""
    return api.features(scope) is not None


def _unknown_outcome(error: BackendError) -> JobLost:
    """Return the error for a prompt that may or may not be on the server."""
    return outcome_unknown(
        f"The server's response was lost, so it is unknown whether it accepted the job: {error.message}",
        "Check ComfyUI's queue and history before you send it again.",
        BACKEND,
    )
