"""The settings of a client."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from pathlib import Path

import pytest

from movie_director.clients.core.options import ClientOptions, default_output_dir
from movie_director.clients.errors import ValidationError

SILENCES = ("connect_timeout_s", "first_byte_timeout_s", "read_timeout_s", "stream_idle_timeout_s")


def test_the_defaults_are_good():
    options = ClientOptions()
    assert options.output_dir == default_output_dir()
    assert Path(tempfile.gettempdir()) in options.output_dir.parents
    assert options.verify_tls is True
    assert dataclasses.replace(options, job_timeout_s=5).job_timeout_s == 5


def test_paths_may_be_texts():
    options = ClientOptions(output_dir="/some/where", verify_tls="/ca.pem")
    assert options.output_dir == Path("/some/where")
    assert options.verify_tls == Path("/ca.pem")
    assert ClientOptions(verify_tls=False).verify_tls is False


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *((name, [0, -1, math.nan, math.inf, "5", None, True, 10**400]) for name in SILENCES),
        ("job_timeout_s", [0, -1, math.nan, "5"]),
        ("drain_timeout_s", [-1, math.inf, None, "x"]),
        ("backoff_base_s", [-0.1, None]),
        ("backoff_max_s", [-0.1, math.nan]),
        ("max_retries", [-1, 1.5, None, True]),
        ("pool_size", [0, "8"]),
        ("max_workers", [0, -1]),
        ("keep_finished", [-1]),
        ("max_response_bytes", [0]),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_with_the_name(name, values):
    for value in values:
        with pytest.raises(ValidationError) as caught:
            ClientOptions(**{name: value})
        assert caught.value.code == "invalid_options"
        assert [problem.partition(":")[0] for problem in caught.value.problems] == [name]
        assert name in str(caught.value)


def test_what_may_be_nothing():
    options = ClientOptions(
        job_timeout_s=None, drain_timeout_s=0, backoff_base_s=0, backoff_max_s=0.0, max_retries=0, keep_finished=0
    )
    assert options.max_retries == 0


def test_all_problems_are_told_at_once():
    with pytest.raises(ValidationError) as caught:
        ClientOptions(connect_timeout_s=0, backoff_base_s=-1, pool_size=0)
    assert len(caught.value.problems) == 3
