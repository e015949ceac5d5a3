"""Refusals that no recording has: other servers' shapes, odd statuses, all forms of Retry-After."""

from __future__ import annotations

import json

import pytest

from movie_director.clients import errors
from movie_director.clients.litellm.errors import (
    RequestContext,
    get_retry_pause_s,
    make_error,
    make_stream_error,
    parse_refusal,
)

WHERE = RequestContext("http://host", "m", True, ("mistral", "llama"))


def failed(status, body, content_type="application/json", headers=None, where=WHERE):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return make_error(parse_refusal(status, data, content_type), where, headers or {})


ROWS = [
    (403, {"error": {"message": "no rights"}}, errors.PermissionDenied, "no rights"),
    (404, {"detail": "Not Found"}, errors.NotFound, "Not Found"),
    (413, {"error": "too big"}, errors.APIError, "too big"),
    (418, {"error": {"code": None}}, errors.APIError, "418"),
    (422, {"detail": [{"loc": ["body", "n"], "msg": "wrong"}, 5]}, errors.ValidationError, "body.n: wrong"),
    (422, {"detail": {"error": {"message": "inner", "param": "n"}}}, errors.ValidationError, "n: inner"),
    (400, {"object": "error", "message": "outer"}, errors.ValidationError, "outer"),
    (400, [1, 2], errors.ValidationError, ""),
    (400, 7, errors.ValidationError, "7"),
    (500, b"<html><body><h1>Oops</h1></body></html>", errors.ServerError, "Oops"),
    (500, b"[" * 100_000, errors.ServerError, "[[["),
    (500, {"error": {"message": "litellm.Timeout: CUDA out of memory"}}, errors.OutOfMemory, "CUDA"),
    (
        400,
        {"error": {"message": "the model `m` does not exist", "code": "model_not_found"}},
        errors.MissingResource,
        "",
    ),
    (
        400,
        {"error": {"message": "Invalid model name passed in model=m."}},
        errors.MissingResource,
        "Invalid model name",
    ),
    (400, {"error": {"message": "prompt is too long"}}, errors.ContextWindowExceeded, "too long"),
    (
        400,
        {"error": {"message": "x", "type": "exceed_context_size_error", "n_ctx": 9}},
        errors.ContextWindowExceeded,
        "9",
    ),
    (500, {"error": {"message": "Context size has been exceeded."}}, errors.ContextWindowExceeded, "exceeded"),
    (503, {"error": {"code": 503, "message": "Loading model"}}, errors.Overloaded, "Loading"),
    (429, {"error": {"message": "slow down"}}, errors.RateLimited, "slow down"),
]


@pytest.mark.parametrize(("status", "body", "cls", "text"), ROWS, ids=[f"{row[0]} {row[2].__name__}" for row in ROWS])
def test_each_shape_becomes_its_error(status, body, cls, text):
    error = failed(status, body)
    assert type(error) is cls
    assert text in error.message
    assert error.hint
    assert error.context["server"] == "http://host"


LMSTUDIO = (
    "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context"
    " length of only 4096 tokens, which is not enough. Try to load the model with a larger context length."
)
OVERFLOWS = [
    (LMSTUDIO, (4096, None)),
    ("The number of tokens to keep from the initial prompt is greater than the context length.", (None, None)),
    ("The decoder prompt (length 5000) is longer than the maximum model length of 4096.", (4096, 5000)),
    ("prompt is too long: 209000 tokens > 200000 maximum", (200000, 209000)),
    ("The maximum context length is 8,192 tokens. However, your messages resulted in 9,001 tokens.", (8192, 9001)),
    ("context length exceeded, n_ctx=2048", (2048, None)),
]


@pytest.mark.parametrize(("message", "numbers"), OVERFLOWS)
def test_an_overflow_is_known_by_its_words_and_numbers(message, numbers):
    for body in ({"error": message}, {"error": {"message": message}}):
        error = failed(400, body)
        assert isinstance(error, errors.ContextWindowExceeded)
        assert (error.context["limit"], error.context["needed"]) == numbers


def test_a_missing_model_without_a_list_or_neighbours():
    body = {"error": {"message": "no model named m"}}
    assert failed(400, body).hint == "Choose one of: mistral, llama."
    nobody = RequestContext("http://host", "m")
    assert failed(400, body, where=nobody).hint == "Check the server's list of models."


def test_a_plain_500_is_a_missing_key_at_litellm_only():
    keyless = RequestContext("http://host", "m")
    plain = RequestContext("http://host", "m", litellm=False)
    text = b"Internal Server Error"
    assert isinstance(failed(500, text, "text/plain", where=keyless), errors.AuthenticationError)
    assert isinstance(failed(500, text, "text/plain", where=plain), errors.ServerError)
    assert isinstance(failed(500, text, "text/plain"), errors.ServerError)


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"llm_provider-retry-after": "3"}, 3.0),
        ({"llm_provider-retry-after-ms": "20"}, 0.02),
    ],
)
def test_all_forms_of_retry_after(headers, pause):
    assert get_retry_pause_s(headers) == pause
    error = failed(429, {"error": "slow down"}, headers=headers)
    assert error.retry_after_s == pause
    assert ("Try again in" in error.hint) == (pause is not None)


@pytest.mark.parametrize(
    ("error", "cls"),
    [
        ({"message": "boom", "code": "500"}, errors.GenerationError),
        ("boom", errors.GenerationError),
        ({"message": "boom", "code": "408"}, errors.NetworkTimeout),
        ({"message": "Timeout on reading data from socket", "code": "500"}, errors.NetworkTimeout),
        ({"message": "peer closed connection"}, errors.StreamInterrupted),
        ({"message": "prompt is too long"}, errors.ContextWindowExceeded),
    ],
)
def test_errors_in_mid_stream(error, cls):
    failure = make_stream_error(error, WHERE)
    assert type(failure) is cls
    assert failure.hint
