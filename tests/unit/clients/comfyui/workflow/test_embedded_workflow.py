"""Texts in the files that ComfyUI saves, and in damaged ones: the readers follow no lie."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_director.clients.comfyui.workflow import embedded_workflow
from movie_director.clients.comfyui.workflow.embedded_workflow import embedded_texts

FILES = Path(__file__).parents[4] / "recordings" / "comfyui" / "files"
NAMES = [
    "animated.png",
    "saved.webp",
    "saved.flac",
    "saved.mp4",
    "saved.webm",
    "saved.mkv",
    "saved.mp3",
    "saved.opus",
]


def texts(data: bytes):
    return embedded_texts(io.BytesIO(data))


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def movie(*boxes: bytes) -> bytes:
    return box(b"ftyp", b"isom") + box(b"moov", b"".join(boxes))


def metadata(keys: list[bytes], values: list[tuple[int, bytes]]) -> bytes:
    names = b"".join(box(b"mdta", key) for key in keys)
    listed = b"".join(box(number.to_bytes(4, "big"), box(b"data", bytes(8) + text)) for number, text in values)
    return box(b"meta", bytes(4) + box(b"keys", struct.pack(">II", 0, len(keys)) + names) + box(b"ilst", listed))


@pytest.mark.parametrize("name", NAMES)
def test_files_of_a_real_server_hold_both(name):
    with (FILES / name).open("rb") as file:
        found = embedded_texts(file)
    assert found["prompt"].startswith(b'{"1": {"class_type": "Empty')
    assert found["workflow"].startswith(b'{"nodes": [{"id": 1')


def test_another_kind_of_file_is_told_apart():
    assert texts(b"{}") is None
    assert texts(b"") is None


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_cut_anywhere_gives_what_is_whole(name):
    data = (FILES / name).read_bytes()
    whole = texts(data)
    for length in range(12, len(data), 7):
        found = texts(data[:length])
        assert set(found) <= set(whole)


@given(st.sampled_from(NAMES), st.data())
def test_no_damage_raises(name, data):
    damaged = bytearray((FILES / name).read_bytes())
    for _ in range(3):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    assert texts(bytes(damaged)) is None or isinstance(texts(bytes(damaged)), dict)


def test_boxes_of_every_size_form():
    inner = metadata([b"prompt"], [(1, b"{}")])
    long = struct.pack(">I4sQ", 1, b"moov", 16 + len(inner)) + inner
    to_the_end = struct.pack(">I4s", 0, b"moov") + inner
    for moov in (long, to_the_end):
        assert texts(box(b"ftyp", b"isom") + moov) == {"prompt": b"{}"}


@pytest.mark.parametrize(
    "data",
    [
        movie(box(b"meta", bytes(4) + box(b"keys", bytes(8)))),
        movie(metadata([b"prompt"], [(0, b"{}"), (2, b"{}")])),
        movie(struct.pack(">I4s", 4, b"meta")),
        movie(struct.pack(">I4s", 500, b"meta")),
        movie(box(b"udta", box(b"udta", metadata([b"prompt"], [(1, b"{}")])))),
    ],
    ids=["no values", "no such key", "smaller than its head", "larger than its box", "nested deeper"],
)
def test_metadata_that_says_nothing(data):
    assert texts(data) == {}


def test_more_parts_than_any_file_has(monkeypatch):
    monkeypatch.setattr(embedded_workflow, "MAX_PARTS", 2)
    chunk = struct.pack(">I4s", 0, b"IDAT") + bytes(4)
    late = struct.pack(">I4s", 9, b"tEXt") + b"prompt\0{}" + bytes(4)
    assert texts(b"\x89PNG\r\n\x1a\n" + chunk + late) == {"prompt": b"{}"}
    assert texts(b"\x89PNG\r\n\x1a\n" + chunk * 2 + late) == {}
    webp = b"RIFF\0\0\0\0WEBP" + struct.pack("<4sI", b"VP8 ", 0) * 3
    assert texts(webp) == {}
    assert texts(box(b"ftyp", b"isom") + box(b"free") * 5 + movie()) == {}


def test_only_so_much_of_a_file_is_read():
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 9, b"tEXt") + b"prompt\0{}" + bytes(4)
    assert embedded_texts(io.BytesIO(data), most=29) == {"prompt": b"{}"}
    assert embedded_texts(io.BytesIO(data), most=28) == {}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + bytes(4)


def png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


PACKED = zlib.compress(b"x" * 10_000)


def test_what_is_unpacked_counts_as_read():
    small = chunk(b"tEXt", b"prompt\0{}")
    bomb = chunk(b"zTXt", b"workflow\0\0" + PACKED)
    data = png(small, bomb)
    enough = len(data) + 10_000
    assert embedded_texts(io.BytesIO(data), most=enough) == {"prompt": b"{}", "workflow": b"x" * 10_000}
    assert embedded_texts(io.BytesIO(data), most=10_000) == {"prompt": b"{}"}


@pytest.mark.parametrize("key", [b"prompt", b"comment"])
def test_a_file_made_to_fill_the_memory_does_not(key, monkeypatch):
    unpacked = []
    real = zlib.decompressobj

    def counting():
        inner = real()

        class Counting:
            def decompress(self, data, most):
                unpacked.append(len(made := inner.decompress(data, most)))
                return made

        return Counting()

    monkeypatch.setattr(embedded_workflow.zlib, "decompressobj", counting)
    bombs = [chunk(b"zTXt", key + b"\0\0" + PACKED)] * 50 + [chunk(b"iTXt", key + b"\0\1\0\0\0" + PACKED)] * 50
    embedded_texts(io.BytesIO(png(*bombs)), most=30_000)
    assert sum(unpacked) <= 30_001


COMMENT = b'{"prompt": "{\\"1\\": 1}", "workflow": {"nodes": []}, "CreationTime": "x"}'
BOTH = {"prompt": b'{"1": 1}', "workflow": b'{"nodes": []}'}


@pytest.mark.parametrize(
    "data",
    [
        movie(box(b"udta", box(b"meta", bytes(4) + box(b"ilst", box(b"\xa9cmt", box(b"data", bytes(8) + COMMENT)))))),
        movie(box(b"udta", box(b"\xa9cmt", bytes(4) + COMMENT))),
        movie(metadata([b"comment"], [(1, COMMENT)])),
    ],
    ids=["iTunes", "QuickTime", "keys"],
)
def test_a_film_that_keeps_both_in_its_comment(data):
    assert texts(data) == BOTH


def test_what_has_a_name_of_its_own_counts_more_than_the_comment():
    own = metadata([b"comment", b"prompt"], [(1, COMMENT), (2, b"{}")])
    assert texts(movie(own)) == {**BOTH, "prompt": b"{}"}


@pytest.mark.parametrize("comment", [b"made with love", b"[1]", b"{}", b'{"prompt": ""}', b"[" * 100_000, b"\xff"])
def test_a_comment_of_another_kind(comment):
    assert texts(movie(metadata([b"comment"], [(1, comment)]))) == {}


def test_a_comment_with_half_a_character():
    assert texts(movie(metadata([b"comment"], [(1, b'{"prompt": "\\ud800"}')]))) == {"prompt": b"?"}


@pytest.mark.parametrize(
    ("text", "found"), [("ü猫".encode(), "ü猫"), ("ü".encode("latin-1"), "ü"), (b"plain", "plain")]
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_text_is_utf_8_where_it_can_be(text, found, packed):
    """By the rules of PNG it is Latin-1; editors and servers write UTF-8 all the same."""
    data = chunk(b"zTXt", b"prompt\0\0" + zlib.compress(text)) if packed else chunk(b"tEXt", b"prompt\0" + text)
    assert texts(png(data)) == {"prompt": found.encode()}


def test_other_texts_are_not_kept():
    data = png(chunk(b"tEXt", b"Software\0x"), chunk(b"tEXt", b"Prompt\0{}"), chunk(b"zTXt", b"x\0\0" + PACKED))
    assert texts(data) == {"prompt": b"{}"}


def test_little_endian_fields_and_fields_of_other_kinds():
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", 3)
    at = len(tiff) + 36
    tiff += struct.pack("<HHII", 0x0110, 2, 10, at)
    tiff += struct.pack("<HHII", 0x010F, 3, 1, 7) + struct.pack("<HHII", 0x0131, 2, 3, 0x6162)
    tiff += b"prompt:{}\0"
    data = b"RIFF\0\0\0\0WEBP" + struct.pack("<4sI", b"EXIF", len(tiff)) + tiff
    assert texts(data) == {"prompt": b"{}"}
