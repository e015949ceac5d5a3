"""The table of at most once: every row has an example that only it decides, and every class of errors has a row."""

from __future__ import annotations

import pytest

from movie_director.clients import errors
from movie_director.clients.core.delivery import DELIVERY, find_delivery, may_have_arrived
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
    (errors.TLSError("x"), MAYBE, "TLS"),
    (errors.NetworkError("x", code="proxy"), MAYBE, "proxy"),
    (errors.StreamInterrupted("x"), MAYBE, "proxy"),
    (errors.ProtocolError("x", code="redirected"), NEVER, "redirect"),
    (errors.ProtocolError("x", code="redirects"), NEVER, "redirect"),
    (errors.ProtocolError("x", code="web_page"), NEVER, "login page"),
    (errors.ProtocolError("x", code="no_reason"), NEVER, "refusal"),
    (errors.ProtocolError("x", code="rpc_error"), NEVER, "MCP"),
    (errors.ProtocolError("x"), MAYBE, "damaged"),
    (errors.ProtocolError("x", code="too_large"), MAYBE, "damaged"),
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
