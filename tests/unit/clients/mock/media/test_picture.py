"""The demo's pictures: what is in them, that they are the same for the same, and the PNG code under them."""

import io
import random
import struct
import threading
import time
import zlib

import pytest
from PIL import Image

from movie_director.clients.mock.media import demo_palettes
from movie_director.clients.mock.media.demo_landscape import Scene
from movie_director.clients.mock.media.font import glyph, plain, text_width, wrapped
from movie_director.clients.mock.media.picture import AMBER, INK, Picture, Sketch
from movie_director.clients.mock.media.pixels import Pixels, add, average, doubled, masked
from movie_director.clients.mock.media.png import SIGNATURE, NotAPicture, decode, encode, read_text

PROMPT = "A lighthouse keeper walks along the shore at sunset"


def noise(width: int, height: int, seed: int = 1) -> Pixels:
    return Pixels(width, height, random.Random(seed).randbytes(3 * width * height))


def smooth(width: int, height: int) -> Pixels:
    rows = [bytes((x * 2 + y + c * 40) % 256 for x in range(width) for c in range(3)) for y in range(height)]
    return Pixels.from_rows(width, rows)


def brightness(image: Pixels, top: int, bottom: int) -> float:
    part = b"".join(image.row(y) for y in range(top, bottom))
    return sum(part) / len(part)


# Row arithmetic


def test_rows_are_averaged_added_masked_and_doubled() -> None:
    assert average(bytes((0, 255, 7)), bytes((255, 255, 8))) == bytes((127, 255, 7))
    assert add(bytes((1, 200, 0)), bytes((2, 55, 255))) == bytes((3, 255, 255))
    assert masked(b"abc", b"xyz", int.from_bytes(b"\xff\x00\xff", "little")) == b"xbz"
    assert doubled(bytes((0, 0, 0, 10, 20, 30))) == bytes((0, 0, 0, 5, 10, 15, 10, 20, 30, 10, 20, 30))


def test_scaling() -> None:
    image = smooth(64, 48)
    assert image.scaled(64, 48) is image
    small = image.scaled(16, 12)
    assert (small.width, small.height, len(small.data)) == (16, 12, 3 * 16 * 12)
    one = Pixels.plain(7, 5, b"\x10\x20\x30").scaled(100, 1)
    assert one.data == b"\x10\x20\x30" * 100
    halves = Pixels.from_rows(4, [b"\0\0\0" * 1 + b"\xff\xff\xff" * 2 + b"\0\0\0"])
    assert halves.scaled(2, 1, crop=True).data == b"\xff" * 6
    assert halves.mapped(bytes(range(255, -1, -1))).row(0)[:3] == b"\xff\xff\xff"


# PNG


def test_a_png_is_read_back_by_another_reader() -> None:
    image = noise(33, 21)
    data = encode(image, text={"prompt": {"1": {"text": "h\u00e9"}}, "workflow": {"nodes": []}})
    with Image.open(io.BytesIO(data)) as opened:
        assert (opened.mode, opened.size, opened.tobytes()) == ("RGB", (33, 21), image.data)
        assert opened.text == {"prompt": '{"1": {"text": "h\\u00e9"}}', "workflow": '{"nodes": []}'}
    assert read_text(data)["workflow"] == '{"nodes": []}'
    assert decode(data).data == image.data


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
@pytest.mark.parametrize("size", [(1, 1), (40, 30)])
def test_pngs_of_another_writer_are_read(mode: str, size: tuple[int, int]) -> None:
    with Image.frombytes("RGB", size, smooth(*size).data) as source, source.convert(mode) as image:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        with image.convert("RGB") as expected:
            assert decode(buffer.getvalue()).data == expected.tobytes()


def raw_png(width: int, height: int, scanlines: bytes, *, depth: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(scanlines)) + chunk(b"IEND", b"")


def test_all_five_filters() -> None:
    """Scanlines filtered as the format's own definition says, byte by byte, and read back."""
    image = noise(9, 5, seed=3)
    size, above = 3, bytes(27)
    scanlines = b""
    for kind in range(5):
        row = image.row(kind)
        out = []
        for index, value in enumerate(row):
            left = row[index - size] if index >= size else 0
            corner = above[index - size] if index >= size else 0
            up = above[index]
            guess = left + up - corner
            near = min((left, up, corner), key=lambda each: abs(guess - each))
            out.append((value - (0, left, up, (left + up) // 2, near)[kind]) % 256)
        scanlines += bytes((kind, *out))
        above = row
    assert decode(raw_png(9, 5, scanlines)).data == image.data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        SIGNATURE,
        SIGNATURE + b"\0\0\0\1IDATx\0\0\0\0",
        raw_png(2, 2, bytes(14), depth=16),
        raw_png(2, 2, bytes(6), colour=3),
        raw_png(2, 2, bytes(14), interlace=1),
        raw_png(0, 2, b""),
        raw_png(2, 2, bytes(13)),
        raw_png(2, 2, b"\7" + bytes(13)),
        raw_png(2, 2, bytes(14)).replace(b"IDATx", b"IDATy"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        decode(data)


# Letters


def test_every_printable_character_has_a_shape_of_its_own() -> None:
    printable = [chr(code) for code in range(33, 127)]
    shapes = {character: glyph(character) for character in printable}
    assert len(set(shapes.values())) == len(printable)
    assert all(any(rows) and 1 <= width <= 5 for rows, width in shapes.values())
    assert glyph(" ") == ((0,) * 9, 3)


def test_text_in_the_characters_there_are() -> None:
    assert plain("Crème brûlée – “ça va”…\n ok") == 'Creme brulee - "ca va"... ok'
    assert plain("\u732b!") == "\0!"
    assert text_width("") == 0
    assert text_width("il") == 3 + 1 + 3


def test_wrapping() -> None:
    text = "one two three four five six seven eight nine ten"
    lines = wrapped(text, 60, 9)
    assert " ".join(lines) == text
    assert all(text_width(line) <= 60 for line in lines)
    cut = wrapped(text, 60, 2)
    assert len(cut) == 2
    assert cut[-1].endswith("...")
    assert text_width(cut[-1]) <= 60
    assert "".join(wrapped("incomprehensibilities", 30, 99)) == "incomprehensibilities"
    assert wrapped("", 60, 2) == []
    assert wrapped("WWW", 1, 9) == ["W", "W", "W"]


# Pictures


def test_the_same_words_and_seed_give_the_same_picture() -> None:
    first, again, other_seed, other_words = (
        Picture(text, seed, 192, 108).render()
        for text, seed in ((PROMPT, 1), (PROMPT, 1), (PROMPT, 2), ("Night city", 1))
    )
    assert first == again
    assert len({first.data, other_seed.data, other_words.data}) == 3


def test_it_has_the_size_asked_for_and_the_words_in_a_dark_band() -> None:
    image = Picture(PROMPT, 1234, 768, 432).render()
    assert (image.width, image.height, len(image.data)) == (768, 432, 3 * 768 * 432)
    rows = [image.row(y) for y in range(432)]
    inked = [y for y, row in enumerate(rows) if bytes(INK) * 2 in row]
    amber = [y for y, row in enumerate(rows) if bytes(AMBER) * 2 in row]
    assert amber, "the word DEMO"
    assert max(amber) < 40
    assert any(y < 40 for y in inked), "the seed"
    assert any(y > 390 for y in inked), "the caption"
    assert not any(60 < y < 380 for y in inked)
    assert brightness(image, 395, 432) < brightness(image, 100, 300) / 2


def test_the_words_themselves_are_drawn() -> None:
    """Two captions of the same scene differ in the band of letters alone."""
    base = Picture("aaa zzz", 5, 384, 216)
    one, two = base.render(), Picture("aaa zzz", 5, 384, 216).render()
    assert one == two
    seeds = [Picture(PROMPT, seed, 384, 216).render() for seed in (7, 8)]
    assert any(seeds[0].row(y) != seeds[1].row(y) for y in range(5, 14))


def test_a_picture_too_low_for_letters_has_none() -> None:
    assert bytes(INK) * 2 not in Picture(PROMPT, 1, 64, 48).render().data


def test_a_long_seed_leaves_no_room_for_the_word_demo() -> None:
    image = Picture("x", 2**64 - 1, 120, 120).render()
    assert bytes(INK) * 2 in image.row(8) + image.row(10) + image.row(12)
    assert bytes(AMBER) not in image.data


def test_an_empty_prompt_says_so() -> None:
    assert bytes(INK) * 2 in Picture("", 1, 384, 216).render().data


def test_the_picture_that_was_sent_shows() -> None:
    dark, light = b"\x20\x20\x24", b"\xd0\xd0\xd0"
    rows = [(light if 80 < y < 140 else dark) * 130 + (dark if y < 100 else light) * 254 for y in range(216)]
    base = Pixels.from_rows(384, rows)
    image = Picture(PROMPT, 3, 384, 216, base, 0.6).render()
    left, right = image.row(90)[3 * 60 : 3 * 100], image.row(90)[3 * 200 : 3 * 300]
    assert sum(left) / len(left) > 1.8 * sum(right) / len(right)
    again = Picture(PROMPT, 3, 384, 216, base.scaled(192, 108), 0.6).render()
    assert abs(brightness(image, 60, 150) - brightness(again, 60, 150)) < 6


@pytest.mark.parametrize("mood", demo_palettes.MOOD_WORDS)
@pytest.mark.parametrize("land", demo_palettes.LAND_WORDS)
def test_every_mood_and_land_can_be_asked_for(mood: str, land: str) -> None:
    words = f"{demo_palettes.MOOD_WORDS[mood].split()[-1]} {demo_palettes.LAND_WORDS[land].split()[-1]}"
    own = Scene(f"{words} {words}", 4, 96, 54)
    assert own.land == land
    rows = own.rows(lambda: None)
    assert [len(row) for row in rows] == [3 * 96] * 54


@pytest.mark.parametrize("landmark", demo_palettes.LANDMARKS)
def test_landmarks_and_figures_stand_on_the_ground(landmark: str) -> None:
    with_it = Scene(f"a {landmark} and a man in the desert at noon", 2, 192, 108)
    without = Scene("in the desert at noon", 2, 192, 108)
    assert (with_it.figure, with_it.landmark, without.figure, without.landmark) == (True, landmark, False, None)
    assert with_it.rows(lambda: None) != without.rows(lambda: None)


def test_tiny_pictures_do_not_fail() -> None:
    for size in ((1, 1), (3, 2), (16, 16), (5, 90)):
        image = Picture("a man, a castle, a sea, a forest, neon city at night", 9, *size).render()
        assert len(image.data) == 3 * size[0] * size[1]


def test_rendering_lets_other_threads_run_and_takes_well_under_a_second() -> None:
    begun = time.thread_time()
    breaths = 0

    def breathe() -> None:
        nonlocal breaths
        breaths += 1

    Picture(PROMPT, 1, 768, 432).render(breathe)
    assert breaths > 100
    assert time.thread_time() - begun < 5.0  # ten times what it takes here


def test_rendering_can_be_stopped_between_slices() -> None:
    class StopIt(Exception):
        pass

    stop = threading.Event()
    stop.set()

    def breathe() -> None:
        if stop.is_set():
            raise StopIt

    with pytest.raises(StopIt):
        Picture(PROMPT, 1, 768, 432).render(breathe)


# Previews


def test_previews_clear_up_from_noise() -> None:
    picture = smooth(768, 432)
    sketch = Sketch(picture, 1)
    small = picture.scaled(64, 36)

    def error(fraction: float) -> float:
        preview = Image.open(io.BytesIO(sketch.at(fraction)))
        assert (preview.format, preview.size) == ("JPEG", (512, 288))
        blocks = preview.convert("RGB").resize((64, 36), Image.Resampling.NEAREST).tobytes()
        return sum(abs(a - b) for a, b in zip(blocks, small.data, strict=True)) / len(blocks)

    errors = [error(fraction) for fraction in (0.05, 0.4, 0.7, 1.0)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 2


def test_a_preview_of_a_small_picture_is_not_larger() -> None:
    preview = Image.open(io.BytesIO(Sketch(smooth(40, 32), 1).at(0.5)))
    assert preview.size == (40, 32)
