"""What urllib3, ssl and sockets raise, as typed errors."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl

import pytest
from urllib3 import exceptions as u3

from movie_director.clients import errors
from movie_director.clients.http.errors import translated

URL = "https://user:pass@example.org:8443/path?token=x"


def caused(error, cause):
    error.__cause__ = cause
    return error


RESET = ConnectionResetError(104, "Connection reset by peer")
REFUSED = ConnectionRefusedError(111, "Connection refused")


def connecting(cause):
    return caused(u3.NewConnectionError(None, "x"), cause)


CASES = [
    (socket.gaierror(-2, "Name or service not known"), errors.ConnectionFailed, "dns_failed"),
    (connecting(socket.gaierror(-2, "x")), errors.ConnectionFailed, "dns_failed"),
    (connecting(REFUSED), errors.ConnectionFailed, "refused"),
    (u3.ProtocolError("Connection aborted.", REFUSED), errors.ConnectionFailed, "refused"),
    (connecting(OSError(113, "No route to host")), errors.ConnectionFailed, "unreachable"),
    (connecting(OSError(24, "Too many open files")), errors.ConnectionFailed, "unreachable"),
    (u3.ConnectTimeoutError("x"), errors.NetworkTimeout, "connect"),
    (TimeoutError("timed out"), errors.NetworkTimeout, "read"),
    (u3.ReadTimeoutError(None, "/", "Read timed out."), errors.NetworkTimeout, "read"),
    (u3.ProtocolError("Connection broken", TimeoutError("timed out")), errors.NetworkTimeout, "read"),
    (u3.ProtocolError("Connection aborted.", RESET), errors.ConnectionLost, "connection_lost"),
    (http.client.RemoteDisconnected("Remote end closed"), errors.ConnectionLost, "connection_lost"),
    (http.client.IncompleteRead(b"x", 5), errors.ConnectionLost, "connection_lost"),
    (BrokenPipeError(32, "Broken pipe"), errors.ConnectionLost, "connection_lost"),
    (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), errors.ConnectionLost, "connection_lost"),
    (u3.SSLError(ssl.SSLZeroReturnError(6, "closed")), errors.ConnectionLost, "connection_lost"),
    (http.client.BadStatusLine("nonsense"), errors.ProtocolError, "not_http"),
    (http.client.LineTooLong("header line"), errors.ProtocolError, "not_http"),
    (http.client.HTTPException("got more than 100 headers"), errors.ProtocolError, "not_http"),
    (u3.InvalidHeader("Content-Length contained multiple"), errors.ProtocolError, "not_http"),
    (u3.SSLError(ssl.SSLCertVerificationError(1, "self-signed")), errors.TLSError, "certificate"),
    (u3.SSLError(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong")), errors.ProtocolError, "not_https"),
    (ssl.SSLError(1, "[SSL] record layer failure (RECORD_LAYER_FAILURE)"), errors.ProtocolError, "not_https"),
    (ssl.SSLError(1, "[SSL: TLSV1_ALERT_INTERNAL_ERROR]"), errors.TLSError, "tls"),
    (u3.ProxyError("Cannot connect to proxy.", REFUSED), errors.NetworkError, "proxy"),
    (u3.ProxyError("x", OSError("Tunnel connection failed: 407 Who?")), errors.NetworkError, "proxy"),
    (u3.LocationParseError("x"), errors.NetworkError, "network_error"),
    (u3.HTTPError(), errors.NetworkError, "network_error"),
]  # fmt: skip


@pytest.mark.parametrize(("raised", "kind", "code"), CASES, ids=lambda case: getattr(case, "__name__", repr(case))[:40])
def test_each_has_its_type_its_code_and_words(raised, kind, code):
    error = translated(raised, URL, phase="read", interrupted=False)
    assert type(error) is kind
    assert error.code == code
    assert "example.org:8443" in error.message
    assert error.message.endswith(".")
    assert "object at 0x" not in error.message
    for secret in ("user", "pass", "token"):
        assert secret not in f"{error} {error.context}"
    assert error.hint or code == "network_error"
    assert error.context == {"server": "example.org:8443"}


def test_the_systems_own_words_are_told():
    raised = u3.ProtocolError("Connection aborted.", RESET)
    assert "was lost: Connection reset by peer." in translated(raised, URL, phase="read", interrupted=False).message
    raised = u3.ProxyError("x", OSError("Tunnel connection failed: 407 Who?"))
    assert "407 Who?" in translated(raised, URL, phase="read", interrupted=False).message
    raised = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    assert "Too many open files" in translated(raised, URL, phase="read", interrupted=False).message


@pytest.mark.parametrize("phase", ["connect", "first_byte", "read", "stream_idle"])
def test_time_outs_name_their_phase(phase):
    error = translated(TimeoutError("timed out"), URL, phase=phase, interrupted=False)
    assert error.code == phase
    assert error.retryable


def test_after_breaking_off_nothing_else_counts():
    for raised, _, _ in CASES:
        error = translated(raised, URL, phase="read", interrupted=True)
        assert (type(error), error.code) == (errors.ConnectionLost, "interrupted")


def test_causes_that_lead_back_to_themselves():
    first, second = OSError(5, "one"), OSError(6, "two")
    first.__cause__, second.__cause__ = second, first
    assert translated(first, URL, phase="read", interrupted=False).code == "connection_lost"
