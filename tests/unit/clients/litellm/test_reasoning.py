"""Thoughts are kept apart from the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_director.clients.litellm.reasoning import ThinkFilter

THOUGHTS = [
    ("<think>hm</think>\n\nNeon", "Neon", "hm"),
    ("  <think>hm</think>Neon", "  Neon", "hm"),
    ("<think>a</think><think>b</think> Neon", "Neon", "ab"),
    ("Hello <think>hm</think>world", "Hello world", "hm"),
    ("a < b <thin c", "a < b <thin c", ""),
    ("Neon <think>not closed", "Neon <think>not closed", ""),
    ("<think>cut off", "", "cut off"),
    ("<think>a</thi", "", "a</thi"),
    ("<think></think>", "", ""),
    ("plain", "plain", ""),
    ("x<", "x<", ""),
]


@pytest.mark.parametrize(("text", "answer", "thoughts"), THOUGHTS)
def test_thoughts_are_kept_apart_however_the_text_is_cut(text, answer, thoughts):
    for size in range(1, len(text) + 1):
        filtered = ThinkFilter()
        seen = "".join(filtered.feed(text[at : at + size]) for at in range(0, len(text), size)) + filtered.finish()
        assert (seen, "".join(filtered.thoughts)) == (answer, thoughts), size


@given(st.lists(st.text(alphabet="<think>/ a", max_size=5), max_size=8))
def test_no_text_is_lost_between_answer_and_thoughts(pieces):
    filtered = ThinkFilter()
    seen = "".join(map(filtered.feed, pieces)) + filtered.finish()
    whole = "".join(pieces)
    kept = seen + "".join(filtered.thoughts)
    assert len(kept.replace(" ", "")) >= len(whole.replace("<think>", "").replace("</think>", "").replace(" ", ""))
    if "<think>" not in whole:
        assert seen == whole
