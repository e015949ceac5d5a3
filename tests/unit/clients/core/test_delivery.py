"""The table of at most once: every row has an example that only it decides, and every class of errors has a row."""

from __future__ import annotations

import pytest
from faultserver import FaultServer, answer, answers

from movie_director.clients import errors
from movie_director.clients.core.delivery import DELIVERY, find_delivery, may_have_arrived
from movie_director.clients.core.options import ClientOptions
from movie_director.clients.http.session import HTTPSession
from movie_director.clients.http.transport import Transport
from movie_director.clients.http.url import parse_server_url
from movie_director.clients.wan2gp.mcp.protocol import ToolFailure

NEVER, MAYBE = False, True

# error, whether the request may have arrived, a word of the reason
ROWS = [
    (errors.OfflineRefused("x"), NEVER, "online access"),
    (errors.ConnectionFailed("x"), NEVER, "no connection"),
    (errors.ConnectionFailed("x", code="dns_failed"), NEVER, "no connection"),
    (errors.NetworkTimeout("x", code="connect"), NEVER, "not made in time"),
    (errors.NetworkTimeout("x", code="first_byte"), MAYBE, "slow"),
    (errors.NetworkTimeout("x", code="read"), MAYBE, "slow"),
    (errors.ConnectionLost("x"), MAYBE, "read whole"),
    (errors.ConnectionLost("x", code="interrupted"), MAYBE, "read whole"),
    (errors.TLSError("x", code="certificate"), NEVER, "certificate"),
    (errors.TLSError("x", context={"sent": False}), NEVER, "handshake"),
    (errors.TLSError("x"), MAYBE, "TLS can also fail after"),
    (errors.NetworkError("x", code="proxy"), MAYBE, "proxy"),
    (errors.StreamInterrupted("x"), MAYBE, "proxy"),
    (errors.ProtocolError("x", code="redirected", context={"status": 301}), MAYBE, "take a job"),
    (errors.ProtocolError("x", code="redirected", context={"status": 302}), MAYBE, "take a job"),
    (errors.ProtocolError("x", code="redirected", context={"status": 303}), MAYBE, "take a job"),
    (errors.ProtocolError("x", code="redirected", context={"status": 307}), NEVER, "another address"),
    (errors.ProtocolError("x", code="redirected", context={"status": 308}), NEVER, "another address"),
    (errors.ProtocolError("x", code="redirected"), MAYBE, "take a job"),
    (errors.ProtocolError("x", code="redirects"), NEVER, "submit nothing"),
    (errors.ProtocolError("x", code="web_page"), NEVER, "login page"),
    (errors.ProtocolError("x", code="no_reason"), NEVER, "refusal"),
    (errors.ProtocolError("x", code="rpc_error"), NEVER, "MCP"),
    (errors.ProtocolError("x"), MAYBE, "damaged"),
    (errors.ProtocolError("x", code="too_large"), MAYBE, "damaged"),
    (errors.ProtocolError("x", code="not_https", context={"sent": False}), NEVER, "handshake"),
    (errors.ProtocolError("x", code="not_https"), MAYBE, "damaged"),
    (errors.Overloaded("x", code="queue_full"), NEVER, "Gradio"),
    (errors.Overloaded("x", status=503), MAYBE, "503"),
    (errors.ServerError("x", status=500), MAYBE, "502"),
    (errors.ServerError("x", status=504), MAYBE, "502"),
    (errors.APIError("x", status=413), NEVER, "refusal"),
    (errors.AuthenticationError("x", status=401), NEVER, "refusal"),
    (errors.PermissionDenied("x", status=403), NEVER, "refusal"),
    (errors.NotFound("x", status=404), NEVER, "refusal"),
    (errors.RateLimited("x", status=429), NEVER, "refusal"),
    (errors.ValidationError("x"), NEVER, "refused"),
    (errors.MissingResource("x"), NEVER, "lacks"),
    (errors.GenerationError("x"), MAYBE, "ran"),
    (errors.OutOfMemory("x"), MAYBE, "ran"),
    (errors.BackendError("x", code="client_closed"), NEVER, "closed"),
    (ToolFailure("x"), NEVER, "tool"),
    (errors.BackendError("x"), MAYBE, "nothing"),
    (errors.JobLost("x"), MAYBE, "nothing"),
    (errors.JobCancelled("x"), MAYBE, "nothing"),
    (errors.StorageError("x"), MAYBE, "nothing"),
]


@pytest.mark.parametrize(("error", "arrived", "reason"), ROWS, ids=repr)
def test_each_error_is_decided_for_its_reason(error, arrived, reason):
    assert may_have_arrived(error) is arrived
    assert reason in find_delivery(error).reason


def test_every_row_decides_about_something():
    used = {find_delivery(error) for error, _, _ in ROWS}
    assert [row for row in DELIVERY if row not in used] == []


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_error_status_in_the_servers_own_words_has_ended_the_request(status):
    kind = errors.Overloaded if status == 503 else errors.ServerError
    assert not may_have_arrived(kind("x", status=status), from_server=True)
    assert may_have_arrived(errors.ConnectionLost("x"), from_server=True)


def post_to(url):
    """Post to a server, and return the error that this ends with."""
    with Transport() as transport:
        session = HTTPSession(transport, parse_server_url(url), "comfyui", ClientOptions(max_retries=0), {})
        with pytest.raises(errors.BackendError) as caught:
            session.post_json("/jobs", {}).read(100)
    return caught.value


def hang_up(peer):
    peer.request()


def cut_body(peer):
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")


@pytest.mark.parametrize("script", [hang_up, cut_body])
@pytest.mark.parametrize(
    "first", [ConnectionRefusedError(111, "refused"), errors.ConnectionFailed("x", code="refused")]
)
def test_what_was_handled_before_the_request_does_not_decide_about_it(script, first):
    with FaultServer(script) as server:
        try:
            raise OSError("the last request failed") from first
        except OSError:
            error = post_to(server.url)
    assert error.code == "connection_lost"
    assert may_have_arrived(error)


@pytest.mark.parametrize(("status", "arrived"), [(301, MAYBE), (302, MAYBE), (303, MAYBE), (307, NEVER), (308, NEVER)])
def test_a_redirected_job_may_have_been_taken_unless_it_is_to_be_sent_again(status, arrived):
    with FaultServer(answers(answer(b"", "Location: /jobs/1", status=f"{status} X"))) as server:
        error = post_to(server.url)
    assert error.code == "redirected"
    assert may_have_arrived(error) is arrived


@pytest.mark.parametrize("alert", [b"HTTP/1.1 400 Bad Request\r\n\r\nplain", b"\x15\x03\x03\x00\x02\x02\x50"])
def test_nothing_was_sent_if_tls_fails_in_the_handshake(alert):
    def script(peer):
        peer.sock.recv(100)
        peer.send(alert)
        peer.wait_gone()

    with FaultServer(script) as server:
        error = post_to(server.url.replace("http:", "https:"))
    assert error.code in ("not_https", "tls")
    assert not may_have_arrived(error)
