"""The demo's pictures, and the PNG and JPEG code under them; Pillow is the judge."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from PIL import Image

from movie_director.clients.mock.media import jpeg
from movie_director.clients.mock.media.font import glyph, text_width, wrap
from movie_director.clients.mock.media.picture import AMBER, INK, Picture, Sketch
from movie_director.clients.mock.media.pixels import Pixels
from movie_director.clients.mock.media.png import SIGNATURE, NotAPicture, decode, encode
from movie_director.clients.mock.media.samples import PAINTER, read_sample

PROMPT = "A lighthouse keeper walks along the shore at sunset"


def noise(width: int, height: int, seed: int = 1) -> Pixels:
    return Pixels(width, height, random.Random(seed).randbytes(3 * width * height))


def smooth(width: int, height: int) -> Pixels:
    rows = [bytes((x * 2 + y + c * 40) % 256 for x in range(width) for c in range(3)) for y in range(height)]
    return Pixels.from_rows(width, rows)


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def test_scaling() -> None:
    image = smooth(64, 48)
    assert image.scaled(64, 48) is image
    small = image.scaled(16, 12)
    assert (small.width, small.height, len(small.data)) == (16, 12, 3 * 16 * 12)
    assert Pixels.plain(7, 5, b"\x10\x20\x30").scaled(100, 1).data == b"\x10\x20\x30" * 100
    halves = Pixels.from_rows(4, [b"\0\0\0" + b"\xff\xff\xff" * 2 + b"\0\0\0"])
    assert halves.scaled(2, 1, crop=True).data == b"\xff" * 6


# PNG


def test_a_png_is_read_back_by_another_reader() -> None:
    image = noise(33, 21)
    data = encode(image, text={"prompt": {"1": {"text": "h\u00e9"}}, "workflow": {"nodes": []}})
    with Image.open(io.BytesIO(data)) as read:
        assert (read.mode, read.size, read.tobytes()) == ("RGB", (33, 21), image.data)
        assert read.text == {"prompt": '{"1": {"text": "h\\u00e9"}}', "workflow": '{"nodes": []}'}
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
            near = min((left, up, corner), key=lambda each: abs(left + up - corner - each))
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


# JPEG


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (250, 20, 30), (20, 90, 240)])
def test_a_plain_jpeg_keeps_its_colour(colour: tuple[int, int, int]) -> None:
    image = opened(jpeg.encode(Pixels.plain(21, 13, bytes(colour))))
    assert image.size == (42, 26)
    for at in ((0, 0), (41, 25), (20, 12)):
        assert all(abs(mine - wanted) < 8 for mine, wanted in zip(image.getpixel(at), colour, strict=True))


def test_a_jpeg_shows_a_picture_twice_as_large() -> None:
    picture = Pixels(32, 32, b"".join(bytes([8 * x, 4 * y, 255 - 8 * x]) for y in range(32) for x in range(32)))
    image = opened(jpeg.encode(picture))
    for x, y in ((4, 4), (16, 8), (28, 30)):
        wanted = picture.row(y)[3 * x : 3 * x + 3]
        assert all(abs(mine - each) < 24 for mine, each in zip(image.getpixel((2 * x, 2 * y)), wanted, strict=True))


def test_noise_and_edges_can_be_coded() -> None:
    """Noise has every code there is, among them those of long runs of zeros."""
    for seed in range(4):
        picture = noise(64, 64, seed)
        image = opened(jpeg.encode(picture)).resize((64, 64), Image.Resampling.BOX)
        differences = [abs(a - b) for a, b in zip(image.tobytes(), picture.data, strict=True)]
        assert sum(differences) / len(differences) < 60  # of noise only the brightness is kept in detail
    stripes = opened(jpeg.encode(Pixels(16, 16, (b"\xff\xff\xff" + b"\0\0\0") * 128)))
    assert stripes.getpixel((1, 1))[0] > stripes.getpixel((3, 1))[0]


# Letters


def test_every_printable_character_has_a_shape_of_its_own() -> None:
    printable = [chr(code) for code in range(33, 127)]
    shapes = {character: glyph(character) for character in printable}
    assert len(set(shapes.values())) == len(printable)
    assert all(any(rows) and 1 <= width <= 5 for rows, width in shapes.values())
    assert glyph(" ") == ((0,) * 9, 3)


def test_a_caption_has_the_characters_there_are_in_three_lines_at_most() -> None:
    assert wrap("Crème brûlée – “ça va”…\n ok", 400) == ['Creme brulee - "ca va"... ok']
    assert wrap("\u732b!", 60) == ["\0!"]
    lines = wrap("one two three four five six seven eight nine ten eleven twelve", 60)
    assert len(lines) == 3
    assert lines[-1].endswith("...")
    assert all(text_width(line) <= 60 for line in [*lines, *wrap("W" * 40, 60)])


# Pictures


def test_the_same_words_and_seed_give_the_same_picture() -> None:
    first, again, other_seed, other_words = (
        Picture(text, seed, 192, 108).render()
        for text, seed in ((PROMPT, 1), (PROMPT, 1), (PROMPT, 2), ("Night city", 1))
    )
    assert first == again
    assert len({first.data, other_seed.data, other_words.data}) == 3


def test_it_has_the_words_in_dark_bands() -> None:
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
    assert sum(sum(row) for row in rows[400:]) / 32 < sum(sum(row) for row in rows[100:300]) / 200 / 2


@pytest.mark.parametrize(
    ("text", "seed", "size", "inked", "demo"),
    [
        ("", 1, (384, 216), True, True),
        (PROMPT, 1, (64, 48), False, False),
        ("x", 2**64 - 1, (120, 120), True, False),
    ],
    ids=["empty prompt", "no room for letters", "no room for the word DEMO"],
)
def test_letters_where_there_is_room(text: str, seed: int, size: tuple[int, int], inked: bool, demo: bool) -> None:
    data = Picture(text, seed, *size).render().data
    assert (bytes(INK) in data, bytes(AMBER) in data) == (inked, demo)


def test_the_picture_that_was_sent_shows() -> None:
    dark, light = b"\x20\x20\x24", b"\xd0\xd0\xd0"
    rows = [(light if 80 < y < 140 else dark) * 130 + (dark if y < 100 else light) * 254 for y in range(216)]
    image = Picture(PROMPT, 3, 384, 216, Pixels.from_rows(384, rows), 0.6).render()
    left, right = image.row(90)[3 * 60 : 3 * 100], image.row(90)[3 * 200 : 3 * 300]
    assert sum(left) / len(left) > 1.8 * sum(right) / len(right)


@pytest.mark.parametrize("palette", PAINTER["palettes"])
@pytest.mark.parametrize("land", PAINTER["lands"])
def test_every_light_and_land_can_be_asked_for(palette: str, land: str) -> None:
    words = f"{PAINTER['palettes'][palette]['words'].split()[-1]} {PAINTER['lands'][land]['words'].split()[-1]}"
    asked = Picture(f"{words} {words}", 4, 96, 54).render()
    assert asked.data != Picture("", 4, 96, 54).render().data
    assert len(asked.data) == 3 * 96 * 54


@pytest.mark.parametrize("name", PAINTER["silhouettes"])
def test_silhouettes_stand_on_the_ground(name: str) -> None:
    word = PAINTER["silhouettes"][name]["words"].split()[0]
    shown, without = (Picture(f"a {each} desert at noon", 2, 192, 108).render(letters=False) for each in (word, ""))
    assert sum(shown.row(y) != without.row(y) for y in range(60, 108)) > 5


def test_tiny_pictures_do_not_fail() -> None:
    for size in ((1, 1), (3, 2), (16, 16), (5, 90), (90, 5)):
        text = "a man, a castle, a lighthouse, a house, a sea, a forest, neon city at night"
        for seed in range(3):
            assert len(Picture(text, seed, *size).render().data) == 3 * size[0] * size[1]


def test_rendering_pauses_between_slices_and_can_be_stopped_there() -> None:
    pauses: list[int] = []
    Picture(PROMPT, 1, 768, 432).render(lambda: pauses.append(1))
    assert len(pauses) > 400

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        Picture(PROMPT, 1, 768, 432).render(stop)


# Previews and samples


def test_previews_clear_up_from_noise() -> None:
    picture = smooth(768, 432)
    sketch, small = Sketch(picture, 1), picture.scaled(64, 36)

    def error(fraction: float) -> float:
        data = sketch.at(fraction)
        assert data.startswith(b"\xff\xd8")
        shown = opened(data)
        assert shown.size == (256, 144)
        blocks = shown.resize((64, 36), Image.Resampling.BOX).tobytes()
        return sum(abs(a - b) for a, b in zip(blocks, small.data, strict=True)) / len(blocks)

    errors = [error(fraction) for fraction in (0.05, 0.4, 0.7, 1.0)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 10
    assert opened(Sketch(smooth(40, 32), 1).at(0.5)).size == (80, 64)
    assert opened(Sketch(smooth(1, 1), 1).at(0.5)).size == (2, 2)


@pytest.mark.parametrize(
    ("name", "kind", "size"), [("animation.webp", "WEBP", (320, 180)), ("animation.png", "PNG", (160, 90))]
)
def test_the_sample_animations_move(name: str, kind: str, size: tuple[int, int]) -> None:
    with Image.open(io.BytesIO(read_sample(name))) as image:
        assert (image.format, image.size, image.n_frames > 5) == (kind, size, True)
        first = image.convert("RGB").tobytes()
        image.seek(image.n_frames - 1)
        assert image.convert("RGB").tobytes() != first


@pytest.mark.parametrize(
    ("name", "signature"), [("clip.webm", b"\x1a\x45\xdf\xa3"), ("sound.flac", b"fLaC"), ("sound.mp3", b"ID3")]
)
def test_the_other_samples_are_what_they_are_called(name: str, signature: bytes) -> None:
    assert read_sample(name).startswith(signature)
