"""Requests to one server: retries, redirects, statuses, secrets."""

from __future__ import annotations

import json
import threading
import time

import pytest
from faultserver import FaultServer, always, answer, answers, closed_port, silent
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.core.interrupt import Interrupter
from movie_director.clients.core.options import ClientOptions
from movie_director.clients.core.scope import SessionScope
from movie_director.clients.http.session import MAX_REDIRECTS, HTTPSession
from movie_director.clients.http.transport import Timeouts, Transport
from movie_director.clients.http.url import parse_server_url

QUICK = {"backoff_base_s": 0.001, "backoff_max_s": 0.001, "max_retries": 2}


@pytest.fixture
def open_session():
    """Make sessions; their transport is closed at the end."""
    with Transport() as transport:

        def open_session(url, headers=None, **options):
            given = ClientOptions(**{**QUICK, **options})
            return HTTPSession(transport, parse_server_url(url), "comfyui", given, headers or {})

        yield open_session


def failing(call, *arguments, **settings):
    with pytest.raises(errors.BackendError) as caught:
        call(*arguments, **settings)
    return caught.value


def status(line, body=b"", *headers):
    return answer(body, *headers, status=line)


JSON = "Content-Type: application/json"


def test_json_both_ways(open_session, canary):
    with FaultServer(always(answer(b'{"a": [1, "\xc3\xbc"]}', JSON))) as server:
        session = open_session(server.url + "/comfy/?x=1", {"Authorization": f"Bearer {canary}"})
        assert session.get_json("/prompt") == {"a": [1, "ü"]}
        with session.post_json("/prompt?y=2", {"b": "ü"}) as response:
            assert session.json_of(response) == {"a": [1, "ü"]}
        got, posted = server.asked
    assert (got.method, got.target) == ("GET", "/comfy/prompt?x=1")
    assert got.headers["authorization"] == f"Bearer {canary}"
    assert got.headers["accept-encoding"] == "identity"
    assert got.headers["user-agent"] == "MovieDirector"
    assert (posted.method, posted.target) == ("POST", "/comfy/prompt?y=2&x=1")
    assert posted.headers["content-type"] == "application/json"
    assert json.loads(posted.body) == {"b": "ü"}


def test_json_that_is_none_is_refused_before_it_is_sent(open_session):
    session = open_session("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="JSON"):
        session.post_json("/x", {"a": float("nan")})


# Statuses


def test_a_body_that_can_be_sent_only_once_is(open_session):
    with FaultServer(always(status("429 Too Many"))) as server:
        failing(open_session(server.url).request, "POST", "/x", body=iter([b"once"]), headers={"Content-Length": "4"})
        assert len(server.asked) == 1
        failing(open_session(server.url).request, "PUT", "/x", body=[b"a", b"gain"])
        assert [each.body for each in server.asked[1:]] == [b"again"] * 3


@pytest.mark.parametrize(
    "raw",
    [
        status("500 Oops", b"x" * 100_000),
        b"HTTP/1.1 500 Oops\r\n\r\n" + b"x" * 100_000,
        answer(b"xxx", status="500 Oops", length=1000),
        answer(b"no gzip", "Content-Encoding: gzip", status="500 Oops"),
        b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_an_error_body_that_can_not_be_read_whole_does_not_hide_the_status(open_session, raw):
    with FaultServer(answers(raw)) as server:
        error = failing(open_session(server.url, max_retries=0).request, "GET", "/x")
    assert (type(error), error.status) == (errors.ServerError, 500)
    assert len(error.message) < 700


# Cuts


def test_a_cut_get_is_sent_again_and_a_cut_post_is_not(open_session):
    def cut(peer):
        peer.request()
        peer.reset()

    with FaultServer(cut, cut, always(answer(b"1"))) as server:
        assert open_session(server.url).get_json("/x") == 1
        assert len(server.asked) == 3
    with FaultServer(cut, always(answer(b"1"))) as server:
        error = failing(open_session(server.url).post_json, "/x", {})
        assert (type(error), error.backend) == (errors.ConnectionLost, "comfyui")
        assert len(server.asked) == 1
        open_session(server.url).post_json("/x", {}, repeatable=True).close()


HALF = answer(b'{"a": ', JSON, length=100)
CHUNK = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n'


@pytest.mark.parametrize("cut", [HALF, CHUNK])
def test_a_read_that_is_cut_in_its_body_is_sent_again(open_session, cut):
    """The request and its answer are one unit; cut before the head it is repeated too."""
    whole = answer(b'{"a": 1}', JSON)
    with FaultServer(answers(cut), answers(cut), always(whole)) as server:
        assert open_session(server.url).get_json("/x") == {"a": 1}
        assert len(server.asked) == 3
    with FaultServer(answers(cut), always(whole)) as server:
        with open_session(server.url).post_json("/x", {}, repeatable=True) as response:
            assert response.read(100) == b'{"a": 1}'
        assert len(server.asked) == 2


def test_a_read_that_is_always_cut_fails_within_the_bound(open_session):
    with FaultServer(*[answers(HALF)] * 9) as server:
        error = failing(open_session(server.url, max_retries=2).get_json, "/x")
        assert len(server.asked) == 3
    assert (type(error), error.backend) == (errors.ConnectionLost, "comfyui")


def test_what_must_not_be_repeated_is_not_though_its_answer_is_cut(open_session):
    with FaultServer(answers(HALF), always(answer(b"{}", JSON))) as server:
        with open_session(server.url).post_json("/x", {}) as response:
            assert type(failing(response.read, 100)) is errors.ConnectionLost
        assert len(server.asked) == 1


@pytest.mark.parametrize("streaming", [{"stream": True}, {"stream": False}])
def test_a_stream_is_left_to_who_asked_for_it(open_session, streaming):
    def events(peer):
        peer.request()
        kind = "audio/wav" if streaming["stream"] else "text/event-stream"
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n\r\ndata: 1\n\n" % kind.encode())
        peer.wait_gone()

    with FaultServer(events) as server:
        with open_session(server.url).request("GET", "/x", **streaming) as response:
            assert next(response.available()) == b"data: 1\n\n"


def test_a_buffered_answer_reads_like_any_other(open_session):
    with FaultServer(always(answer(b"x" * 5000))) as server:
        with open_session(server.url, max_response_bytes=5000).request("GET", "/x") as response:
            assert response.content_length == 5000
            assert list(response.chunks(2000)) == [b"x" * 2000, b"x" * 2000, b"x" * 1000]
            assert response.read(5000) == b""
        with open_session(server.url, max_response_bytes=5000).request("GET", "/x") as response:
            assert response.start(10) == b"x" * 10
        assert failing(open_session(server.url, max_response_bytes=4999).request, "GET", "/x").code == "too_large"
        with open_session(server.url, max_response_bytes=5000).request("GET", "/x") as response:
            assert failing(response.read, 4999).code == "too_large"
        assert server.connections == 2


def test_a_server_that_hangs_up_on_a_pooled_connection(open_session):
    """It can close it in the very moment in which it is used again."""

    def script(peer):
        peer.request()
        peer.send(answer(b"1"))
        peer.request()

    with FaultServer(script, always(answer(b"2"))) as server:
        session = open_session(server.url)
        assert session.get_json("/x") == 1
        assert session.get_json("/x") == 2
    with FaultServer(script, always(answer(b"2"))) as server:
        session = open_session(server.url)
        assert session.get_json("/x") == 1
        assert type(failing(session.post_json, "/x", {})) is errors.ConnectionLost
        assert len(server.asked) == 2


def test_nobody_there_is_told_at_once(open_session):
    began = time.monotonic()
    error = failing(open_session(f"http://127.0.0.1:{closed_port()}", backoff_base_s=5, backoff_max_s=5).get_json, "/x")
    assert time.monotonic() - began < 4.0
    assert (error.code, error.backend) == ("refused", "comfyui")


def test_time_outs_can_differ_by_request(open_session):
    with FaultServer(silent) as server:
        session = open_session(server.url)
        error = failing(session.request, "GET", "/x", timeouts=Timeouts(5.0, 0.1, 5.0))
    assert (error.code, error.backend) == ("first_byte", "comfyui")
    assert session.timeouts == Timeouts.of(ClientOptions())


def test_an_error_while_reading_names_the_backend(open_session):
    with FaultServer(answers(answer(b"1", length=9))) as server:
        error = failing(open_session(server.url, max_retries=0).get_json, "/x")
    assert (type(error), error.backend) == (errors.ConnectionLost, "comfyui")


# Redirects


def redirect(location, line="302 Found"):
    return status(line, b"", f"Location: {location}")


@pytest.mark.parametrize("line", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("location", ["/b/?q=1", "b/?q=1", "{url}/b/?q=1", "//127.0.0.1:{port}/b/?q=1"])
def test_a_get_follows_within_the_server_with_its_headers(open_session, line, location, canary):
    def script(peer):
        peer.request()
        peer.send(redirect(location.format(url=server.url, port=server.port), line))
        peer.request()
        peer.send(answer(b"7"))

    with FaultServer(script) as server:
        assert open_session(server.url, {"X-Key": canary}).get_json("/a") == 7
        second = server.asked[1]
    assert (second.method, second.target) == ("GET", "/b/?q=1")
    assert second.headers["x-key"] == canary


def test_another_origin_gets_nothing_of_the_users(open_session, canary):
    with FaultServer(always(answer(b"8"))) as other:
        with FaultServer(always(redirect(f"{other.url}/there"))) as server:
            session = open_session(server.url, {"Authorization": f"Bearer {canary}", "Cookie": canary})
            with session.request("GET", "/a", headers={"Range": "bytes=5-", "X-More": canary}) as response:
                assert response.read(9) == b"8"
                assert response.url == f"{other.url}/there"
        (asked,) = other.asked
        assert canary not in repr(asked)
        assert canary not in "".join(asked.lines)
        assert set(asked.headers) == {"host", "user-agent", "accept-encoding", "range"}


def test_and_back_again_it_gets_them_again(open_session, canary):
    def back(peer):
        peer.request()
        peer.send(redirect(f"{server.url}/home"))

    with FaultServer(back) as other:
        with FaultServer(answers(redirect(other.url), answer(b"9"))) as server:
            assert open_session(server.url, {"X-Key": canary}).get_json("/a") == 9
            assert server.asked[1].headers["x-key"] == canary
        assert "x-key" not in other.asked[0].headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("line", ["302 Found", "303 See Other", "307 Temporary"])
def test_what_is_not_a_get_is_not_sent_on(open_session, method, line):
    with FaultServer(always(redirect("/b", line))) as server:
        error = failing(open_session(server.url).request, method, "/a", body=b"x")
        assert len(server.asked) == 1
    assert (type(error), error.code, error.backend) == (errors.ProtocolError, "redirected", "comfyui")
    assert server.url in error.message


@pytest.mark.parametrize(
    "location",
    [
        "",
        "ftp://example.org/x",
        "file:///etc/passwd",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://user:{canary}@127.0.0.1/",
        "https://example.org/login?next=1",
        "http://192.168.0.1/",
    ],
)
def test_redirects_that_lead_nowhere_good(open_session, location, canary, assert_no_secret):
    """Among them those from this machine to another one, which would get round the switch for online access."""
    with FaultServer(always(redirect(location.format(canary=canary)))) as server:
        error = failing(open_session(server.url).request, "GET", "/a")
        assert len(server.asked) == 1
    assert (type(error), error.code) == (errors.ProtocolError, "redirected")
    assert_no_secret(error)


def test_a_location_with_odd_letters(open_session):
    def script(peer):
        peer.request()
        peer.send(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /a b/\xc3\xbc?x=%20\r\n\r\n")
        peer.request()
        peer.send(answer(b"1"))

    with FaultServer(script) as server:
        assert open_session(server.url).get_json("/a") == 1
        assert server.asked[1].target == "/a%20b/%C3%BC?x=%20"


def test_no_key_travels_in_an_address_to_another_origin(open_session, canary, assert_no_secret):
    with FaultServer(always(answer(b"1"))) as other:
        with FaultServer(always(redirect(f"{other.url}/?key={canary}"))) as server:
            error = failing(open_session(server.url, {"X-Key": canary}).request, "GET", "/a")
        assert other.connections == 0
    assert error.code == "redirected"
    assert_no_secret(error)


def test_a_circle_is_left(open_session):
    with FaultServer(always(redirect("/a"))) as server:
        error = failing(open_session(server.url).request, "GET", "/a")
        assert len(server.asked) == MAX_REDIRECTS + 1
    assert (type(error), error.code) == (errors.ProtocolError, "redirects")


# Scopes


class Job:
    """A scope that ends when it is told."""

    def __init__(self):
        self.interrupter = Interrupter()
        self.slept = []

    def check(self):
        if self.interrupter.fired:
            raise errors.JobCancelled("cancelled")

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.check()


def test_a_job_that_ended_sends_nothing(open_session):
    job = Job()
    job.interrupter.fire()
    with FaultServer(silent) as server:
        assert type(failing(open_session(server.url).get_json, "/x", scope=job)) is errors.JobCancelled
        assert server.connections == 0


def test_ending_a_job_ends_its_request_with_its_own_error(open_session):
    job = Job()

    def script(peer):
        peer.request()
        job.interrupter.fire()
        peer.wait_gone()

    with FaultServer(script) as server:
        assert type(failing(open_session(server.url).get_json, "/x", scope=job)) is errors.JobCancelled
        assert len(server.asked) == 1


def test_the_pauses_are_the_jobs(open_session):
    job = Job()
    with FaultServer(always(status("503 Busy", b"", "Retry-After: 7"))) as server:
        failing(open_session(server.url).get_json, "/x", scope=job)
    assert job.slept == [7.0, 7.0]


def test_a_scope_that_does_not_raise_is_not_retried_once_broken_off(open_session):
    class Stubborn(Job):
        def check(self):
            pass

    job = Stubborn()

    def script(peer):
        peer.request()
        job.interrupter.fire()
        peer.wait_gone()

    with FaultServer(script) as server:
        assert failing(open_session(server.url).get_json, "/x", scope=job).code == "interrupted"
        assert job.slept == []


def test_closing_breaks_off_and_refuses(open_session):
    asked = threading.Event()

    def script(peer):
        peer.request()
        asked.set()
        peer.wait_gone()

    with FaultServer(script) as server:
        session = open_session(server.url)

        def close():
            assert asked.wait(HANG_GUARD_S)
            closed_at.append(time.monotonic())
            session.close()

        closed_at = []
        thread = threading.Thread(target=close)
        thread.start()
        assert failing(session.get_json, "/x").code == "client_closed"
        assert time.monotonic() - closed_at[0] < 1.0
        thread.join(HANG_GUARD_S)
        assert failing(session.get_json, "/x").code == "client_closed"
        assert server.connections == 1


def test_closing_ends_a_pause(open_session):
    with FaultServer(always(status("503 Busy", b"", "Retry-After: 30"))) as server:
        session = open_session(server.url)
        timer = threading.Timer(0.05, session.close)
        timer.start()
        began = time.monotonic()
        assert failing(session.get_json, "/x").code == "client_closed"
        assert time.monotonic() - began < 5.0
        timer.join()


def test_a_free_scope():
    scope = SessionScope()
    scope.check()
    scope.sleep(0.001)
    scope.interrupter.fire()
    with pytest.raises(errors.BackendError):
        scope.sleep(0.0)


# Secrets


@pytest.mark.parametrize("value", ["{}\r\nX-Injected: 1", "{}\nX: 1", "{}\0", "{}…"])
def test_headers_are_checked(open_session, value, canary, assert_no_secret):
    error = failing(open_session, "http://127.0.0.1:1", {"X-Key": value.format(canary)})
    assert error.code == "invalid_header"
    assert_no_secret(error)
    session = open_session("http://127.0.0.1:1")
    error = failing(session.request, "GET", "/x", headers={"X-Key": value.format(canary)})
    assert error.code == "invalid_header"
    assert_no_secret(error)


def test_requests_headers_give_way_to_the_users(open_session):
    with FaultServer(always(answer(b"1"))) as server:
        session = open_session(server.url, {"user-agent": "mine", "Host": "other.example"})
        session.request("GET", "/x", headers={"Accept": "a"}).close()
        (asked,) = server.asked
    assert asked.headers["user-agent"] == "mine"
    assert asked.headers["host"] == "other.example"
    assert asked.headers["accept"] == "a"


ECHOES = {
    "body": lambda key: status("401 Unauthorized", f"the key {key} is not known".encode()),
    "json": lambda key: status("403 Forbidden", json.dumps({"error": {"message": f"bad {key}"}}).encode(), JSON),
    "html": lambda key: status("500 Oops", f"<html><b>{key}</b></html>".encode(), "Content-Type: text/html"),
    "cut": lambda key: status("400 Bad", b"x" * 485 + key.encode()),
    "url": lambda key: status("404 Not Found", f"GET /?key={key}&".encode()),
    "status line": lambda key: f"HTTP/1.1 abc {key}\r\n\r\n".encode(),
    "no status line": lambda key: f"{key}\r\n\r\n".encode(),
    "header": lambda key: f"HTTP/1.1 200 OK\r\nContent-Length: {key}\r\n\r\n".encode(),
    "coding": lambda key: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {key}\r\n\r\n".encode(),
    "encoding": lambda key: answer(b"x", f"Content-Encoding: {key}"),
    "chunk": lambda key: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{key}\r\n".encode(),
    "no json": lambda key: answer(f'{{"a": {key}'.encode()),
    "page": lambda key: answer(f"<html>{key}</html>".encode()),
    "redirect": lambda key: redirect(f"http://127.0.0.1:99999/{key}"),
    "redirect host": lambda key: redirect(f"http://{key}.localhost:1/"),
    "reason": lambda key: status(f"418 {key}"),
}


@pytest.mark.parametrize("how", ECHOES)
def test_a_server_that_tells_the_key_back(open_session, how, canary, assert_no_secret):
    with FaultServer(always(ECHOES[how](canary))) as server:
        session = open_session(server.url, {"Authorization": f"Bearer {canary}"}, max_retries=0)
        error = failing(session.get_json, "/x")
    assert error.backend == "comfyui"
    assert_no_secret(error)


def test_a_token_in_the_address_is_a_secret_too(open_session, canary, assert_no_secret):
    for raw in (status("400 Bad", f"what is {canary}?".encode()), answer(b"x", length=9), answer(b"x" * 3000)):
        with FaultServer(answers(raw)) as server:
            session = open_session(f"{server.url}/?a=1&token={canary}", max_response_bytes=1000, max_retries=0)
            assert_no_secret(failing(session.get_json, "/x"))
    assert_no_secret(failing(open_session(f"http://127.0.0.1:{closed_port()}/?token={canary}").get_json, "/x"))
