"""Failures become typed errors that keep the words of the program."""

from __future__ import annotations

import pytest

from movie_director.clients import errors
from movie_director.clients.wan2gp import VideoRequest
from movie_director.clients.wan2gp.errors import generation_failed, refused

REQUEST = VideoRequest("a cat", "t2v_1.3B")


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", errors.OutOfMemory, "out_of_memory"),
        ("'NoneType' object has no attribute 'get'", errors.MissingResource, "missing_model"),
        ("Can't load tokenizer: file not found", errors.MissingResource, "model_file_missing"),
        ("Generation was aborted", errors.GenerationError, "stopped"),
        ("Something else", errors.GenerationError, "generation_failed"),
        ("", errors.GenerationError, "generation_failed"),
    ],
)
def test_failures_are_typed(words, kind, code):
    error = generation_failed(words, REQUEST)
    assert type(error) is kind
    assert error.code == code
    assert words in error.message
    assert error.hint


def test_long_words_are_cut():
    assert len(generation_failed("x" * 10_000, REQUEST).message) < 1000


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ("Failed to load queue: Settings must contain 'model_type'", errors.MissingResource, "t2v_1.3B"),
        ("Failed to load queue: not enough values to unpack (expected 2)", errors.ValidationError, "WIDTHxHEIGHT"),
        ("Failed to load queue: You must provide a Control Video", errors.ValidationError, "You must provide"),
    ],
)
def test_refusals_keep_the_programs_words(words, kind, said):
    error = refused(words, REQUEST)
    assert isinstance(error, kind)
    assert said in error.message
    if isinstance(error, errors.ValidationError):
        assert error.problems == (words.partition(": ")[2],)
