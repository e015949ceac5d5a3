"""The mocks' own MP4 clips. That Blender's sequencer plays them: tests/blender/test_mock_movie.py."""

from __future__ import annotations

import io
import struct
from array import array
from collections.abc import Iterator

import pytest
from PIL import Image

from movie_director.clients.mock.media.jpeg import encode
from movie_director.clients.mock.media.movie import MAX_FRAMES, Movie
from movie_director.clients.mock.media.mp4 import Sound, make_mp4
from movie_director.clients.mock.media.pixels import Pixels

CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"udta")
TABLE = "/moov/trak/mdia/minf/stbl"


def boxes(data: bytes, path: str = "") -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        assert size >= 8
        assert at + size <= len(data)
        name = f"{path}/{kind.decode('latin-1')}"
        yield name, data[at + 8 : at + size]
        if kind in CONTAINERS:
            yield from boxes(data[at + 8 : at + size], name)
        at += size


def frames_of(data: bytes) -> list[Image.Image]:
    found = dict(boxes(data))
    (count,) = struct.unpack_from(">I", found[f"{TABLE}/stsz"], 8)
    sizes = struct.unpack_from(f">{count}I", found[f"{TABLE}/stsz"], 12)
    places = struct.unpack_from(f">{count}I", found[f"{TABLE}/stco"], 8)
    frames = [data[at : at + size] for at, size in zip(places, sizes, strict=True)]
    assert places[-1] + sizes[-1] == len(data)
    return [Image.open(io.BytesIO(each)).convert("RGB") for each in frames]


def test_frames_are_jpegs_in_an_mp4() -> None:
    data = Movie("A lighthouse in a storm", 42, 208, 120, 9, 24.0).file(comment='{"seed": 42}')
    found = dict(boxes(data))
    assert data[4:12] == b"ftypisom"
    pictures = frames_of(data)
    assert ({each.size for each in pictures}, len(pictures)) == ({(208, 120)}, 9)
    assert pictures[0].tobytes() != pictures[-1].tobytes()
    assert struct.unpack_from(">II", found[f"{TABLE}/stts"], 8) == (9, 1000)
    assert struct.unpack_from(">I", found["/moov/trak/mdia/mdhd"], 12) == (24000,)
    assert b'{"seed": 42}' in found["/moov/udta"]
    assert "/moov/trak/mdia/minf/smhd" not in found


def test_a_clip_with_sound_has_a_track_of_it() -> None:
    data = Movie("rain on a roof", 7, 64, 64, 16, 16.0, sound=True).file()
    found = dict(boxes(data))
    assert found[f"{TABLE}/stsd"][12:16] == b"sowt"
    (count,) = struct.unpack_from(">I", found[f"{TABLE}/stsz"], 8)
    (place,) = struct.unpack_from(">I", found[f"{TABLE}/stco"], 8)
    samples = array("h", data[place:])
    assert (len(samples), count) == (24_000, 24_000)
    assert max(samples) > 1000


@pytest.mark.parametrize("frames", [[], [encode(Pixels.plain(8, 8, b"\0\0\0"))]])
def test_a_sound_of_its_own_length(frames: list[bytes]) -> None:
    sound = Sound(array("h", [0, 100] * 50), 8000)
    assert make_mp4(frames, 16, 16, 10.0, sound=sound).endswith(sound.samples.tobytes())


def test_the_same_prompt_and_seed_give_the_same_clip() -> None:
    first, again, other = (Movie("dawn", seed, 64, 64, 3, 16).file() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("asked", "shown"), [((5, 40, 0), (16, 40, 1)), ((833, 41, 2), (832, 40, 2)), ((16, 9999, 1), (16, 1920, 1))]
)
def test_size_and_length_are_kept_within_bounds(asked: tuple[int, int, int], shown: tuple[int, int, int]) -> None:
    frames = frames_of(Movie("x", 1, *asked, 16.0).file())
    assert (*frames[0].size, len(frames)) == shown


def test_a_clip_has_no_more_frames_than_allowed() -> None:
    assert len(frames_of(Movie("x", 1, 16, 16, MAX_FRAMES + 9, 16.0).file())) == MAX_FRAMES


def test_a_start_image_is_what_the_clip_shows() -> None:
    base = Pixels.plain(64, 64, b"\xff\0\0")
    red = frames_of(Movie("dawn", 1, 256, 256, 1, 16, base=base).file())[0].getpixel((128, 128))
    other = frames_of(Movie("dawn", 1, 256, 256, 1, 16).file())[0].getpixel((128, 128))
    assert red[0] - red[1] > other[0] - other[1]
    still = Movie("dawn", 1, 256, 256, 1, 16, base=base).still()
    assert (still.width, still.height) == (128, 128)
