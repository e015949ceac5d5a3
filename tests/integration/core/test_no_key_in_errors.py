"""No key in an error, a log line or a message, though the server quotes all that it was sent; for every backend."""

from __future__ import annotations

import html
import json
import logging
from dataclasses import replace

import pytest
from support.secrets import shown
from support.submits import SUBMITS, connected
from support.waiting import HANG_GUARD_S

from movie_director.clients import BACKENDS, Result, errors
from movie_director.clients.mock.http.responses import Response

KEY = "sk-canary-0123456789-abcdef"
QUOTED = f"you sent Authorization: Bearer {KEY}"
BODIES = {
    "error": lambda: json.dumps(
        {"error": {"message": QUOTED, "type": KEY, "details": QUOTED, "extra_info": {KEY: KEY}}}
    ),
    "detail": lambda: json.dumps({"detail": QUOTED, "error": QUOTED, "status": "failed", "logs": QUOTED}),
    "list": lambda: json.dumps({"detail": [{"loc": ["body", KEY], "msg": QUOTED}]}),
    "page": lambda: f"<html><h1>{html.escape(QUOTED)}</h1></html>",
}
STATUSES = (400, 401, 404, 500, 503)


def everything_of(job) -> str:
    """Return all that a job says of itself."""
    said = [shown(job.exception(0)), shown(job.status)]
    return "\n".join([*said, *(repr(event) for event in job.events()), json.dumps(job.record())])


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("backend", SUBMITS)
def test_a_server_that_quotes_the_key_does_not_get_it_into_an_error(tmp_path, caplog, backend, status, body):
    caplog.set_level(logging.DEBUG)
    submit = SUBMITS[backend]
    with submit.server() as server, connected(submit, server, tmp_path, api_key=KEY) as client:
        answer = server.answer
        kind = "text/html" if body == "page" else "application/json"
        quoting = Response(status, BODIES[body]().encode(), {"Content-Type": kind})
        server.answer = lambda request: quoting if submit.is_submit(server, request) else answer(request)
        limit_s = 0.5 if (backend, status) == ("cog", 503) else None  # it is asked again until it is free
        client.runner.options = replace(client.options, max_retries=0, job_timeout_s=limit_s)
        job = client.submit(submit.request(tmp_path))
        assert isinstance(job.exception(HANG_GUARD_S), errors.BackendError)
        assert KEY not in everything_of(job)
    assert KEY not in caplog.text


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("backend", SUBMITS)
def test_neither_does_the_connection_test(tmp_path, caplog, backend, body):
    caplog.set_level(logging.DEBUG)
    submit = SUBMITS[backend]
    with submit.server() as server, connected(submit, server, tmp_path, api_key=KEY) as client:
        kind = "text/html" if body == "page" else "application/json"
        server.answer = lambda _: Response(400, BODIES[body]().encode(), {"Content-Type": kind})
        with pytest.raises(errors.BackendError) as caught:
            client.probe()
        assert KEY not in shown(caught.value)
    assert KEY not in caplog.text


@pytest.mark.parametrize("backend", SUBMITS)
def test_a_request_that_is_lost_on_its_way_does_not_leave_the_key_in_the_causes(tmp_path, backend):
    submit = SUBMITS[backend]
    with submit.server() as server, connected(submit, server, tmp_path, api_key=KEY) as client:
        answer = server.answer

        def lose(request):
            if submit.is_submit(server, request):
                raise ConnectionAbortedError("the server breaks off")
            return answer(request)

        server.answer = lose
        client.runner.options = replace(client.options, max_retries=0, job_timeout_s=2.0)
        job = client.submit(submit.request(tmp_path))
        assert isinstance(job.exception(HANG_GUARD_S), errors.BackendError)
        assert KEY not in everything_of(job)


def quoting_error() -> errors.BackendError:
    """Return an error that has the key everywhere, its cause included."""
    error = errors.InvalidOutput(
        KEY,
        text=KEY,
        problems=[KEY],
        hint=KEY,
        context={"said": {KEY: [KEY]}},
        partial=Result(text=KEY, metadata={"said": [KEY]}, problems=(errors.GenerationError(KEY),)),
    )
    error.__cause__ = ValueError(KEY)
    return error


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("error", [quoting_error, lambda: ValueError(KEY)], ids=["typed", "a defect"])
def test_whatever_ends_a_job_is_cleaned(tmp_path, monkeypatch, caplog, name, error):
    kind = BACKENDS[name].client
    given = {"options": replace(kind.default_options, output_dir=tmp_path)}

    def run(self, job):
        assert self.http.url
        raise error()

    monkeypatch.setattr(kind, "run", run)
    with kind("http://127.0.0.1:9", api_key=KEY, **given) as client:
        job = client.submit(wished(name, tmp_path))
        assert isinstance(job.exception(HANG_GUARD_S), errors.BackendError)
        assert KEY not in everything_of(job)
    assert KEY not in caplog.text


@pytest.mark.parametrize("name", BACKENDS)
def test_the_problems_of_a_result_are_cleaned_too(tmp_path, monkeypatch, name):
    kind = BACKENDS[name].client
    given = {"options": replace(kind.default_options, output_dir=tmp_path)}

    def run(self, job):
        assert self.http.url
        return Result(text="done", problems=(quoting_error(),))

    monkeypatch.setattr(kind, "run", run)
    with kind("http://127.0.0.1:9", api_key=KEY, **given) as client:
        (problem,) = client.submit(wished(name, tmp_path)).result(HANG_GUARD_S).problems
        assert KEY not in shown(problem)


def wished(name, folder):
    """Return a request that the backend takes."""
    submit = next(each for each in SUBMITS.values() if each.client is BACKENDS[name].client)
    return submit.request(folder)
