"""Keys are taken out of texts."""

from __future__ import annotations

import html
import json
import pickle
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from support.secrets import shown
from support.waiting import HANG_GUARD_S

from movie_director.clients import Artifact, Result, errors
from movie_director.clients.http import redaction
from movie_director.clients.http.redaction import MOST_LEVELS, REDACTED, Redactor, redact_error, redact_json

SECRET = 'sk-"ca&na/ry<7f3a9b2c>é'


@pytest.mark.parametrize(
    "form",
    [str, quote, lambda s: quote(s, safe=""), html.escape, lambda s: json.dumps(s)[1:-1], lambda s: repr(s)[1:-1]],
)
def test_a_secret_is_found_however_a_server_quotes_it(form):
    redact = Redactor([SECRET])
    assert redact(f"before {form(SECRET)} after") == f"before {REDACTED} after"


def test_the_parts_of_a_header_are_secrets_but_not_its_scheme():
    redact = Redactor([f"Bearer {SECRET}"])
    assert redact(f"Bearer {SECRET}") == REDACTED
    assert redact(f"the Bearer key {SECRET}!") == f"the Bearer key {REDACTED}!"


def test_the_longest_goes_first():
    redact = Redactor(["secret-key", "secret-key-and-more"])
    assert redact("secret-key-and-more secret-key") == f"{REDACTED} {REDACTED}"


def test_words_stay_words():
    redact = Redactor(["true", "", "gzip", "a b c"])
    assert redact("true gzip a b c") == "true gzip a b c"
    assert Redactor([])("text") == "text"


def test_secrets_that_two_threads_add_at_once_are_all_hidden(monkeypatch):
    redact = Redactor([])
    second = threading.Thread(target=redact.add, args=("second-secret",))

    def sorted_late(forms, **order):
        if threading.current_thread() is not second:
            second.start()
            second.join(0.1)  # without a lock it would be done by now, and then be lost
        return sorted(forms, **order)

    monkeypatch.setattr(redaction, "sorted", sorted_late, raising=False)
    redact.add("first-secret")
    second.join(HANG_GUARD_S)
    assert redact("first-secret second-secret") == f"{REDACTED} {REDACTED}"


def hide(text: str) -> str:
    return text.replace("secret", "*")


def test_every_text_in_json_is_redacted_and_the_rest_stays():
    said = {"a secret": ["secret", 1, None, True, {"x": "no secret"}, ("secret",)], "n": 1.5}
    assert redact_json(said, hide) == {"a *": ["*", 1, None, True, {"x": "no *"}, ("*",)], "n": 1.5}
    assert redact_json("secret", hide) == "*"
    assert redact_json(None, hide) is None


def test_what_lies_too_deep_is_left_out():
    deep = "secret"
    for _ in range(100_000):
        deep = [deep]
    found, levels = redact_json(deep, hide), 0
    while found is not None:
        (found,) = found
        levels += 1
    assert levels == MOST_LEVELS


CANARY = "sk-canary-0123456789"
REDACT = Redactor([CANARY])
DEEP = {"said": CANARY, "list": [CANARY, {CANARY: (CANARY, 1)}]}
COMMON = {"hint": f"ask {CANARY}", "backend": "comfyui", "context": DEEP}


def partial():
    return Result(
        artifacts=(Artifact(Path("a.png"), "image", "image/png", 3, "00", f"out/{CANARY}.png"),),
        text=f"once {CANARY}",
        data=DEEP,
        usage={"key": CANARY},
        problems=(errors.GenerationError(f"half {CANARY}", context=DEEP),),
        metadata=DEEP,
    )


ERRORS = [
    lambda: errors.APIError(CANARY, status=418, **COMMON),
    lambda: errors.RateLimited(CANARY, status=429, retry_after_s=3.0, **COMMON),
    lambda: errors.ValidationError(CANARY, problems=[f"field: {CANARY}", "fine"], **COMMON),
    lambda: errors.MissingResource(CANARY, kind="model", name=CANARY, nearest=[CANARY, "near"], **COMMON),
    lambda: errors.NodeError(CANARY, node_id=CANARY, node_type=CANARY, **COMMON),
    lambda: errors.InvalidOutput(CANARY, text=f"text {CANARY}", problems=[CANARY], **COMMON),
    lambda: errors.StreamInterrupted(CANARY, partial=partial(), **COMMON),
    lambda: errors.WaitTimeout(CANARY, **COMMON),
]


@pytest.mark.parametrize("make", ERRORS)
def test_no_field_of_an_error_keeps_a_secret(make):
    error = make()
    assert CANARY in shown(error)
    before = (type(error), error.code, error.retryable)
    assert redact_error(error, REDACT, "wan2gp") is error
    assert CANARY not in shown(error)
    assert error.message == error.args[0] == REDACTED
    assert (type(error), error.code, error.retryable) == before
    assert error.backend == "wan2gp"
    assert CANARY.encode() not in pickle.dumps(error)


def test_what_is_no_text_stays():
    error = errors.RateLimited("slow down", status=429, retry_after_s=3.0, context={"n": 1, "path": None})
    redact_error(error, REDACT)
    assert (error.status, error.retry_after_s, error.context, error.backend) == (429, 3.0, {"n": 1, "path": None}, None)


def chained(*causes: BaseException) -> errors.BackendError:
    """Return an error that was raised from the first cause, which was raised from the second one, and so on."""
    error: BaseException = errors.ProtocolError("odd")
    top = error
    for cause in causes:
        error.__cause__ = error.__context__ = cause
        error = cause
    return top


class Wrapper(Exception):
    """As those of urllib3: keeps what it wraps as a reason."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__("wrapped")
        self.reason = reason


class Mute(Exception):
    """One of a library that fails when it is asked what it says."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("cause", "stays"),
    [
        (ValueError("plain"), True),
        (errors.ConnectionLost(f"lost {CANARY}"), True),
        (ValueError(CANARY), False),
        (json.JSONDecodeError("bad", f'{{"key": "{CANARY}"', 3), False),
        (UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, "bad"), False),
        (Wrapper(ValueError(CANARY)), False),
        (Wrapper(errors.ServerError(CANARY)), True),
        (OSError(5, CANARY), False),
        (ValueError("x" * 2_000_000), False),
        (Mute("x"), False),
        (Wrapper(Mute("x")), False),
    ],
)
def test_a_cause_is_cleaned_or_dropped(cause, stays):
    error = redact_error(chained(cause), REDACT)
    assert (error.__cause__ is cause) is (error.__context__ is cause) is stays
    assert CANARY not in shown(error)


def test_a_cause_of_a_cause_is_dropped_where_it_hangs():
    middle = errors.StorageError("no room")
    error = redact_error(chained(middle, ValueError(CANARY)), REDACT)
    assert error.__cause__ is middle
    assert middle.__cause__ is middle.__context__ is None


def test_causes_that_go_in_a_circle_end():
    error, other = errors.ProtocolError(CANARY), ValueError("plain")
    error.__cause__, other.__context__ = other, error
    redact_error(error, REDACT)
    assert error.message == REDACTED
    assert error.__cause__ is other
