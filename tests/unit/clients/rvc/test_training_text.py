"""What the text of a training says."""

from __future__ import annotations

import pytest

from movie_director.clients.rvc.webui.progress import Wording, new_lines, parse_text


def test_a_text_of_the_main_branch_is_read():
    text = (
        "【One-click training】\nStatus：Running\n\nCompleted stages：\n✓ Data slicing：Succeeded\n"
        "✓ F0 and HuBERT feature extraction：Succeeded\n\nCurrent stage：Model training\n\n"
        "mi-test\tINFO\t====> Epoch: 3 [now] | (0:00:00.50)\n\nmi-test\tINFO\t====> 轮次：4 [now]"
    )
    view = parse_text(text, Wording.MAIN)
    assert (view.status, view.stage, view.done, view.epoch) == ("Running", 2, 2, 4)
    assert view.fraction(8) == pytest.approx(0.55)
    assert view.fraction(2) == pytest.approx(0.95)
    assert not view.fresh
    assert parse_text("【One-click training】\nStatus：Starting", Wording.MAIN).fresh
    slicing = parse_text("【X】\nStatus：Running\n\nCurrent stage：Y\n\n[Preprocess] 1/4", Wording.MAIN)
    assert (slicing.stage, slicing.part) == (0, 0.25)
    odd = parse_text("【X】\nStatus：Running\n\nCurrent stage：Y\n\n[Preprocess] 1/0", Wording.MAIN)
    assert odd.part == 0.0
    assert parse_text("", Wording.MAIN).fraction(1) == 0.0


def test_a_text_of_2023_grows_step_by_step():
    first = parse_text("Step 1: Processing data", Wording.OF_2023)
    assert (first.stage, first.fresh) == (0, True)
    later = parse_text(
        "Step 1: Processing data\n\nstep2:Pitch\n\nStep 3a: Model training\n====> Epoch: 2", Wording.OF_2023
    )
    assert (later.stage, later.epoch, later.fresh) == (2, 2, False)
    assert new_lines(first.log, later.log) == later.log[1:]


def test_only_the_lines_that_have_come_since_are_new():
    assert new_lines((), ("a", "b")) == ("a", "b")
    assert new_lines(("a", "b", "c"), ("b", "c", "d")) == ("d",)
    assert new_lines(("a",), ("x",)) == ("x",)
    assert new_lines(("a",), ("a",)) == ()
