"""File names from servers."""

from __future__ import annotations

import ntpath
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_director.clients.files.names import MAX_NAME_BYTES, kind_and_type, safe_name, signature_problem

# moved with Python 3.13
is_reserved = getattr(ntpath, "isreserved", lambda name: PureWindowsPath(name).is_reserved())
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20 + b"IEND\xaeB`\x82"

UNSAFE = [
    ("ComfyUI_00001_.png", "ComfyUI_00001_.png"),
    ("../../x", "x"),
    ("..\\..\\x.png", "x.png"),
    ("/etc/passwd", "passwd"),
    ("C:\\x", "x"),
    ("C:x.png", "C_x.png"),
    ("\\\\server\\share\\x.png", "x.png"),
    ("x.png:stream", "x.png_stream"),
    ("a\0b.png", "a_b.png"),
    ("a\nb.png", "a_b.png"),
    ('<>:"|?*.png', "_______.png"),
    ("con", "_con"),
    ("CON.png", "_CON.png"),
    ("con .png", "_con.png"),
    ("nul.tar.gz", "_nul.tar.gz"),
    ("COM1", "_COM1"),
    ("lpt9.txt", "_lpt9.txt"),
    ("COM¹.txt", "_COM¹.txt"),
    ("conin$", "_conin$"),
    ("console.png", "console.png"),
    ("x.", "x"),
    ("x.png. . .", "x.png"),
    (" x.png ", "x.png"),
    ("x   .png", "x.png"),
    (".hidden", "hidden"),
    ("", "result"),
    (".", "result"),
    ("..", "result"),
    ("...", "result"),
    ("/", "result"),
    ("dir/", "result"),
    ("   ", "result"),
    ("🎬 Szene ä.png", "🎬 Szene ä.png"),
    ("gnp\u202egpj.exe", "gnp_gpj.exe"),
    ("a\u2028b.png", "a_b.png"),
    ("x\ud800y.png", "xy.png"),
    ("x.p\udfffng", "x.png"),
    ("~", "~"),
    ("-rf", "-rf"),
]


@pytest.mark.parametrize(("name", "safe"), UNSAFE)
def test_names_are_made_safe(name, safe):
    assert safe_name(name) == safe


def test_long_names_keep_their_extension():
    assert safe_name("x" * 300 + ".png") == "x" * (MAX_NAME_BYTES - 4) + ".png"
    assert safe_name("é" * 300 + ".png") == "é" * ((MAX_NAME_BYTES - 4) // 2) + ".png"
    assert safe_name("x." + "y" * 300) == "x." + "y" * 15
    assert safe_name("", "fallback.png") == "fallback.png"


@given(st.text(st.characters(), max_size=400) | st.text("./\\:. con\0🎬-x", max_size=40))
def test_no_name_leaves_its_folder_on_any_system(name):
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= MAX_NAME_BYTES
    assert safe == safe.strip(" ") == safe.rstrip(".")
    assert safe not in (".", "..")
    assert all(each.isprintable() for each in safe)
    for kind in (PurePosixPath, PureWindowsPath):
        assert kind(safe).name == safe
        assert not kind(safe).is_absolute()
        assert kind("folder", safe).parent == kind("folder")
    assert not is_reserved(safe)
    assert safe_name(safe) == safe


@pytest.mark.parametrize(
    ("name", "kind", "media_type"),
    [
        ("a.png", "image", "image/png"),
        ("A.JPEG", "image", "image/jpeg"),
        ("clip.mp4", "video", "video/mp4"),
        ("voice.wav", "audio", "audio/wav"),
        ("x.srt", "text", "application/x-subrip"),
        ("x.glb", "model", "model/gltf-binary"),
        ("x.exe", "other", "application/octet-stream"),
        ("x", "other", "application/octet-stream"),
    ],
)
def test_kinds_by_extension(name, kind, media_type):
    assert kind_and_type(name) == (kind, media_type)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.png", PNG, ""),
        ("a.png", b"", "it is empty"),
        ("a.png", PNG[:-1], "it is incomplete"),
        ("a.png", PNG[:8], "it is incomplete"),
        ("a.png", b"<html>login</html>", "it is no image/png"),
        ("a.png", b"\x89", "it is no image/png"),
        ("a.jpg", b"\xff\xd8\xff\xe0", ""),
        ("a.webp", b"RIFF\0\0\0\0WEBP", ""),
        ("a.webp", b"RIFF\0\0\0\0WAVE", "it is no image/webp"),
        ("a.gif", b"GIF89a", ""),
        ("a.exr", b"\x76\x2f\x31\x01rest", ""),
        ("a.mp4", b"\0\0\0\x20ftypisom", ""),
        ("a.mp4", b"\0\0\0\x20moov", "it is no video/mp4"),
        ("a.webm", b"\x1a\x45\xdf\xa3", ""),
        ("a.wav", b"RIFF\0\0\0\0WAVE", ""),
        ("a.flac", b"fLaC", ""),
        ("a.ogg", b"OggS", ""),
        ("a.glb", b"glTF", ""),
        ("a.txt", b"anything", ""),
        ("a.txt", b"", "it is empty"),
        ("a.unknown", b"anything", ""),
    ],
)
def test_signatures(tmp_path, name, content, problem):
    path = tmp_path / name
    path.write_bytes(content)
    assert signature_problem(path, kind_and_type(name)[1]) == problem
