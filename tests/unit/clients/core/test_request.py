"""What all typed requests have in common."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from movie_director.clients.core.request import (
    Request,
    integer_problems,
    mapping_problems,
    nearest_names,
    number_problems,
    path_problems,
    text_problems,
)
from movie_director.clients.errors import ValidationError


@dataclass(frozen=True)
class Sample(Request):
    prompt: str
    seed: int | None = None
    files: dict[str, Any] = field(default_factory=dict)

    def problems(self) -> list[str]:
        return [*super().problems(), *text_problems("prompt", self.prompt)]


def test_round_trip_by_json():
    request = Sample("a", 3, {"image": Path("/x/a.png"), "more": [Path("b"), ("c", 1)]}, metadata={"shot": 4})
    data = json.loads(json.dumps(request.to_dict()))
    assert data == {
        "prompt": "a",
        "seed": 3,
        "files": {"image": "/x/a.png", "more": ["b", ["c", 1]]},
        "metadata": {"shot": 4},
    }
    again = Sample.from_dict(data)
    assert again.to_dict() == data
    assert Sample.from_dict({"prompt": "a"}) == Sample("a")


def test_names_are_checked_all_at_once():
    with pytest.raises(ValidationError) as caught:
        Sample.from_dict({"promt": "x", "nothing_like_it": 1, 5: 2})
    assert caught.value.problems == (
        "promt: unknown field; did you mean prompt?",
        "nothing_like_it: unknown field.",
        "5: unknown field.",
        "prompt: missing.",
    )
    assert str(caught.value).startswith("Sample: ")


def test_validate():
    Sample("a").validate()
    with pytest.raises(ValidationError) as caught:
        Sample(" ", metadata=[]).validate()
    assert caught.value.problems == ("metadata: a dict is required.", "prompt: a text is required.")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (lambda v: text_problems("x", v), ["a", " a "], ["", "  ", None, 5, b"a"]),
        (lambda v: path_problems("x", v), ["a", Path("a")], ["", None, 5, b"a", "a\0b", Path("a\0b")]),
        (lambda v: mapping_problems("x", v), [{}, {"a": 1}], [None, [], {1: 2}, "a"]),
        (lambda v: integer_problems("x", v, least=1), [None, 1, 2**70], [0, -1, 1.0, True, "1"]),
        (lambda v: integer_problems("x", v, least=1, most=4), [None, 1, 4], [0, 5, 2**70, False]),
        (lambda v: number_problems("x", v, above=0), [0.1, 5], [0, None, "1", True, math.nan, math.inf, 10**400]),
    ],
    ids=["text", "path", "mapping", "integer", "range", "number"],
)  # fmt: skip
def test_fields(check, good, bad):
    assert [check(value) for value in good] == [[]] * len(good)
    for value in bad:
        (problem,) = check(value)
        assert problem.startswith("x: ")


def test_limits_are_told():
    assert integer_problems("x", 0, least=1) == ["x: it must be at least 1."]
    assert integer_problems("x", 0, least=1, most=4) == ["x: it must be between 1 and 4."]
    assert number_problems("x", 0, above=0.5) == ["x: a number above 0.5 is required."]


def test_nearest_names():
    known = ["KSampler", "KSamplerAdvanced", "LoadImage"]
    assert nearest_names("KSmapler", known)[0] == "KSampler"
    assert nearest_names("Banana", known) == ()
    assert len(nearest_names("KSampler", [f"KSampler{i}" for i in range(9)], limit=2)) == 2


class Unpicklable:
    """Something that only ``deepcopy`` can copy."""

    def __reduce_ex__(self, _protocol):
        raise TypeError("no pickle")

    def __deepcopy__(self, _memo):
        return "copied"


def test_a_copy_shares_nothing_that_can_change():
    request = Sample("a", files={"image": ["x"]}, metadata={"list": [1]})
    twin = request.copied()
    assert twin == request
    request.files["image"].append("y")
    request.metadata["list"].append(2)
    assert (twin.files, twin.metadata) == ({"image": ["x"]}, {"list": [1]})
    assert Sample("a", files={"odd": Unpicklable()}).copied().files == {"odd": "copied"}
