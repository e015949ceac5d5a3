"""The tags of sounds and clips, also of forms that ComfyUI itself does not write, and damaged ones."""

from __future__ import annotations

import io
import struct

import pytest

from movie_director.clients.comfyui.workflow import media_tags
from movie_director.clients.comfyui.workflow.embedded_workflow import embedded_texts

COMMENT = b'{"prompt": "{}", "workflow": {"nodes": []}}'
BOTH = {"prompt": b"{}", "workflow": b'{"nodes": []}'}


def texts(data: bytes) -> dict[str, bytes] | None:
    return embedded_texts(io.BytesIO(data))


# Matroska

UNKNOWN = b"\x01" + b"\xff" * 7


def element(kind: int, body: bytes, size: bytes | None = None) -> bytes:
    head = kind.to_bytes((kind.bit_length() + 7) // 8, "big")
    return head + (size or (len(body) | 1 << 56).to_bytes(8, "big")) + body


def tag(*pairs: tuple[int, bytes]) -> bytes:
    return element(0x7373, element(0x67C8, b"".join(element(kind, body) for kind, body in pairs)))


def clip(*children: bytes, size: bytes | None = None) -> bytes:
    return element(0x1A45DFA3, b"\x42\x86\x81\x01") + element(0x18538067, b"".join(children), size)


NAME, STRING, LANGUAGE, CLUSTER, TAGS = 0x45A3, 0x4487, 0x447A, 0x1F43B675, 0x1254C367


def test_tags_before_and_behind_the_pictures() -> None:
    first = element(TAGS, tag((NAME, b"PROMPT"), (LANGUAGE, b"und"), (STRING, b"{}\0")))
    last = element(TAGS, tag((STRING, b"[]"), (NAME, b"WORKFLOW")))
    assert texts(clip(first, element(CLUSTER, bytes(1000)), last)) == {"prompt": b"{}", "workflow": b"[]"}
    assert texts(clip(element(TAGS, tag((NAME, b"COMMENT"), (STRING, COMMENT))))) == BOTH


def test_a_film_that_was_sent_as_it_was_made_has_no_sizes() -> None:
    tags = element(TAGS, tag((NAME, b"PROMPT"), (STRING, b"{}")))
    assert texts(clip(tags, element(CLUSTER, bytes(100), UNKNOWN), size=UNKNOWN)) == {"prompt": b"{}"}


@pytest.mark.parametrize(
    "data",
    [
        clip(element(TAGS, tag((NAME, b"PROMPT")))),
        clip(element(TAGS, tag((STRING, b"{}")))),
        clip(element(TAGS, element(0x7373, tag((NAME, b"PROMPT"), (STRING, b"{}"))))),
        clip(element(TAGS, b"\x00")),
        clip(element(TAGS, b"\x73\x73\xff")),
        clip(element(TAGS, b"\x73\x73\x10")),
        clip(element(TAGS, b"", b"\x01\x00\xff\xff\xff\xff\xff\xff")),
        clip(element(TAGS, b"\x01\x02\x03")),
    ],
    ids=["no text", "no name", "nested deeper", "no id", "open end", "cut size", "larger than the file", "long id"],
)
def test_a_film_whose_tags_say_nothing(data: bytes) -> None:
    assert texts(data) == {}


def test_a_film_of_more_parts_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_tags, "MAX_PARTS", 3)
    tags = element(TAGS, tag((NAME, b"PROMPT"), (STRING, b"{}")))
    assert texts(clip(element(0xEC, b""), element(0xEC, b""), tags)) == {"prompt": b"{}"}
    assert texts(clip(*[element(0xEC, b"")] * 3, tags)) == {}


# Ogg


def page(serial: int, *segments: bytes, mark: bytes = b"OggS") -> bytes:
    head = struct.pack("<4sBBqIIIB", mark, 0, 0, 0, serial, 0, 0, len(segments))
    return head + bytes(map(len, segments)) + b"".join(segments)


def laced(packet: bytes) -> list[bytes]:
    """Cut a packet into segments: it goes on after each of 255 bytes."""
    return [packet[at : at + 255] for at in range(0, len(packet) + 1, 255)]


def comments(*pairs: bytes) -> bytes:
    listed = b"".join(struct.pack("<I", len(pair)) + pair for pair in pairs)
    return struct.pack("<I", 3) + b"abc" + struct.pack("<I", len(pairs)) + listed


LONG = b"x" * 900


@pytest.mark.parametrize("head", [b"OpusTags", b"\x03vorbis", b"\x04\0\0\0"], ids=["Opus", "Vorbis", "FLAC"])
def test_comments_over_several_pages_between_those_of_another_stream(head: bytes) -> None:
    segments = laced(head + comments(b"prompt={}", b"ARTIST=" + LONG, b"DESCRIPTION=" + COMMENT))
    pages = [page(1, b"head"), page(2, b"picture"), page(1, *segments[:2]), page(2, b"more"), page(1, *segments[2:])]
    assert texts(b"".join(pages)) == BOTH


@pytest.mark.parametrize(
    "data",
    [
        page(1, b"head"),
        page(1, b"head") + page(1, b"Speex   " + comments(b"prompt={}")),
        page(1, b"head") + page(1, b"OpusTags", mark=b"Oggs"),
        page(1, b"head") + page(1, b"OpusTags"),
        page(1, b"head") + page(1, *laced(b"OpusTags" + comments(b"prompt={}" + LONG))[:2]),
    ],
    ids=["one packet", "of another kind", "no page", "no comments", "cut"],
)
def test_a_sound_without_comments(data: bytes) -> None:
    assert texts(data) == {}


def test_a_sound_of_more_pages_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_tags, "MAX_PARTS", 2)
    tags = page(1, b"OpusTags" + comments(b"prompt={}"))
    assert texts(page(1, b"head") + tags) == {"prompt": b"{}"}
    assert texts(page(1, b"head") + page(2, b"x") + tags) == {}


# MP3


def frame(kind: bytes, body: bytes, version: int = 4, flags: int = 0) -> bytes:
    size = seven(len(body)) if version == 4 else struct.pack(">I", len(body))
    return kind + size + bytes([0, flags]) + body


def seven(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def song(body: bytes, version: int = 4, flags: int = 0) -> bytes:
    return b"ID3" + bytes([version, 0, flags]) + seven(len(body)) + body + b"\xff\xfb"


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize(
    "body",
    [
        b"\3prompt\0{}",
        b"\0prompt\0{}\0",
        b"\1" + "prompt\0".encode("utf-16") + "{}".encode("utf-16"),
        b"\2" + "prompt\0{}".encode("utf-16-be"),
    ],
    ids=["UTF-8", "Latin-1", "UTF-16", "UTF-16BE"],
)
def test_texts_of_every_coding(version: int, body: bytes) -> None:
    frames = frame(b"TIT2", b"\3title", version) + frame(b"TXXX", body, version) + bytes(20)
    assert texts(song(frames, version)) == {"prompt": b"{}"}


def test_a_character_that_holds_the_end_mark_of_another() -> None:
    body = b"\2" + "Āprompt\0{}".encode("utf-16-be")
    assert texts(song(frame(b"TXXX", body) + frame(b"TXXX", b"\3workflow\0[]"))) == {"workflow": b"[]"}


def test_a_comment_in_a_language() -> None:
    assert texts(song(frame(b"COMM", b"\3eng\0" + COMMENT))) == BOTH


def test_what_is_unsynchronised_or_has_a_longer_head() -> None:
    text = b"\3prompt\0\xff\0"
    whole = "ÿ".encode()
    assert texts(song(frame(b"TXXX", b"\0prompt\0\xff\0{}", 3), 3, flags=0x80)) is not None
    marked = frame(b"TXXX", b"\0prompt\0\xff", 3)
    assert texts(song(marked.replace(b"\xff", b"\xff\0"), 3, flags=0x80)) == {"prompt": whole}
    assert texts(song(frame(b"TXXX", b"\0" + text[1:], flags=0x02))) == {"prompt": whole}
    assert texts(song(frame(b"TXXX", bytes(4) + b"\3prompt\0{}", flags=0x01))) == {"prompt": b"{}"}
    old = struct.pack(">I", 6) + bytes(6) + frame(b"TXXX", b"\3prompt\0{}", 3)
    assert texts(song(old, 3, flags=0x40)) == {"prompt": b"{}"}
    new = seven(6) + bytes(2) + frame(b"TXXX", b"\3prompt\0{}")
    assert texts(song(new, flags=0x40)) == {"prompt": b"{}"}


@pytest.mark.parametrize(
    "data",
    [
        song(frame(b"TXXX", b"\3prompt\0{}", 3), version=2),
        song(frame(b"TXXX", b"\3prompt\0{}", flags=0x08)),
        song(frame(b"TXXX", b"\3prompt\0{}", 3, flags=0x80), 3),
        song(frame(b"TXXX", b"\7prompt\0{}")),
        song(frame(b"TXXX", b"")),
        song(frame(b"TXXX", b"\3prompt")),
        song(b"TXXX" + seven(500) + b"\0\0\3prompt\0{}"),
        song(frame(b"TXXX", b"\3prompt\0{}"))[:15],
        b"ID3\4",
    ],
    ids=["2.2", "packed", "packed in 2.3", "no coding", "empty", "no value", "too long", "cut", "a head alone"],
)
def test_a_song_whose_tag_says_nothing(data: bytes) -> None:
    assert not (texts(data) or {}).get("prompt")
