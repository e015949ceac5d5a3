"""The SHA-256 of a file while it comes in."""

from __future__ import annotations

import hashlib
import threading
from queue import SimpleQueue

ASIDE_BYTES = 8 * 1024 * 1024
"""From this size on the rest of a file is hashed on a thread of its own: it takes as long as the network does."""

MAX_WAITING = 2
"""Chunks, with the one that is being hashed."""


class Digest:
    """Takes a file's bytes in order. For one thread; ``close`` or ``hexdigest`` ends what it has started."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._size = 0
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = threading.Semaphore(MAX_WAITING)
        self._thread: threading.Thread | None = None

    def update(self, chunk: bytes) -> None:
        """Take the next bytes; waits while too many chunks are not hashed yet."""
        self._size += len(chunk)
        if self._size <= ASIDE_BYTES:
            self._hash.update(chunk)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="movie-director-digest", daemon=True)
            self._thread.start()
        self._room.acquire()
        self._waiting.put(chunk)

    def hexdigest(self) -> str:
        """Return the digest of all that was taken."""
        self.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Hash what still waits, and end the thread."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        for chunk in iter(self._waiting.get, None):
            self._hash.update(chunk)
            self._room.release()
