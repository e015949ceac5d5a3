"""At most once: whatever goes wrong around a submit, the server carries the request out once or not at all.

Each backend's submit meets each fault: refusals that carry nothing out, answers that are lost or spoilt after the
request was carried out, and a proxy that puts its own error page in the place of an answer.
"""

from __future__ import annotations

from typing import Any

import pytest
from support.submits import SUBMITS, Submit, connected
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.mock import Fault
from movie_director.clients.mock.http.faults import HTTP_REFUSE
from movie_director.clients.mock.http.responses import Request, Response

REFUSALS = ("reset", "close_before_answer", "html_login_page", "redirect", "status:403", "status:429", "status:503")
SPOILT = ("lost_answer", "cut_body", "bad_json", "wrong_length")
PAGES = (500, 502, 503, 504)
RESENT = {
    "reset": {"comfyui"},  # which was asked, and does not have the prompt
    "close_before_answer": {"comfyui"},
    "status:429": {"comfyui", "wan2gp-web", "wan2gp-mcp", "litellm", "rvc-python", "applio", "audioldm2"},
    "status:503": {"litellm", "cog"},  # in the server's own words
}


class Watched:
    """A running server whose submits are counted; the first one meets ``fault``."""

    def __init__(self, submit: Submit, server: Any, fault: str | int) -> None:
        self.sent = self.carried_out = 0
        self._submit = submit
        self._server = server
        self._fault = fault
        self._answer, self._take_request = server.answer, server.faults.take_request
        server.answer, server.faults.take_request = self.answer, self.take_request

    def take_request(self, point: str, method: str, path: str) -> Fault | None:
        """Return the fault to commit on the request that has just been logged."""
        logged = [each for each in self._server.requests if (each.method, each.route) == (method, path)]
        if not self._submit.is_submit(self._server, logged[-1]):
            return self._take_request(point, method, path)
        self.sent += point == HTTP_REFUSE
        kinds = REFUSALS if point == HTTP_REFUSE else SPOILT
        return Fault(self._fault) if self.sent == 1 and self._fault in kinds else None

    def answer(self, request: Request) -> Response:
        answer = self._answer(request)
        if self._submit.is_submit(self._server, request):
            self.carried_out += 1
            if self._fault in PAGES and self.sent == 1:
                return Response(self._fault, b"<html><h1>Oops</h1></html>", {"Content-Type": "text/html"})
        return answer


@pytest.mark.parametrize("fault", [*REFUSALS, *SPOILT, *PAGES])
@pytest.mark.parametrize("backend", SUBMITS)
def test_a_request_is_carried_out_once_at_the_most(tmp_path, monkeypatch, backend, fault):
    monkeypatch.setattr("movie_director.clients.audioldm.cog.run.BUSY_PAUSE_S", 0.01)
    submit = SUBMITS[backend]
    with submit.server() as server, connected(submit, server, tmp_path) as client:
        watched = Watched(submit, server, fault)
        error = client.submit(submit.request(tmp_path)).exception(HANG_GUARD_S)
    assert watched.carried_out <= 1
    assert watched.sent == (2 if backend in RESENT.get(fault, ()) else 1)
    if error is not None:
        assert isinstance(error, errors.BackendError)
        assert error.code != "internal"
        assert error.hint
