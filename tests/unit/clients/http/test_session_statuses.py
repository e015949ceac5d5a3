"""What a session makes of statuses and bodies, whatever the wire: ``responses`` stands in for the server."""

from __future__ import annotations

import email.utils
import json
import time

import pytest
import responses

from movie_director.clients import errors
from movie_director.clients.core.options import ClientOptions
from movie_director.clients.http.session import HTTPSession
from movie_director.clients.http.transport import Transport
from movie_director.clients.http.url import parse_server_url

SERVER = "http://gpu-box:8188"
QUICK = ClientOptions(backoff_base_s=0.001, backoff_max_s=0.001, max_retries=2, max_response_bytes=1000)
PAGE = "<html><head><title>x</title></head><body><h1>The words</h1></body></html>"


@pytest.fixture
def server():
    """Answers that are given in their order, the last one again and again; ``server.calls`` are the requests."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as server:
        yield server


@pytest.fixture
def session():
    """A session to the server."""
    with Transport() as transport:
        yield HTTPSession(transport, parse_server_url(SERVER), "comfyui", QUICK, {})


def failing(call, *arguments, **settings):
    with pytest.raises(errors.BackendError) as caught:
        call(*arguments, **settings)
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind", "code", "tries", "message", "hint"),
    [
        (300, errors.APIError, "api_error", 1, "answered with status 300", "log"),
        (304, errors.APIError, "api_error", 1, "answered with status 304", "log"),
        (400, errors.APIError, "api_error", 1, "answered with status 400", "log"),
        (
            401,
            errors.AuthenticationError,
            "authentication",
            1,
            "Authentication failed at http://gpu-box",
            "preferences",
        ),
        (403, errors.PermissionDenied, "permission_denied", 1, "denied access", "key"),
        (404, errors.NotFound, "not_found", 1, "has no /a/path", "version"),
        (405, errors.APIError, "api_error", 1, "answered with status 405", "log"),
        (409, errors.APIError, "api_error", 1, "answered with status 409", "log"),
        (413, errors.APIError, "api_error", 1, "answered with status 413", "large"),
        (422, errors.APIError, "api_error", 1, "answered with status 422", "log"),
        (429, errors.RateLimited, "rate_limited", 3, "too many requests", "again"),
        (500, errors.ServerError, "server_error", 3, "failed with status 500", "log"),
        (501, errors.ServerError, "server_error", 1, "failed with status 501", "log"),
        (502, errors.ServerError, "server_error", 3, "failed with status 502", "log"),
        (503, errors.Overloaded, "overloaded", 3, "is busy", "later"),
        (504, errors.ServerError, "server_error", 3, "failed with status 504", "log"),
        (599, errors.ServerError, "server_error", 1, "failed with status 599", "log"),
    ],
)
def test_error_statuses(server, session, status, kind, code, tries, message, hint):
    body = "" if status == 304 else PAGE
    server.get(f"{SERVER}/a/path", body=body, status=status, content_type="text/html")
    error = failing(session.request, "GET", "/a/path?query=1")
    assert len(server.calls) == tries
    assert (type(error), error.code, error.status, error.backend) == (kind, code, status, "comfyui")
    assert message in error.message
    assert hint in error.hint
    assert error.message.endswith(": The words" if body else ".")
    assert error.context == {"server": SERVER, "path": "/a/path", "status": status, "retry_after_s": None}


@pytest.mark.parametrize("status", [500, 502, 503])
def test_posts_are_not_repeated_unless_that_does_no_harm(server, session, status):
    server.post(f"{SERVER}/x", status=status)
    failing(session.post_json, "/x", {})
    assert len(server.calls) == 1
    failing(session.post_json, "/x", {}, repeatable=True)
    assert len(server.calls) == 4


def test_what_passes_is_repeated(server, session):
    server.get(f"{SERVER}/x", status=502)
    server.get(f"{SERVER}/x", status=429)
    server.get(f"{SERVER}/x", json=5)
    assert session.get_json("/x") == 5


def test_a_refused_post_is_sent_again(server, session):
    server.post(f"{SERVER}/x", status=429, headers={"Retry-After": "0"})
    server.post(f"{SERVER}/x", json={})
    session.post_json("/x", {"a": 1}).close()
    assert [json.loads(call.request.body) for call in server.calls] == [{"a": 1}] * 2


def in_an_hour():
    return email.utils.formatdate(time.time() + 3600, usegmt=True)


@pytest.mark.parametrize(
    ("wish", "seconds", "tries"),
    [
        ("0", 0.0, 3),
        ("soon", None, 3),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, 3),
        ("1000000000", 1e9, 1),
        (in_an_hour, 3600.0, 1),
    ],
)
def test_the_servers_wish_for_a_pause(server, session, wish, seconds, tries):
    server.get(f"{SERVER}/x", status=429, headers={"Retry-After": wish if isinstance(wish, str) else wish()})
    error = failing(session.request, "GET", "/x")
    assert len(server.calls) == tries
    assert error.retry_after_s == (None if seconds is None else pytest.approx(seconds, abs=60))
    assert error.context["retry_after_s"] == error.retry_after_s


def test_an_expected_status_is_an_answer(server, session):
    server.get(f"{SERVER}/x", status=404, body="gone")
    with session.request("GET", "/x", expect=(400, 404)) as response:
        assert response.status == 404
        assert response.read(9) == b"gone"


def test_the_backends_own_words_are_kept(server, session):
    server.post(f"{SERVER}/x", status=422, json={"detail": [{"loc": ["body", "steps"], "msg": "must be above 0"}]})
    assert "must be above 0" in failing(session.request, "POST", "/x").message


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        ("<html><form>Log in</form></html>", "text/html; charset=utf-8", "web_page"),
        ("  \n<!DOCTYPE html>", "application/json", "web_page"),
        ('{"a": 1}', "text/html", "web_page"),
        ("", "application/json", "invalid_json"),
        ('{"a": ', "application/json", "invalid_json"),
        ('"' + "x" * 2000 + '"', "application/json", "too_large"),
    ],
)
def test_a_success_that_is_none(server, session, body, content_type, code):
    server.get(f"{SERVER}/x", body=body, content_type=content_type)
    error = failing(session.get_json, "/x")
    assert len(server.calls) == 1
    assert (type(error), error.code, error.backend) == (errors.ProtocolError, code, "comfyui")
    assert error.hint


def test_time_outs_of_a_server_that_is_known_to_be_slow(session):
    slow = session.with_timeouts(first_byte_s=7.0)
    assert (slow.timeouts.connect_s, slow.timeouts.first_byte_s) == (session.timeouts.connect_s, 7.0)
    assert session.timeouts.first_byte_s == QUICK.first_byte_timeout_s
    assert (slow.url, slow.transport) == (session.url, session.transport)
