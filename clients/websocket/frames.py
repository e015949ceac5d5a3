"""Websocket frames (RFC 6455), without any I/O: bytes in, whole messages out, and the other way round.

Own code, because what was to be had checks UTF-8 in Python (a quarter of the speed), joins fragments in quadratic time,
bounds neither messages nor the body of a refusal, takes masked frames, and follows redirects with the user's headers.
"""

from __future__ import annotations

import os
from collections import deque
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_OPCODES = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})

NORMAL, PROTOCOL_PROBLEM, BAD_TEXT, TOO_LARGE = 1000, 1002, 1007, 1009
_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})

_FINAL, _RESERVED, _OPCODE, _CONTROL, _MASKED = 0x80, 0x70, 0x0F, 0x08, 0x80
_SHORT, _IN_TWO_BYTES, _IN_EIGHT_BYTES = 125, 126, 127
_HEAD, _LONGEST_HEAD = 2, 10


class FrameError(Exception):
    """The peer breaks the protocol; ``code`` is for the close frame that says so."""

    def __init__(self, problem: str, code: int = PROTOCOL_PROBLEM) -> None:
        super().__init__(problem)
        self.code = code


class Message(NamedTuple):
    """A whole message, or a control frame, by its ``opcode``; of texts and of nothing else ``data`` is a ``str``."""

    opcode: int
    data: str | bytes


class FrameReader:
    """Cuts what a server sends into messages of at most ``max_message_bytes``. For one thread."""

    def __init__(self, max_message_bytes: int) -> None:
        self._most = max_message_bytes
        self._buffer = b""
        self._at = 0
        self._later: deque[bytes] = deque()
        self._have = 0
        self._need = _HEAD
        self._begun = CONTINUATION
        self._fragments = bytearray()

    @property
    def missing(self) -> int:
        """How many bytes at least the next message takes."""
        return max(0, self._need - self._have)

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        self._later.append(data)
        self._have += len(data)

    def next(self) -> Message | None:
        """Return the next message or control frame, None if that takes more bytes; ``FrameError`` for what is none."""
        while self._have >= self._need:
            frame = self._frame()
            if frame is not None:
                message = self._message(*frame)
                if message is not None:
                    return message
        return None

    def _frame(self) -> tuple[int, bytes] | None:
        while len(self._buffer) - self._at < _LONGEST_HEAD and self._later:
            # the head in one piece; all of it, at each arrival, would copy a large message over and over
            self._buffer = self._buffer[self._at :] + self._later.popleft()
            self._at = 0
        buffer, at = self._buffer, self._at
        first, length = buffer[at], buffer[at + 1]
        start = at + _HEAD
        if length > _SHORT:
            if length & _MASKED:
                raise FrameError("a masked frame")
            extra = 2 if length == _IN_TWO_BYTES else 8
            if self._have < _HEAD + extra:
                self._need = _HEAD + extra
                return None
            length = int.from_bytes(buffer[start : start + extra], "big")
            start += extra
        self._check(first, length)
        size = start - at + length
        if self._have < size:
            self._need = size
            return None
        self._need = _HEAD
        self._have -= size
        if len(buffer) - at >= size:
            self._at += size
            return first, buffer[start : start + length]
        return first, self._taken(start, length)

    def _taken(self, start: int, length: int) -> bytes:
        """Return the payload that begins at ``start`` and goes over several pieces; it is copied once."""
        parts = [self._buffer[start:]]
        missing = length - len(parts[0])
        while True:
            piece = self._later.popleft()
            if len(piece) >= missing:
                break
            parts.append(piece)
            missing -= len(piece)
        parts.append(piece[:missing])
        self._buffer, self._at = piece, missing
        return b"".join(parts)

    def _check(self, first: int, length: int) -> None:
        opcode = first & _OPCODE
        if first & _RESERVED or opcode not in _OPCODES:
            raise FrameError("a frame of an unknown kind")
        if opcode & _CONTROL:
            if not first & _FINAL or length > _SHORT:
                raise FrameError("a control frame in pieces or of more than 125 bytes")
        elif bool(self._begun) is not (opcode == CONTINUATION):
            raise FrameError("a fragment where none belongs")
        elif length + len(self._fragments) > self._most:
            raise FrameError(f"a message of more than {self._most} bytes", TOO_LARGE)

    def _message(self, first: int, payload: bytes) -> Message | None:
        opcode = first & _OPCODE
        if opcode & _CONTROL:
            if opcode == CLOSE:
                _check_close(payload)
            return Message(opcode, payload)
        if self._begun or not first & _FINAL:
            self._begun = self._begun or opcode
            self._fragments += payload
            if not first & _FINAL:
                return None
            opcode, payload = self._begun, bytes(self._fragments)
            self._begun, self._fragments = CONTINUATION, bytearray()
        return Message(opcode, _text(payload) if opcode == TEXT else payload)


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame: whole, and masked as clients must."""
    size = len(payload)
    if size <= _SHORT:
        head = bytes((_FINAL | opcode, _MASKED | size))
    elif size < 1 << 16:
        head = bytes((_FINAL | opcode, _MASKED | _IN_TWO_BYTES)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL | opcode, _MASKED | _IN_EIGHT_BYTES)) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    pattern = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ pattern).to_bytes(size, "big")


def _check_close(payload: bytes) -> None:
    if payload and int.from_bytes(payload[:2], "big") not in _CODES:  # of one byte: 255 at most, so no code either
        raise FrameError("a close frame without a valid code")
    _text(payload[2:])


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise FrameError("text that is not UTF-8", BAD_TEXT) from None
