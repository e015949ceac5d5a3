"""When a request may be sent again, and how long to wait before."""

from __future__ import annotations

import email.utils
import time

import pytest

from movie_director.clients import errors
from movie_director.clients.core.options import ClientOptions
from movie_director.clients.http.retry import MAX_RETRY_AFTER_S, RetryPolicy, retry_after_s

POLICY = RetryPolicy(max_retries=3, backoff_base_s=1.0, backoff_max_s=8.0)


def api_error(status, **context):
    return errors.ServerError("x", status=status, context=context)


@pytest.mark.parametrize(
    ("error", "repeatable", "again"),
    [
        (errors.ConnectionLost("x"), True, True),
        (errors.ConnectionLost("x"), False, False),
        (errors.ConnectionFailed("x"), True, False),
        (errors.NetworkTimeout("x", code="first_byte"), True, False),
        (errors.TLSError("x"), True, False),
        (errors.ProtocolError("x"), True, False),
        *((api_error(status), True, True) for status in (500, 502, 503, 504)),
        *((api_error(status), False, False) for status in (500, 502, 503, 504)),
        (api_error(501), True, False),
        (errors.NotFound("x", status=404), True, False),
        (errors.AuthenticationError("x", status=401), True, False),
        (errors.RateLimited("x", status=429), True, True),
        (errors.RateLimited("x", status=429), False, True),
    ],
)
def test_what_is_sent_again(error, repeatable, again):
    assert (POLICY.pause_s(0, error, repeatable=repeatable) is not None) is again


def test_pauses_grow_up_to_a_bound_and_differ():
    lost = errors.ConnectionLost("x")
    for attempt, longest in enumerate([1.0, 2.0, 4.0, 8.0, 8.0]):
        policy = RetryPolicy(9, 1.0, 8.0)
        pauses = {policy.pause_s(attempt, lost, repeatable=True) for _ in range(50)}
        assert all(longest / 2 <= pause <= longest for pause in pauses)
        assert len(pauses) > 10
    assert POLICY.pause_s(3, lost, repeatable=True) is None
    assert RetryPolicy(10**6, 1.0, 8.0).pause_s(10**5, lost, repeatable=True) <= 8.0


@pytest.mark.parametrize(
    ("wanted", "pause"), [(0.0, 0.0), (2.5, 2.5), (MAX_RETRY_AFTER_S, MAX_RETRY_AFTER_S), (MAX_RETRY_AFTER_S + 1, None)]
)
def test_the_servers_wish_is_granted_or_reported(wanted, pause):
    assert POLICY.pause_s(0, errors.RateLimited("x", retry_after_s=wanted), repeatable=False) == pause
    assert POLICY.pause_s(0, api_error(503, retry_after_s=wanted), repeatable=True) == pause


def test_from_options():
    assert RetryPolicy.of(ClientOptions(max_retries=1, backoff_base_s=2, backoff_max_s=3)) == RetryPolicy(1, 2, 3)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("120", 120.0),
        ("1.5", 1.5),
        ("-5", 0.0),
        ("1000000000", 1e9),
        ("9" * 400, None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 99 Oct 99999 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("\x00", None),
    ],
)
def test_reading_retry_after(value, seconds):
    assert retry_after_s(value) == seconds


def test_a_date_in_the_future():
    assert 50 < retry_after_s(email.utils.formatdate(time.time() + 60, usegmt=True)) <= 60
