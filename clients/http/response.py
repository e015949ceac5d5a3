"""A response whose head has arrived: its body in bounded pieces, with typed errors, interrupted from another thread.

The body is read from the standard library's response below urllib3's: ``iter_content`` and ``stream`` hold the first
event of a stream back until a whole chunk has come, and urllib3 1.26 and 2 differ in what they do at a cut.
"""

from __future__ import annotations

import http.client
import io
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from urllib3.util.response import is_fp_closed

from ..core.errors import BackendError, ProtocolError
from .errors import TRANSPORT_ERRORS, broken_off, translated
from .interruptible_pool import Call

CHUNK_BYTES = 256 * 1024


def _unchanged(error: BackendError) -> BackendError:
    return error


class Response:
    """An answer whose head has arrived. Read it or ``close`` it; a context manager, for one thread.

    ``finish`` is applied to the errors that reading raises; it changes them in place.
    """

    def __init__(self, raw: Any, url: str, call: Call, read_timeout_s: float) -> None:
        self.status: int = raw.status
        self.url = url
        self.headers: Mapping[str, str] = raw.headers
        self.finish: Callable[[BackendError], BackendError] = _unchanged
        self._raw = raw
        self._body: Any = raw._fp  # the standard library's response below urllib3's
        # None: chunked, or up to the connection's end
        self._left = self._announced = getattr(self._body, "length", None)
        self._call = call
        self._reading = threading.Lock()
        self._read_timeout_s = read_timeout_s

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def content_type(self) -> str:
        """The media type without parameters, lower case."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int | None:
        """The length in bytes that the body will have when read, None if that is not announced."""
        return self._announced

    def chunks(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield the body as it comes, at most ``size`` bytes at a time; typed errors if it is cut or stalls."""
        return self._pieces(size, "read")

    def available(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield the body of a stream that pauses between events; too long a silence is ``stream_idle``."""
        return self._pieces(size, "stream_idle")

    def chunks_within(self, limit: int) -> Iterator[bytes]:
        """Yield the body as it comes; ``ProtocolError`` (code ``too_large``) if it exceeds ``limit`` bytes."""
        room = limit - (self.content_length or 0)
        if room >= 0:
            room = limit
            for chunk in self.chunks():
                room -= len(chunk)
                if room < 0:
                    break
                yield chunk
        if room < 0:
            self._drop()
            raise self.finish(
                ProtocolError(
                    f"The response from {self.url.partition('?')[0]} is larger than {limit} bytes.",
                    code="too_large",
                    hint="If the server can be trusted, raise max_response_bytes.",
                )
            )

    def read(self, limit: int) -> bytes:
        """Return the whole body; ``ProtocolError`` (code ``too_large``) if it has more than ``limit`` bytes."""
        return b"".join(self.chunks_within(limit))

    def buffer(self, limit: int) -> None:
        """Read the whole body now, within ``limit``; reading it later takes it from memory."""
        data = self.read(limit)
        self._body, self._left = io.BytesIO(data), len(data)

    def start(self, limit: int) -> bytes:
        """Return the body's first bytes, up to ``limit``, as far as they can be read; for error texts."""
        parts: list[bytes] = []
        length = 0
        try:
            for chunk in self.chunks(limit):
                parts.append(chunk)
                length += len(chunk)
                if length >= limit:
                    break
        except BackendError:
            pass
        return b"".join(parts)[:limit]

    def set_patience(self, seconds: float) -> None:
        """Allow so much silence from now on while ``chunks`` or ``available`` is read; for the end of a stream."""
        self._call.settimeout(seconds)

    def close(self) -> None:
        """Give the connection back if the body was read, else close it."""
        if self._left == 0 or is_fp_closed(self._body):
            self._release()
        else:
            self._drop()

    def abandon(self) -> None:
        """Close the connection, from another thread than the reader's: reading it any further raises."""
        self._call.shut_down()
        with self._reading:
            self._drop()

    def _pieces(self, size: int, phase: str) -> Iterator[bytes]:
        handled = sys.exc_info()[1]
        try:
            with self._call.guarded():
                self._call.settimeout(self._read_timeout_s)
                self._check_encoding()
                while data := self._next_piece(size):
                    yield data
                    handled = sys.exc_info()[1]  # who reads on may be handling another one by now
            self._release()
        except BackendError as error:
            self._drop()
            self.finish(error)
            raise
        except TRANSPORT_ERRORS as error:
            self._drop()
            failure = translated(error, self.url, phase=phase, interrupted=self._call.interrupted, handled=handled)
            failure.__cause__ = error
            self.finish(failure)
            raise failure from failure.__cause__

    def _piece(self, size: int) -> bytes:
        if self._left is None:
            data: bytes = self._body.read1(size)
            return data
        data = self._body.read1(min(size, self._left)) if self._left else b""
        if self._left and not data:
            raise http.client.IncompleteRead(b"", self._left)
        self._left -= len(data)
        return data

    def _check_encoding(self) -> None:
        """Refuse a packed body: ``Accept-Encoding: identity`` was sent, and a megabyte can hold a gigabyte of zeros."""
        encoding = self.headers.get("Content-Encoding", "").strip()
        if encoding.lower() not in ("", "identity"):
            raise ProtocolError(
                f"The server's response is encoded as {encoding[:40]!r}, which was not requested.",
                code="bad_encoding",
                hint="Does a proxy in front of the server compress its responses?",
            )

    def _next_piece(self, size: int) -> bytes:
        with self._reading:
            data = self._piece(size)
        if not data and self._call.interrupted:  # what looks like the end is our own breaking off
            raise broken_off(self.url)
        return data

    def _release(self) -> None:
        self._call.release()
        self._body.close()
        self._raw.release_conn()

    def _drop(self) -> None:
        self._call.release()
        self._raw.close()
