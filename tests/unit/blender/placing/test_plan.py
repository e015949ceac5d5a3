"""Where results go in the film, tried on plain lists of strips."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from movie_director.blender.placing.listed_shot import ListedShot, shot_spans
from movie_director.blender.placing.plan import (
    MAX_CHANNEL,
    StripInfo,
    StripPlan,
    choose_channel,
    free_channel,
    plan_strip,
)
from movie_director.clients import errors

SHOT = ListedShot(shot="Wide", id="one")


@dataclass
class Film:
    there: list[StripInfo] = field(default_factory=list)
    locked: set[int] = field(default_factory=set)
    name: str = "Scene"

    def strips(self) -> list[StripInfo]:
        return self.there

    def locked_channels(self) -> set[int]:
        return self.locked


def strip(key: str, start: int, end: int, channel: int, shot: ListedShot | None = None, *, empty: bool = False):
    return StripInfo(key, start, end, channel, shot, empty)


def test_a_new_strip_goes_above_all_that_is_there_at_its_frames():
    film = Film([strip("a", 10, 30, 1)])
    assert free_channel(film, 29, 31) == 2
    assert free_channel(film, 30, 31) == 1
    assert free_channel(film, 1, 10) == 1
    assert free_channel(film, 29, 31, ignored=["a"]) == 1


def test_locked_channels_are_left_alone():
    film = Film([strip("a", 10, 30, 3)], locked={1, 2, 4})
    assert free_channel(film, 10, 11) == 5
    assert free_channel(film, 1, 10) == 3
    assert choose_channel(film, 1, 10, 2) == 3


def test_room_below_is_used_when_the_top_is_taken():
    film = Film([strip("a", 1, 6, MAX_CHANNEL)])
    assert free_channel(film, 1, 5) == MAX_CHANNEL - 1


def test_a_full_timeline_is_an_error_that_says_where():
    film = Film([strip(str(number), 1, 6, number) for number in range(1, MAX_CHANNEL)], locked={MAX_CHANNEL})
    with pytest.raises(errors.StorageError, match="frames 2 to 3") as caught:
        free_channel(film, 2, 4)
    assert caught.value.code == "channels_full"
    assert "Scene" in caught.value.message


@pytest.mark.parametrize(("wanted", "channel"), [(4, 4), (1, 2), (0, 2), (MAX_CHANNEL + 1, 2)])
def test_the_wanted_channel_is_taken_if_it_is_free(wanted, channel):
    assert choose_channel(Film([strip("a", 10, 30, 1)]), 10, 20, wanted) == channel


def test_a_result_takes_its_placeholder_s_place():
    film = Film([strip("a", 5, 9, 2), strip("b", 40, 60, 7, SHOT, empty=True)])
    assert plan_strip(film, "one", 1, 10) == StripPlan(40, 20, 7, SHOT, "b")


def test_a_shot_that_has_a_result_keeps_it():
    film = Film([strip("b", 40, 60, 7, SHOT)])
    assert plan_strip(film, "one", 1, 10) == StripPlan(40, 20, 0, SHOT, None)


def test_a_placeholder_on_a_locked_channel_stays():
    film = Film([strip("b", 40, 60, 7, SHOT, empty=True)], locked={7})
    assert plan_strip(film, "one", 1, 10) == StripPlan(40, 20, 0, SHOT, None)


def test_the_placeholder_comes_before_a_result_of_the_same_shot():
    film = Film([strip("a", 10, 20, 3, SHOT), strip("b", 40, 60, 7, SHOT, empty=True)])
    assert plan_strip(film, "one", 1, 10).replaces == "b"


@pytest.mark.parametrize("shot_id", ["", "gone"])
def test_a_result_without_a_shot_goes_where_it_was_asked_for(shot_id):
    film = Film([strip("b", 40, 60, 7, SHOT, empty=True), strip("c", 1, 2, 1, ListedShot())])
    assert plan_strip(film, shot_id, 1, 10) == StripPlan(1, 10)


def test_spans_of_shots_do_not_drift():
    shots = [ListedShot(duration=0.5)] * 7
    spans = shot_spans(shots, 23.976)
    assert spans[0][0] == 0
    assert all(start + length == following for (start, length), (following, _) in pairwise(spans))
    assert sum(length for _, length in spans) == round(3.5 * 23.976)


def test_a_shot_has_one_frame_at_least():
    assert shot_spans([ListedShot(duration=0.0)], 24) == [(0, 1)]


def test_a_shot_is_read_from_odd_data():
    shot = ListedShot.from_dict({"scene": None, "shot": 3, "duration": "2.5", "more": 1})
    assert shot == ListedShot(shot="3", duration=2.5)
    assert shot.title(4) == "4 3: "
