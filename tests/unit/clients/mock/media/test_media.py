"""The files that the mock servers make without a library: JPEG, animated PNG and WebP, FLAC, MP3, Matroska."""

import io
import random
import struct

import pytest
from PIL import Image

from movie_director.clients.mock.media import png, webp
from movie_director.clients.mock.media.jpeg import encode_blocks
from movie_director.clients.mock.media.matroska import matroska_file
from movie_director.clients.mock.media.pixels import Pixels
from movie_director.clients.mock.media.sound_files import Sound, flac, silent_mp3


def noise(width: int, height: int, seed: int) -> Pixels:
    return Pixels(width, height, random.Random(seed).randbytes(3 * width * height))


@pytest.mark.parametrize("size", [(1, 1), (4, 3), (64, 36)])
def test_a_jpeg_has_each_block_s_colour(size: tuple[int, int]) -> None:
    blocks = noise(*size, seed=3)
    image = Image.open(io.BytesIO(encode_blocks(blocks))).convert("RGB")
    assert image.size == (8 * size[0], 8 * size[1])
    shown = image.resize(size, Image.Resampling.NEAREST).tobytes()
    assert max(abs(a - b) for a, b in zip(shown, blocks.data, strict=True)) <= 3


def test_an_animated_webp_is_lossless() -> None:
    frames = [noise(33, 21, seed) for seed in range(3)]
    image = Image.open(io.BytesIO(webp.encode_animation(frames, 8.0, exif={0x110: 'prompt:{"1": 2}'})))
    assert (image.format, image.size, image.n_frames) == ("WEBP", (33, 21), 3)
    assert image.getexif()[0x110] == 'prompt:{"1": 2}'
    for number, frame in enumerate(frames):
        image.seek(number)
        assert image.convert("RGB").tobytes() == frame.data
        assert image.info["duration"] == 125
    assert Image.open(io.BytesIO(webp.encode_animation(frames[:1], 8.0))).size == (33, 21)


def test_an_animated_png_is_lossless() -> None:
    frames = [noise(20, 10, seed) for seed in range(4)]
    data = png.encode_animation(frames, 8.0, text={"prompt": {"1": 2}})
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size, image.n_frames) == ("PNG", (20, 10), 4)
    for number, frame in enumerate(frames):
        image.seek(number)
        assert image.convert("RGB").tobytes() == frame.data
        assert image.info["duration"] == 125
    assert b'comfprompt\0{"1": 2}' in data


def remainder(data: bytes, polynomial: int, width: int) -> int:
    """The CRC by its definition, bit by bit."""
    value = 0
    for bit in "".join(f"{byte:08b}" for byte in data):
        value = value << 1 ^ (polynomial if (value >> width - 1 & 1) != int(bit) else 0)
        value &= (1 << width) - 1
    return value


def test_a_flac_holds_the_samples_and_right_checksums() -> None:
    samples = random.Random(1).randbytes(4 * 100) + bytes(4 * 20)
    sound = Sound(48000, 2, samples)
    data = flac(sound, {"prompt": {"1": 2}})
    assert data.startswith(b"fLaC\0\0\0\x22")
    shape = int.from_bytes(data[18:26], "big")
    assert (shape >> 44, (shape >> 41 & 7) + 1, (shape >> 36 & 31) + 1, shape & (1 << 36) - 1) == (48000, 2, 16, 120)
    assert b'prompt={"1": 2}' in data
    frame = data[data.index(b"\xff\xf8") :]
    assert frame[6] == 0 or frame[:5] == b"\xff\xf8\x70\x18\0"
    assert struct.unpack(">H", frame[5:7]) == (119,)
    assert remainder(frame[:7], 0x07, 8) == frame[7]
    assert remainder(frame[:-2], 0x8005, 16) == int.from_bytes(frame[-2:], "big")
    left, right = frame[9 : 9 + 240], frame[10 + 240 : 10 + 480]
    assert frame[8] == frame[9 + 240] == 2, "as they are"
    told = [struct.unpack(">120h", channel) for channel in (left, right)]
    assert [value for pair in zip(*told, strict=True) for value in pair] == list(struct.unpack("<240h", samples))


def test_silence_takes_little_room_in_a_flac() -> None:
    sound = Sound.silence(2.0, 44100, 2)
    assert sound.length == 88200
    assert len(flac(sound, {})) < 1000


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (32000, 2), (22050, 2)])
def test_an_mp3_is_as_long_as_the_sound(rate: int, channels: int) -> None:
    data = silent_mp3(Sound.silence(1.0, rate, channels), {"prompt": {"1": 2}})
    size = sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    assert b'prompt\0{"1": 2}' in data[: 10 + size]
    frames = data[10 + size :]
    written = rate if rate != 22050 else 44100
    length = 144 * 128_000 // written
    assert {frames[at : at + 2] for at in range(0, len(frames), length)} == {b"\xff\xfb"}
    assert len(frames) // length * 1152 / written == pytest.approx(1.0, abs=0.05)


def test_a_matroska_file_holds_its_pictures() -> None:
    frames = [encode_blocks(noise(4, 3, seed)) for seed in range(5)]
    data = matroska_file(frames, 32, 24, 7.0)
    assert data.startswith(b"\x1a\x45\xdf\xa3")
    places = [data.index(frame) for frame in frames]
    assert places == sorted(places)


def test_the_first_channel_of_a_sound() -> None:
    assert list(Sound(8000, 2, struct.pack("<6h", 1, -2, 3, -4, 5, -6)).mono()) == [1, 3, 5]
