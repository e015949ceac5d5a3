"""The mocks' own JPEG pictures and MP4 clips. That Blender's sequencer plays them: tests/blender/test_mock_movie.py."""

from __future__ import annotations

import io
import struct
import time
from array import array
from collections.abc import Iterator

import pytest
from PIL import Image

from movie_director.clients.mock.media.jpeg_picture import encode
from movie_director.clients.mock.media.movie import MAX_FRAMES, Movie, preview
from movie_director.clients.mock.media.mp4 import Sound, movie_file
from movie_director.clients.mock.media.pixels import Pixels

CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"udta")


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


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image.convert("RGB")


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (250, 20, 30), (20, 90, 240)])
def test_a_plain_picture_keeps_its_colour(colour: tuple[int, int, int]) -> None:
    image = opened(encode(Pixels.plain(21, 13, bytes(colour))))
    assert image.size == (42, 26)
    for at in ((0, 0), (41, 25), (20, 12)):
        assert all(abs(mine - wanted) < 8 for mine, wanted in zip(image.getpixel(at), colour, strict=True))


def test_a_picture_is_shown_twice_as_large() -> None:
    rows = [bytes([8 * x, 4 * y, 255 - 8 * x] * 1) for y in range(32) for x in range(32)]
    picture = Pixels(32, 32, b"".join(rows))
    image = opened(encode(picture))
    for x, y in ((4, 4), (16, 8), (28, 30)):
        wanted = picture.row(y)[3 * x : 3 * x + 3]
        found = image.getpixel((2 * x, 2 * y))
        assert all(abs(mine - each) < 24 for mine, each in zip(found, wanted, strict=True)), (
            x,
            y,
            found,
            tuple(wanted),
        )


def test_noise_and_edges_can_be_coded() -> None:
    chance = bytes((at * at * 7919 >> 3) & 255 for at in range(3 * 64 * 64))
    assert opened(encode(Pixels(64, 64, chance))).size == (128, 128)
    stripes = Pixels(16, 16, (b"\xff\xff\xff" + b"\0\0\0") * 128)
    assert opened(encode(stripes)).getpixel((1, 1))[0] > opened(encode(stripes)).getpixel((3, 1))[0]


def test_a_preview_grows_sharper() -> None:
    still = Movie("a lighthouse", 1, 320, 192, 1, 16).still()
    coarse, sharp = preview(still, 0.0), preview(still, 1.0)
    assert opened(coarse).size == opened(sharp).size
    assert len(coarse) < len(sharp)


def test_frames_are_jpegs_in_an_mp4() -> None:
    data = Movie("A lighthouse in a storm", 42, 208, 120, 9, 24.0).file(comment='{"seed": 42}')
    found = dict(boxes(data))
    assert data[4:12] == b"ftypisom"
    sizes = struct.unpack_from(">9I", found["/moov/trak/mdia/minf/stbl/stsz"], 12)
    places = struct.unpack_from(">9I", found["/moov/trak/mdia/minf/stbl/stco"], 8)
    frames = [data[at : at + size] for at, size in zip(places, sizes, strict=True)]
    pictures = [opened(each) for each in frames]
    assert {each.size for each in pictures} == {(208, 120)}
    assert pictures[0].tobytes() != pictures[-1].tobytes()
    assert places[-1] + sizes[-1] == len(data)
    assert struct.unpack_from(">II", found["/moov/trak/mdia/minf/stbl/stts"], 8) == (9, 1000)
    assert struct.unpack_from(">I", found["/moov/trak/mdia/mdhd"], 12) == (24000,)
    assert b'{"seed": 42}' in found["/moov/udta"]
    assert "/moov/trak/mdia/minf/smhd" not in found


def test_a_clip_with_sound_has_a_track_of_it() -> None:
    data = Movie("rain on a roof", 7, 64, 64, 16, 16.0, sound=True).file()
    found = dict(boxes(data))
    assert found["/moov/trak/mdia/minf/stbl/stsd"][12:16] == b"sowt"
    (count,) = struct.unpack_from(">I", found["/moov/trak/mdia/minf/stbl/stsz"], 8)
    (place,) = struct.unpack_from(">I", found["/moov/trak/mdia/minf/stbl/stco"], 8)
    assert count == 24_000
    samples = array("h", data[place:])
    assert len(samples) == count
    assert max(samples) > 1000


def test_a_sound_of_its_own_length() -> None:
    sound = Sound(array("h", [0, 100] * 50), 8000)
    data = movie_file([encode(Pixels.plain(8, 8, b"\0\0\0"))], 16, 16, 10.0, sound=sound)
    assert data.endswith(sound.samples.tobytes())


def test_the_same_prompt_and_seed_give_the_same_clip() -> None:
    first, again, other = (Movie("dawn", seed, 64, 64, 3, 16).file() for seed in (1, 1, 2))
    assert first == again != other


def test_wishes_are_kept_within_bounds() -> None:
    movie = Movie("x", 1, 5, 99_999, 99_999, 16.0)
    assert movie.size == (16, 1920)
    assert movie.count == MAX_FRAMES
    assert Movie("x", 1, 833, 481, 0, 16.0).size == (832, 480)
    assert Movie("x", 1, 16, 16, 0, 16.0).count == 1


def test_a_start_image_is_what_the_clip_shows() -> None:
    base = Pixels.plain(64, 64, b"\xff\0\0")
    red = opened(Movie("dawn", 1, 256, 256, 1, 16, base=base).file().partition(b"mdat")[2]).getpixel((128, 128))
    other = opened(Movie("dawn", 1, 256, 256, 1, 16).file().partition(b"mdat")[2]).getpixel((128, 128))
    assert red[0] - red[1] > other[0] - other[1]


def test_two_seconds_at_480_lines_take_about_as_long() -> None:
    begun = time.perf_counter()
    Movie("A lighthouse in a storm at night", 42, 832, 480, 33, 16.0).file()
    assert time.perf_counter() - begun < 20.0  # half a second on an idle machine
