"""The job journal: nothing that was sent is forgotten, whatever becomes of the process or the file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.runtime import journal as journal_module
from movie_director.runtime.journal import JobJournal


def record(job_id, stage="sent"):
    return {"id": job_id, "backend": "scripted", "stage": stage, "request": {"prompt": "x"}}


def files(folder):
    return sorted(path.name.partition(".")[2] for path in folder.iterdir())


@pytest.fixture
def opened():
    """Make journals that are closed at the test's end."""
    journals = []

    def make(folder):
        journals.append(JobJournal(folder))
        return journals[-1]

    yield make
    for journal in journals:
        journal.close()


def left_behind(folder, *job_ids):
    """Write a journal as a process leaves it that was killed."""
    journal = JobJournal(folder)
    for job_id in job_ids:
        journal.set_tag(job_id, {"scene": job_id})
        journal.record(record(job_id))
    journal._file.close()
    journal._owned.release()
    return journal._path


def test_unfinished_jobs_of_a_dead_process_are_taken_over_with_their_tags(opened, tmp_path):
    old = left_behind(tmp_path, "a", "b")
    journal = opened(tmp_path)
    entries = journal.take_over()
    assert [(entry.record, entry.tag) for entry in entries] == [
        (record("a"), {"scene": "a"}),
        (record("b"), {"scene": "b"}),
    ]
    assert not old.exists()
    assert opened(tmp_path).take_over() == []
    journal.ended("a", "succeeded")
    journal.ended("unknown", "succeeded")
    journal.close()
    assert [entry.record["id"] for entry in opened(tmp_path).take_over()] == ["b"]


def test_a_living_process_s_journal_is_left_alone(opened, tmp_path):
    living = opened(tmp_path)
    living.record(record("mine"))
    assert opened(tmp_path).take_over() == []
    assert living.take_over() == []
    living.close()


def test_a_later_record_of_a_job_replaces_the_earlier(opened, tmp_path):
    path = left_behind(tmp_path, "a")
    with path.open("a") as file:
        file.write(json.dumps({"format": 1, "record": record("a", "accepted")}) + "\n")
    (entry,) = opened(tmp_path).take_over()
    assert entry.record["stage"] == "accepted"
    assert entry.tag == {}


def test_a_finished_journal_leaves_no_file(opened, tmp_path):
    journal = opened(tmp_path / "state")
    journal.record(record("a"))
    journal.ended("a", "succeeded")
    journal.close()
    journal.close()
    assert files(tmp_path / "state") == []


@pytest.mark.parametrize(
    "damage",
    [
        b'{"format": 1, "record": {"id": "c", "sta',
        b"\x00\xff\xfe garbage\n",
        b'{"format": 99, "record": {"id": "c"}}\n',
        b'{"format": 1}\n',
        b'{"format": 1, "record": 5}\n',
        b'{"format": 1, "record": {"id": 5}}\n',
        b'{"format": 1, "record": {"id": "c"}}\n',
        b'{"format": 1, "record": {"id": "c", "backend": 5}}\n',
        b'{"format": 1, "record": {"id": "c", "backend": "b"}, "tag": "text"}\n',
        b'{"format": 1, "record": {"id": "c", "backend": "b"}, "tag": {"scene": 5}}\n',
        b"[]\n",
        b"5\n",
        b"[" * 100_000 + b"\n",
    ],
)
def test_damaged_and_cut_off_lines_are_skipped(opened, tmp_path, damage):
    path = left_behind(tmp_path, "a")
    whole = path.read_bytes()
    path.write_bytes(damage + b"\n" + whole + damage)
    assert [entry.record["id"] for entry in opened(tmp_path).take_over()] == ["a"]


def test_a_journal_cut_at_any_byte_gives_the_jobs_that_are_whole(opened, tmp_path):
    path = left_behind(tmp_path, "a", "b")
    whole = path.read_bytes()
    first = whole.index(b"\n")
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        ids = list(journal_module.read_unfinished(path))
        assert ids == (["a"] if first <= cut < len(whole) - 1 else ["a", "b"] if cut >= len(whole) - 1 else [])


def test_a_record_that_was_overtaken_changes_nothing(opened, tmp_path):
    journal = opened(tmp_path)
    journal.record(record("a", "sent"))
    journal.record(record("a", "queued"), first=True)
    journal.record(record("b", "queued"), first=True)
    assert [entry.record["stage"] for entry in journal.unfinished()] == ["sent", "queued"]
    journal.ended("a", "cancelled")
    journal.record(record("a", "accepted"))
    journal.close()
    assert [entry.record["id"] for entry in opened(tmp_path).take_over()] == ["b"]


def test_only_so_many_ended_jobs_are_remembered(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "ENDED_REMEMBERED", 2)
    journal = opened(tmp_path)
    for number in range(5):
        journal.ended(str(number), "succeeded")
    assert list(journal._ended) == ["3", "4"]


def test_a_journal_that_can_not_be_locked_is_left_for_later(opened, tmp_path, monkeypatch, caplog):
    path = left_behind(tmp_path, "a")

    def refuse(_path):
        raise PermissionError(13, "no")

    monkeypatch.setattr(journal_module, "_acquire", refuse)
    assert opened(tmp_path).take_over() == []
    assert "can't be locked" in caplog.text
    assert path.exists()


def test_a_long_journal_is_compacted_to_what_is_unfinished(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "COMPACT_ABOVE_BYTES", 2000)
    journal = opened(tmp_path)
    journal.record(record("kept"))
    for number in range(200):
        journal.record(record(str(number)))
        journal.ended(str(number), "succeeded")
    assert journal._path.stat().st_size < 2000
    journal.close()
    assert [entry.record["id"] for entry in opened(tmp_path).take_over()] == ["kept"]


def test_a_journal_that_can_not_be_written_is_a_storage_error(opened, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(errors.StorageError):
        opened(blocked / "state").record(record("a"))


def test_a_journal_that_can_not_be_read_is_left_for_later(opened, tmp_path, monkeypatch, caplog):
    path = left_behind(tmp_path, "a")

    def refuse(_path):
        raise PermissionError(13, "no")

    monkeypatch.setattr(journal_module, "read_unfinished", refuse)
    assert opened(tmp_path).take_over() == []
    assert "can't be taken over" in caplog.text
    assert path.exists()


def test_no_folder_means_nothing_to_take_over(opened, tmp_path):
    assert opened(tmp_path / "none").take_over() == []


KILLED = """
import sys
from pathlib import Path
from movie_director.runtime.journal import JobJournal
journal = JobJournal(Path(sys.argv[1]))
journal.record({"id": "killed", "backend": "scripted", "stage": "sent"})
print("written", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_process_loses_no_record(opened, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    ) as process:
        assert process.stdout.readline() == b"written\n"
        assert opened(tmp_path).take_over() == []
        process.kill()
        process.wait(HANG_GUARD_S)
    assert [entry.record["id"] for entry in opened(tmp_path).take_over()] == ["killed"]
