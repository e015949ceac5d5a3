"""The tree of errors: fields, copies, pickles."""

from __future__ import annotations

import copy
import http.client
import inspect
import json
import pickle
import ssl
from pathlib import Path

import pytest
from urllib3 import exceptions as u3

from movie_director.clients import errors
from movie_director.clients.core.model import Artifact, Result
from movie_director.clients.errors import BackendError

ALL = [
    each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, BackendError)
]  # fmt: skip
OWN_FIELDS = {
    errors.APIError: {"status": 418},
    errors.RateLimited: {"status": 429, "retry_after_s": 2.5},
    errors.ValidationError: {"problems": ("a: wrong.", "b: missing.")},
    errors.MissingResource: {"kind": "node", "name": "KSmapler", "nearest": ("KSampler",)},
    errors.NodeError: {"node_id": "3", "node_type": "KSampler"},
    errors.InvalidOutput: {"text": "{", "problems": ("no end",)},
}
PARTIAL = Result(artifacts=(Artifact(Path("/x/a.png"), "image", "image/png", 3, "00", "a.png"),), text="half")


def own_fields(kind):
    return next((OWN_FIELDS[base] for base in kind.__mro__ if base in OWN_FIELDS), {})


def made(kind):
    error = kind(
        "It failed.",
        code="a_code",
        hint="Try again.",
        backend="comfyui",
        context={"status": 5, "deep": {"list": [1, 2]}},
        retryable=not kind.default_retryable,
        partial=PARTIAL,
        **own_fields(kind),
    )
    error.add_note("a note")
    error.__cause__ = OSError(5, "the cause")
    return error


def test_the_tree_is_the_promised_one():
    tree = {each.__name__: each.__bases__[0].__name__ for each in ALL if each is not BackendError}
    assert tree == {
        "NetworkError": "BackendError",
        "ConnectionFailed": "NetworkError",
        "ConnectionLost": "NetworkError",
        "NetworkTimeout": "NetworkError",
        "TLSError": "NetworkError",
        "StreamInterrupted": "NetworkError",
        "APIError": "BackendError",
        "AuthenticationError": "APIError",
        "PermissionDenied": "APIError",
        "NotFound": "APIError",
        "RateLimited": "APIError",
        "ServerError": "APIError",
        "Overloaded": "APIError",
        "ValidationError": "BackendError",
        "MissingResource": "BackendError",
        "ProtocolError": "BackendError",
        "GenerationError": "BackendError",
        "NodeError": "GenerationError",
        "OutOfMemory": "GenerationError",
        "ContextWindowExceeded": "GenerationError",
        "InvalidOutput": "GenerationError",
        "JobLost": "BackendError",
        "StorageError": "BackendError",
        "OfflineRefused": "BackendError",
        "JobCancelled": "BackendError",
        "JobDetached": "BackendError",
        "JobNotFound": "BackendError",
        "WaitTimeout": "BackendError",
    }
    assert issubclass(errors.WaitTimeout, TimeoutError)


@pytest.mark.parametrize("kind", ALL)
def test_fields_and_defaults(kind):
    bare = kind()
    assert (bare.message, bare.hint, bare.backend, bare.context, bare.partial) == ("", "", None, {}, None)
    assert bare.code == kind.default_code
    assert bare.code == bare.code.lower()
    assert bare.retryable is kind.default_retryable
    full = made(kind)
    assert full.code == "a_code"
    assert full.retryable is not kind.default_retryable
    assert str(full) == "It failed. Try again."
    assert repr(full) == f"{kind.__name__}('It failed.', code='a_code')"
    assert full.args == ("It failed.",)
    assert {name: getattr(full, name) for name in own_fields(kind)} == own_fields(kind)
    assert str(kind("Only this.")) == "Only this."
    with pytest.raises(kind):
        raise full


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, *(lambda e, p=p: pickle.loads(pickle.dumps(e, p)) for p in range(2, 6))],
    ids=["copy", "deepcopy", *(f"pickle{p}" for p in range(2, 6))],
)
def test_copies_keep_everything(kind, copied):
    error = made(kind)
    twin = copied(error)
    assert type(twin) is kind
    assert twin is not error
    assert vars(twin) == vars(error)
    assert twin.args == error.args
    assert (str(twin), repr(twin)) == (str(error), repr(error))
    assert twin.partial == PARTIAL
    assert twin.__notes__ == ["a note"]
    assert type(twin.__cause__) is OSError
    assert twin.__cause__.args == (5, "the cause")


def test_a_copy_without_a_cause_has_none():
    assert pickle.loads(pickle.dumps(BackendError("x"))).__cause__ is None


def test_a_chain_of_causes_travels():
    inner = errors.ConnectionLost("cut", context={"server": "x"})
    inner.__cause__ = ConnectionResetError(104, "reset")
    outer = errors.JobLost("unknown", code="outcome_unknown")
    outer.__cause__ = inner
    twin = pickle.loads(pickle.dumps(outer))
    assert type(twin.__cause__) is errors.ConnectionLost
    assert twin.__cause__.context == {"server": "x"}
    assert type(twin.__cause__.__cause__) is ConnectionResetError


class Unpicklable(Exception):
    def __init__(self, needed):
        super().__init__()
        self.needed = needed


@pytest.mark.parametrize(
    "cause",
    [
        Unpicklable("x"),
        type("Local", (Exception,), {})("local words"),
        u3.IncompleteRead(1, 2),
        http.client.IncompleteRead(b"x", 5),
        ssl.SSLError(1, "tls words"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ],
)
def test_no_cause_makes_an_error_unpicklable(cause):
    error = BackendError("x")
    error.__cause__ = cause
    twin = pickle.loads(pickle.dumps(error))
    assert type(cause).__name__ in f"{type(twin.__cause__).__name__} {twin.__cause__}"


@pytest.mark.parametrize("kind", ALL)
def test_as_json(kind):
    data = made(kind).to_dict()
    assert json.loads(json.dumps(data)) == data
    assert data == {
        "type": kind.__name__,
        "code": "a_code",
        "message": "It failed.",
        "hint": "Try again.",
        "backend": "comfyui",
        "context": {"status": 5, "deep": {"list": [1, 2]}},
        "retryable": not kind.default_retryable,
    }


def test_the_context_is_a_copy():
    given = {"a": 1}
    error = BackendError("x", context=given)
    given["a"] = 2
    assert error.context == {"a": 1}
