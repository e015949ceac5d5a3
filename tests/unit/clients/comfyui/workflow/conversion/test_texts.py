"""Prompts with comments and choices, file names with placeholders."""

from __future__ import annotations

import random
import time
from datetime import datetime
from typing import Any

import pytest
from support.workflows import CLASSES, SUBGRAPH, class_info, node, subgraph, workflow

from movie_director.clients.comfyui.workflow.conversion import ui_to_api

PROMPTED = {"It": class_info({"text": ["STRING", {"dynamicPrompts": True}], "raw": ["STRING", {}]})}
NOON = datetime(2026, 3, 7, 12, 5, 9)  # noqa: DTZ001 - local time is what file names hold


class First(random.Random):
    """Chooses the first of all."""

    def choice(self, seq: Any) -> Any:
        return seq[0]


class Last(random.Random):
    """Chooses the last of all."""

    def choice(self, seq: Any) -> Any:
        return seq[-1]


def _sent(text: str, rng: random.Random | None = None) -> str:
    prompt = ui_to_api(workflow([node(1, "It", values=[text, text])], []), PROMPTED, rng=rng)
    assert prompt["1"]["inputs"]["raw"] == text
    sent: str = prompt["1"]["inputs"]["text"]
    return sent


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("plain", "plain", "plain"),
        ("{a|b} c", "a c", "b c"),
        ("{a|{b|c}}", "a", "c"),
        ("{a|}", "a", ""),
        ("{}x", "x", "x"),
        ("{a|b", "a", "b"),
        ("a}|b", "a}|b", "a}|b"),
        (r"\{a\|b\}", "{a|b}", "{a|b}"),
        (r"{a\|b|c\}}", "a|b", "c}"),
        ("\\", "\\", "\\"),
        ("{a\\", "a\\", "a\\"),
        ("a /* b\n */ c // d\ne", "a  c \ne", "a  c \ne"),
        ("http://x", "http:", "http:"),
        ("a /* b // c", "a /* b ", "a /* b "),
        ("/*/ a */ b /* c", " b /* c", " b /* c"),
    ],
)
def test_choices_and_comments(text: str, first: str, last: str) -> None:
    assert (_sent(text, First()), _sent(text, Last())) == (first, last)


def test_comments_without_an_end_take_no_time() -> None:
    text = "/* " * 200_000  # each mark followed to the end of the text: a quarter of an hour
    began = time.monotonic()
    assert _sent(text) == text
    assert time.monotonic() - began < 20.0


def test_choice_follows_the_generator_given() -> None:
    text = "{a|b|c|d|e|f|g|h}"
    assert _sent(text, random.Random(3)) == _sent(text, random.Random(3))
    assert len({_sent(text, random.Random(seed)) for seed in range(20)}) > 1


def test_without_a_generator_one_option_is_chosen() -> None:
    assert {_sent("{a|b}") for _ in range(40)} == {"a", "b"}


def test_choices_nested_without_measure_end() -> None:
    sent = _sent("{" * 5000 + "x" + "}" * 5000, First())
    assert "x" in sent


def _named(prefix: str, *nodes: dict[str, Any], kind: str = "SaveImage", **more: Any) -> str:
    classes = {**CLASSES, kind: class_info({"filename_prefix": ["STRING", {}]})}
    ui = workflow([*nodes, node(9, kind, values=[prefix])], [], *more.pop("subgraphs", ()))
    sent: str = ui_to_api(ui, classes, now=NOON)["9"]["inputs"]["filename_prefix"]
    return sent


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("%date:yyyy-MM-dd%/%date:hhmmss%", "2026-03-07/120509"),
        ("%date:yy-M-d h:m:s%", "26-3-7 12:5:9"),
        ("%date:yyy%", "yyy"),
        ("%date:%", ""),
        ("%year%-%width%", "%year%-%width%"),
        ("100%", "100%"),
        ("%a.b.c%", "%a.b.c%"),
        ("%Pic.width%", "640"),
        ("%alias.width%", "640"),
        ("%Source.width%", "%Source.width%"),
        ("%A source.color%", "a_b_c"),
        ("%Pic.gone%", "%Pic.gone%"),
        ("%Nobody.width%", "%Nobody.width%"),
        ("%Inner.width%", "3"),
        ("%Bare.width%", "0.5"),
    ],
)
def test_placeholders_in_file_names(prefix: str, expected: str) -> None:
    nodes = [
        node(1, "Source", values=[640.0, ""], title="Pic", properties={"Node name for S&R": "alias"}),
        node(2, "Source", values=[1, "a/b:c"]),
        node(3, "Source", values=["0.5", ""], title="Bare"),
        node(4, SUBGRAPH),
        node(5, "Note"),
    ]
    inner = subgraph([node(7, "Source", values=[3, ""], title="Inner")], [])
    assert _named(prefix, *nodes, subgraphs=[inner]) == expected


def test_truth_is_written_as_the_editor_does() -> None:
    classes = {
        "Flag": class_info({"on": ["BOOLEAN", {}], "empty": ["COMBO", {"options": []}]}),
        "SaveImage": class_info({"filename_prefix": ["STRING", {}]}),
    }
    nodes = [node(1, "Flag", values=[True], title="F"), node(9, "SaveImage", values=["%F.on%%F.empty%"])]
    prompt = ui_to_api(workflow(nodes, []), classes)
    assert prompt["9"]["inputs"]["filename_prefix"] == "true%F.empty%"


def test_other_classes_and_values_keep_their_texts() -> None:
    assert _named("%date:yyyy%", kind="Other") == "%date:yyyy%"
    assert _named(5) == 5  # type: ignore[arg-type, comparison-overlap]


def test_today_is_the_default() -> None:
    ui = workflow([node(9, "SaveImage", values=["%date:yyyy%"])], [])
    prompt = ui_to_api(ui, {"SaveImage": class_info({"filename_prefix": ["STRING", {}]})})
    assert abs(int(prompt["9"]["inputs"]["filename_prefix"]) - datetime.now().year) <= 1  # noqa: DTZ005
