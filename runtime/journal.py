"""The job journal: what was sent to which backend, on disk before it is sent, so that a crash loses no result.

Each process appends JSON lines to a file of its own and holds its lock while it lives. A file whose lock is free
belongs to a process that has ended: what is unfinished in it can be re-joined. A line that a crash cut off, or that
is damaged, is skipped.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..clients.core.errors import StorageError
from ..clients.files.storage_errors import prepare_folder, storage_errors

if TYPE_CHECKING:
    from filelock import BaseFileLock

_log = logging.getLogger(__name__)

FORMAT = 1
COMPACT_ABOVE_BYTES = 4 * 1024 * 1024
ENDED_REMEMBERED = 1000
"""So many ended jobs can't come back through a record that was on its way when they ended."""


@dataclass(frozen=True)
class JournalEntry:
    """An unfinished job: its record, and the tag it was submitted with."""

    record: Mapping[str, Any]
    tag: Mapping[str, str] = field(default_factory=dict)


class JobJournal:
    """Append-only and thread-safe. Opens its file with the first line; every method does I/O, so none is for the main
    thread.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._unfinished: dict[str, JournalEntry] = {}
        self._tags: dict[str, Mapping[str, str]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._file: TextIO | None = None
        self._owned: BaseFileLock | None = None
        self._path = folder / f"jobs-{os.getpid()}-{os.urandom(4).hex()}.jsonl"

    def set_tag(self, job_id: str, tag: Mapping[str, str]) -> None:
        """Remember the tag that goes with a job's records; no I/O."""
        self._tags[job_id] = dict(tag)

    def record(self, record: Mapping[str, Any], *, first: bool = False) -> None:
        """Keep a job's record; it survives the end of this process when this returns. ``StorageError`` if it can't be
        written.
        """
        with self._lock:
            if record["id"] in self._ended or (first and record["id"] in self._unfinished):
                return
            entry = JournalEntry(dict(record), self._tags.get(record["id"], {}))
            self._unfinished[record["id"]] = entry
            self._append(_line_of(entry))

    def ended(self, job_id: str, outcome: str) -> None:
        """Keep that the job needs nothing more; ``outcome`` is for people who read the file."""
        with self._lock:
            self._tags.pop(job_id, None)
            self._ended[job_id] = None
            if len(self._ended) > ENDED_REMEMBERED:
                self._ended.popitem(last=False)
            if self._unfinished.pop(job_id, None) is not None:
                self._append(json.dumps({"format": FORMAT, "ended": job_id, "outcome": outcome}))

    def unfinished(self) -> list[JournalEntry]:
        """Return this process's own unfinished jobs."""
        with self._lock:
            return list(self._unfinished.values())

    def take_over(self) -> list[JournalEntry]:
        """Return the unfinished jobs of processes that have ended, and make them this process's own."""
        entries: list[JournalEntry] = []
        if not self._folder.is_dir():
            return entries
        for path in sorted(self._folder.glob("jobs-*.jsonl")):
            if path != self._path:
                entries += self._take_over_file(path)
        return entries

    def close(self) -> None:
        """Let the file go; without unfinished jobs in it, it is removed."""
        with self._lock:
            if self._file is None or self._owned is None:
                return
            self._file.close()
            self._file = None
            if not self._unfinished:
                self._path.unlink(missing_ok=True)
            _release(self._owned)
            self._owned = None

    def _take_over_file(self, path: Path) -> list[JournalEntry]:
        try:
            owned = _acquire(path)
        except OSError as error:
            _log.warning("The job journal %s can't be locked: %s", path.name, error)
            return []
        if owned is None:
            return []
        try:
            entries = list(read_unfinished(path).values())
            for entry in entries:
                self.set_tag(entry.record["id"], entry.tag)
                self.record(entry.record)
            path.unlink(missing_ok=True)
        except (OSError, StorageError) as error:
            _log.warning("The job journal %s can't be taken over: %s", path.name, error)
            return []
        finally:
            _release(owned)
        return entries

    def _append(self, line: str) -> None:
        with storage_errors(self._folder):
            file = self._open()
            file.write(line + "\n")
            file.flush()
            if file.tell() > COMPACT_ABOVE_BYTES:
                self._compact(file)

    def _open(self) -> TextIO:
        if self._file is None:
            prepare_folder(self._folder)
            self._owned = _acquire(self._path)
            self._file = self._path.open("a", encoding="utf-8")
        return self._file

    def _compact(self, old: TextIO) -> None:
        """Rewrite the file with the unfinished jobs alone; a crash meanwhile leaves the old file whole."""
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.writelines(_line_of(entry) + "\n" for entry in self._unfinished.values())
        old.close()
        fresh.replace(self._path)
        self._file = self._path.open("a", encoding="utf-8")


def read_unfinished(path: Path) -> dict[str, JournalEntry]:
    """Return the jobs of a journal file that have a record and no end, in the order they were begun."""
    unfinished: dict[str, JournalEntry] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in _lines_of(file):
            if "ended" in line:
                unfinished.pop(line["ended"], None)
            else:
                unfinished[line["record"]["id"]] = JournalEntry(line["record"], line.get("tag", {}))
    return unfinished


def _lines_of(file: Iterable[str]) -> Iterable[dict[str, Any]]:
    for text in file:
        try:
            line = json.loads(text)
            usable = line["format"] == FORMAT and ("ended" in line or _is_entry(line))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        if usable:
            yield line


def _is_entry(line: Mapping[str, Any]) -> bool:
    record, tag = line["record"], line.get("tag", {})
    texts = isinstance(record["id"], str) and isinstance(record["backend"], str)
    return texts and isinstance(tag, dict) and all(isinstance(value, str) for value in tag.values())


def _line_of(entry: JournalEntry) -> str:
    return json.dumps({"format": FORMAT, "record": entry.record, "tag": entry.tag})


def _acquire(path: Path) -> BaseFileLock | None:
    """Return the lock of a journal file, None if a living process holds it."""
    from filelock import FileLock, Timeout  # here, because only a runtime with jobs needs it

    lock = FileLock(path.with_suffix(".lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def _release(lock: BaseFileLock) -> None:
    lock.release()
    Path(lock.lock_file).unlink(missing_ok=True)
