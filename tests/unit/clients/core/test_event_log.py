"""Any number of readers follow one job at their own speed, in bounded memory."""

from __future__ import annotations

import random
import threading
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.core.event_log import LOG_LINES, EventLog
from movie_director.clients.core.model import Progress, Result
from movie_director.clients.events import (
    TERMINAL,
    Cancelled,
    Failed,
    Logged,
    Previewed,
    Progressed,
    Queued,
    Reconnected,
    Started,
    Submitted,
    Succeeded,
    TextDelta,
)

STAMP = {"job_id": "j", "at": 1.0}
DONE = Succeeded(Result(), **STAMP)


def text(words):
    return TextDelta(words, **STAMP)


def progressed(fraction):
    return Progressed(Progress(fraction), **STAMP)


def logged(line):
    return Logged(line, **STAMP)


def filled(*events):
    log = EventLog("j")
    for event in events:
        log.append(event)
    return log


def polled(reader):
    return list(iter(reader.poll, None))


def names(events):
    return [type(each).__name__ for each in events]


def test_a_reader_that_keeps_up_sees_everything_in_order():
    log = EventLog("j")
    reader = log.reader()
    sent = [
        Queued(1, **STAMP),
        Submitted("b", **STAMP),
        Started(**STAMP),
        progressed(0.1),
        logged("a"),
        text("x"),
        Previewed(b"1", "image/png", **STAMP),
        text("y"),
        Reconnected(**STAMP),
        progressed(0.2),
        DONE,
    ]
    seen = []
    for event in sent:
        assert log.append(event)
        seen += polled(reader)
    assert seen == sent
    assert reader.finished
    assert reader.poll() is None
    assert list(reader) == []


def test_a_late_reader_gets_text_joined_and_only_the_newest_of_the_rest():
    log = filled(
        Queued(2, **STAMP),
        Queued(1, **STAMP),
        Started(**STAMP),
        text("a"),
        progressed(0.1),
        Previewed(b"1", "image/png", **STAMP),
        text("b"),
        progressed(0.2),
        Previewed(b"2", "image/png", **STAMP),
        Reconnected(**STAMP),
        Reconnected(**STAMP),
        text("c"),
        DONE,
    )
    assert list(log.reader()) == [
        Queued(1, **STAMP),
        Started(**STAMP),
        text("abc"),
        progressed(0.2),
        Previewed(b"2", "image/png", **STAMP),
        Reconnected(**STAMP),
        DONE,
    ]
    assert log.text() == "abc"


def test_positions_are_told_again_even_to_who_has_seen_the_one_before():
    log = filled(Queued(2, **STAMP))
    reader = log.reader()
    assert polled(reader) == [Queued(2, **STAMP)]
    log.append(Queued(1, **STAMP))
    log.append(Queued(0, **STAMP))
    assert polled(reader) == [Queued(0, **STAMP)]


def test_the_last_log_lines_are_kept():
    log = filled(*(logged(str(number)) for number in range(1000)), DONE)
    lines = [event.line for event in log.reader() if isinstance(event, Logged)]
    assert lines == [str(number) for number in range(1000 - LOG_LINES, 1000)]
    assert LOG_LINES == 200


@pytest.mark.parametrize("end", [DONE, Failed(errors.BackendError("x"), **STAMP), Cancelled(**STAMP)])
def test_nothing_comes_after_the_end(end):
    log = filled(Started(**STAMP), end)
    for event in (text("late"), progressed(1.0), logged("late"), DONE, Cancelled(**STAMP)):
        assert not log.append(event)
    assert list(log.reader()) == [Started(**STAMP), end]
    assert log.text() == ""


def test_empty_text_is_no_event():
    log = filled(text(""), Started(**STAMP), text(""), text("a"), text(""))
    assert polled(log.reader()) == [Started(**STAMP), text("a")]


def test_a_delta_has_the_time_of_its_newest_part():
    log = filled(TextDelta("a", job_id="j", at=1.0), TextDelta("b", job_id="j", at=2.0))
    assert polled(log.reader()) == [TextDelta("ab", job_id="j", at=2.0)]


PIECES = st.one_of(
    st.builds(text, st.text(st.characters(), max_size=5) | st.sampled_from(["\r\n", "\n", "\r", "🎬", "\ud800"])),
    st.builds(logged, st.text(max_size=3)),
    st.builds(progressed, st.floats(0, 1)),
    st.builds(lambda n: Queued(n, **STAMP), st.integers(0, 3)),
    st.just(Reconnected(**STAMP)),
)


@given(st.lists(PIECES, max_size=30), st.data())
def test_whatever_the_speed_the_text_is_exact_and_the_end_is_last(pieces, data):
    log = EventLog("j")
    readers = [log.reader() for _ in range(3)]
    seen = [[], [], []]
    for event in [*pieces, DONE]:
        log.append(event)
        for reader, got in zip(readers, seen, strict=True):
            for _ in range(data.draw(st.integers(0, 2))):
                got.extend(filter(None, [reader.poll()]))
    seen.append([])
    readers.append(log.reader())
    whole = "".join(each.text for each in pieces if isinstance(each, TextDelta))
    last_progress = [each for each in pieces if isinstance(each, Progressed)][-1:]
    for reader, got in zip(readers, seen, strict=True):
        got += list(reader)
        assert "".join(each.text for each in got if isinstance(each, TextDelta)) == whole
        assert got[-1] is DONE
        assert sum(isinstance(each, TERMINAL) for each in got) == 1
        assert [each for each in got if isinstance(each, Progressed)][-1:] == last_progress
    assert log.text() == whole


def test_many_readers_on_many_threads():
    log = EventLog("j")
    chunks = [f"{number} " for number in range(3000)]
    results = {}

    def read(name, reader):
        results[name] = list(reader)

    threads = [threading.Thread(target=read, args=(number, log.reader())) for number in range(8)]
    for thread in threads:
        thread.start()
    for number, chunk in enumerate(chunks):
        log.append(text(chunk))
        log.append(progressed(number / len(chunks)))
        if number % 10 == 0:
            log.append(logged(str(number)))
    log.append(DONE)
    for thread in threads:
        thread.join(HANG_GUARD_S)
    assert sorted(results) == list(range(8))
    for events in results.values():
        assert "".join(each.text for each in events if isinstance(each, TextDelta)) == "".join(chunks)
        fractions = [each.progress.fraction for each in events if isinstance(each, Progressed)]
        assert all(one <= other for one, other in pairwise(fractions))
        assert names(events).count("Succeeded") == 1
        assert events[-1] is DONE


def test_several_writers_lose_nothing():
    log = EventLog("j")

    def write(letter):
        for _ in range(500):
            log.append(text(letter))

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_GUARD_S)
    log.append(DONE)
    assert sorted("".join(each.text for each in log.reader() if isinstance(each, TextDelta))) == sorted("abcd" * 500)


def test_a_slow_reader_never_sees_the_progress_fall():
    log = EventLog("j")
    reader = log.reader()
    chance = random.Random(1)
    fractions = []
    for step in range(2000):
        log.append(progressed(step / 2000))
        if chance.random() < 0.05:
            fractions += [each.progress.fraction for each in polled(reader)]
    assert len(fractions) > 10
    assert fractions == sorted(fractions)


def test_memory_stays_flat_over_many_events():
    log = EventLog("j")
    chunks = 100_000
    others = [progressed(0.5), logged("line"), Previewed(b"p", "image/png", **STAMP), Queued(1, **STAMP)]
    chunk = text("x" * 10)
    tracemalloc.start()
    try:
        for number in range(chunks):
            log.append(chunk)
            if number % 10 == 0:
                log.append(others[number // 10 % 4])
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(log.text()) == chunks * 10
    assert used < 6 * chunks * 10, "the text alone has a million characters, of four bytes each"


def test_wait_and_its_time_out():
    log = EventLog("j")
    reader = log.reader()
    assert log.wait(reader, 0.0) is None
    assert log.wait(reader, 0.01) is None
    timer = threading.Timer(0.02, log.append, [DONE])
    timer.start()
    assert log.wait(reader, HANG_GUARD_S) is DONE
    assert log.wait(reader, None) is None
    timer.join()


def test_wakers_are_called_until_they_are_removed():
    log = EventLog("j")
    calls = []
    remove_a = log.add_waker(lambda: calls.append("a"))
    remove_b = log.add_waker(lambda: calls.append("b"))
    log.append(Started(**STAMP))
    remove_a()
    remove_a()
    log.append(text("x"))
    remove_b()
    log.append(DONE)
    log.append(text("after the end"))
    assert calls == ["a", "b", "b"]
