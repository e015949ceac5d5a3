"""Uploads: exact bytes, streamed."""

from __future__ import annotations

import email.parser
import email.policy
import os
import tracemalloc

import pytest
import urllib3

from movie_director.clients.errors import JobCancelled, StorageError
from movie_director.clients.files.input_file import CHUNK_BYTES
from movie_director.clients.http.multipart import FileBody, MultipartUpload


def parsed(upload):
    """Read the form as a server would; the parts by name."""
    body = b"".join(upload)
    assert len(body) == int(upload.headers["Content-Length"])
    head = f"Content-Type: {upload.headers['Content-Type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP.clone(utf8=True)).parsebytes(head + body)
    assert message.is_multipart()
    assert not message.defects
    return message.get_payload()


def of(tmp_path, content=b"content", **settings):
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    given = {"fields": {}, "file_field": "image", "path": path, "file_name": "a.png", "media_type": "image/png"}
    return MultipartUpload(**{**given, **settings})


@pytest.mark.parametrize("content", [b"", b"x", b"\r\n--\r\n\0" * 100, os.urandom(CHUNK_BYTES * 2 + 5)])
def test_the_file_arrives_as_it_is(tmp_path, content):
    upload = of(tmp_path, content, fields={"type": "input", "überschreiben": "ja\r\n--x"})
    kind, over, file = parsed(upload)
    assert kind.get_param("name", header="content-disposition") == "type"
    assert kind.get_payload() == "input"
    assert "überschreiben" in str(over["content-disposition"])
    assert over.get_payload(decode=True).decode() == "ja\r\n--x"
    assert file.get_content_type() == "image/png"
    assert file.get_filename() == "a.png"
    assert b"".join(upload).count(content) >= 1
    assert file.get_payload(decode=True) == content


def test_it_can_be_sent_again(tmp_path):
    upload = of(tmp_path)
    assert b"".join(upload) == b"".join(upload)
    assert of(tmp_path).headers["Content-Type"] != upload.headers["Content-Type"]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ('a"b.png', 'filename="a%22b.png"'),
        ("a\r\nX-Injected: 1.png", 'filename="a%0D%0AX-Injected: 1.png"'),
        ("ä🎬.png", 'filename="ä🎬.png"'),
        ("a\\b.png", 'filename="a\\\\b.png"' if urllib3.__version__.startswith("1.") else 'filename="a\\b.png"'),
        ("x" * 300, f'filename="{"x" * 300}"'),
        ("half\ud800.png", 'filename="half?.png"'),
    ],
)
def test_no_name_leaves_its_header(tmp_path, name, written):
    body = b"".join(of(tmp_path, file_name=name, fields={name: "v"})).decode()
    assert written in body
    assert written.replace("filename=", "name=") in body
    head = body.partition("content")[0]
    assert "\r\nX-Injected" not in head
    assert [line.partition(":")[0] for line in head.split("\r\n") if ":" in line and not line.startswith("--")] == [
        "Content-Disposition",
        "Content-Disposition",
        "Content-Type",
    ]


def test_a_file_as_the_whole_body(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"x" * 600_000)
    told = []
    body = FileBody(path, lambda sent, total: told.append((sent, total)))
    assert body.headers == {"Content-Type": "image/png", "Content-Length": "600000"}
    assert b"".join(body) == b"".join(body) == path.read_bytes()
    assert told[-1] == (600_000, 600_000)
    path.unlink()
    with pytest.raises(StorageError):
        b"".join(body)


def test_progress_is_told_and_can_end_it(tmp_path):
    told = []
    size = CHUNK_BYTES * 2 + 5
    b"".join(of(tmp_path, b"x" * size, on_chunk=lambda sent, total: told.append((sent, total))))
    assert told == [(CHUNK_BYTES, size), (CHUNK_BYTES * 2, size), (size, size)]

    def stop(_sent, _total):
        raise JobCancelled("enough")

    with pytest.raises(JobCancelled):
        b"".join(of(tmp_path, on_chunk=stop))


def test_what_raises_while_told_is_not_taken_for_the_files_fault(tmp_path):
    def fail(_sent, _total):
        raise OSError("of the caller")

    with pytest.raises(OSError, match="of the caller") as caught:
        b"".join(of(tmp_path, on_chunk=fail))
    assert not isinstance(caught.value, StorageError)


def test_memory_is_constant(tmp_path):
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    upload = of(tmp_path, path=path)
    tracemalloc.start()
    try:
        sent = sum(len(chunk) for chunk in upload)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent == int(upload.headers["Content-Length"])
    assert peak < 8 * CHUNK_BYTES


def test_a_file_that_shrinks_or_grows(tmp_path):
    upload = of(tmp_path, b"x" * 1000)
    (tmp_path / "file.bin").write_bytes(b"x" * 999)
    with pytest.raises(StorageError, match="truncated") as caught:
        b"".join(upload)
    assert caught.value.hint
    (tmp_path / "file.bin").write_bytes(b"x" * 5000)
    assert len(b"".join(upload)) == int(upload.headers["Content-Length"])


@pytest.mark.parametrize(
    ("name", "code"),
    [("missing.png", "missing_file"), (".", "storage"), ("a\0b", "storage"), ("file.bin/x", "storage")],
)
def test_a_file_that_can_not_be_read(tmp_path, name, code):
    (tmp_path / "file.bin").touch()
    with pytest.raises(StorageError) as caught:
        of(tmp_path, path=tmp_path / name)
    assert caught.value.code == code
    assert caught.value.hint


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match="it is not a file"):
        of(tmp_path, path=tmp_path / "pipe")


def test_a_file_that_may_not_be_opened(tmp_path, monkeypatch):
    upload = of(tmp_path)

    def refuse(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "open", refuse)
    with pytest.raises(StorageError) as caught:
        b"".join(upload)
    assert caught.value.code == "no_permission"
