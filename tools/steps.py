"""Run steps that wait for one another, a few at a time, and sum them up in one table. Used by run_tests.py."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from xml.etree import ElementTree

# How many steps of a kind at once. The suites wait for most of their time: on two cores two of them and a Blender take
# less than half of what they take one after another.
LANES = {"setup": 2, "check": 1, "tests": 2, "blender": 1, "bench": 1}
TAIL_LINES = 120
HEARTBEAT_S = 60.0
STOP_GRACE_S = 5.0
SUMMARY = "summary.txt"


class State(Enum):
    """What became of a step."""

    WAITING = "waiting"
    RUNNING = "running"
    OK = "ok"
    FAILED = "FAILED"
    NOT_RUN = "not run"
    MISSING = "MISSING"


@dataclass(frozen=True)
class Counts:
    """Results of tests."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        text = f"{self.passed} passed, {self.failed} failed"
        return f"{text}, {self.skipped} skipped" if self.skipped else text


@dataclass
class Step:
    """One command. ``needs``: steps that must have gone well; ``after``: steps that must have ended.

    ``optional``: if it fails, what needs it is not run, which is said in capitals, and the run is no failure for that.
    ``shown``: all that it prints is shown, not only how it went wrong.
    ``junit``: the result files of a test step, each of which must be there when the command ends.
    """

    name: str
    command: Sequence[str]
    lane: str
    needs: Sequence[str] = ()
    after: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    junit: Sequence[Path] = ()
    optional: bool = False
    shown: bool = False
    timeout_s: float = 1800.0
    state: State = State.WAITING
    seconds: float = 0.0
    counts: Counts | None = None
    note: str = ""


class Runner:
    """Runs a list of steps in their order, as far as their needs and the lanes allow."""

    def __init__(self, steps: Sequence[Step], folder: Path, logs: Path, lanes: Mapping[str, int] | None = None) -> None:
        self._lanes = LANES if lanes is None else lanes
        self._steps = {step.name: step for step in steps}
        self._folder = folder
        self._logs = logs
        self._changed = threading.Condition()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self) -> bool:
        """Run all; return whether nothing failed."""
        started = time.monotonic()
        self._logs.mkdir(parents=True, exist_ok=True)
        (self._logs / SUMMARY).unlink(missing_ok=True)
        threads = []
        try:
            with self._changed:
                while self._has_waiting_or_running():
                    for step in self._startable():
                        step.state = State.RUNNING
                        threads.append(threading.Thread(target=self._run_one, args=(step,), daemon=True))
                        threads[-1].start()
                    if not self._changed.wait(HEARTBEAT_S):
                        running = [step.name for step in self._steps.values() if step.state is State.RUNNING]
                        print(f"  {time.monotonic() - started:5.0f} s  running: {', '.join(running)}", flush=True)
        except KeyboardInterrupt:
            self._stop_all()
            raise
        for thread in threads:
            thread.join()
        self._print_table(time.monotonic() - started)
        return not any(self._is_failure(step) for step in self._steps.values())

    def _is_failure(self, step: Step) -> bool:
        if step.state is State.NOT_RUN:
            return not any(self._steps[name].state is State.MISSING for name in step.needs)
        return step.state is State.FAILED

    def _has_waiting_or_running(self) -> bool:
        """Give up on what needs a step that went wrong; tell if any step is left. The lock is held."""
        given_up = True
        while given_up:
            given_up = False
            for step in self._steps.values():
                needed = [self._steps[name] for name in step.needs]
                bad = [other.name for other in needed if other.state in (State.FAILED, State.NOT_RUN, State.MISSING)]
                if step.state is State.WAITING and bad:
                    step.state, step.note = State.NOT_RUN, f"for lack of: {', '.join(bad)}"
                    given_up = True
        return any(step.state in (State.WAITING, State.RUNNING) for step in self._steps.values())

    def _startable(self) -> list[Step]:
        """Return the steps to start now. The lock is held."""
        free = dict(self._lanes)
        for step in self._steps.values():
            free[step.lane] -= step.state is State.RUNNING
        chosen = []
        for step in self._steps.values():
            waiting = step.state is State.WAITING and free[step.lane] > 0
            if waiting and all(self._has_ended(name) for name in (*step.needs, *step.after)):
                free[step.lane] -= 1
                chosen.append(step)
        return chosen

    def _has_ended(self, name: str) -> bool:
        # `after` may name a step that is not part of this run
        return name not in self._steps or self._steps[name].state not in (State.WAITING, State.RUNNING)

    def _run_one(self, step: Step) -> None:
        # the same step of another run in this checkout would write to the same files
        with locked(self._logs / f"{step.name}.lock"):
            self._run_locked(step)

    def _run_locked(self, step: Step) -> None:
        started = time.monotonic()
        for path in step.junit:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
        log = self._logs / f"{step.name}.log"
        code = self._execute(step, log)
        if step.junit:
            step.counts = sum((read_junit(path) for path in step.junit), Counts())
            if not code and step.counts.failed:
                code = 1
            if code and not step.counts.failed:
                # it broke after it had written its results, or collected nothing
                step.counts += Counts(failed=1)
        with self._changed:
            step.seconds = time.monotonic() - started
            step.state = State.OK if not code else State.MISSING if step.optional else State.FAILED
            self._print_end(step, log)
            self._changed.notify_all()

    def _execute(self, step: Step, log: Path) -> int:
        with log.open("wb") as output:
            try:
                process = subprocess.Popen(
                    step.command,
                    cwd=self._folder,
                    env={**os.environ, **step.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                output.write(f"{step.command[0]}: {error}\n".encode())
                return 1
            with self._changed:
                self._processes[step.name] = process
            try:
                return process.wait(step.timeout_s)
            except subprocess.TimeoutExpired:
                output.write(f"\nENDED AFTER {step.timeout_s:.0f} S\n".encode())
                stop(process)
                return 1
            finally:
                with self._changed:
                    del self._processes[step.name]

    def _stop_all(self) -> None:
        with self._changed:
            processes = list(self._processes.values())
        for process in processes:
            stop(process)

    def _print_end(self, step: Step, log: Path) -> None:
        if step.state is not State.OK or step.shown:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            shown = lines[-TAIL_LINES:]
            left_out = f" (the last {TAIL_LINES} of {len(lines)} lines)" if len(lines) > len(shown) else ""
            print(f"----- {step.name}: {log}{left_out}", *shown, "-----", sep="\n")
        print(self._line(step), flush=True)

    def _line(self, step: Step) -> str:
        return f"  {step.state.value:8} {step.seconds:7.1f} s  {step.name:24} {step.counts or step.note}".rstrip()

    def _print_table(self, seconds: float) -> None:
        lines = [f"\n{'=' * 32} {seconds:.0f} s in all {'=' * 32}", *map(self._line, self._steps.values()), "=" * 79]
        for step in self._steps.values():
            if step.state is State.MISSING:
                lost = [other.name for other in self._steps.values() if step.name in other.needs]
                lines.append(f"COULD NOT BE SET UP: {step.name}. NOT TESTED: {', '.join(lost) or 'nothing'}".upper())
        failed = [step.name for step in self._steps.values() if self._is_failure(step)]
        lines.append(f"FAILED: {', '.join(failed)}" if failed else "all steps ok")
        totals = [step.counts for step in self._steps.values() if step.counts]
        # the last line, alone: what reads the run's result looks for it here
        if any(step.junit for step in self._steps.values()):
            lines.append(str(sum(totals, Counts())))
        (self._logs / SUMMARY).write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(*lines, sep="\n", flush=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; waits for another process that holds it."""
    with path.open("w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def read_junit(path: Path) -> Counts:
    """Count the results in a JUnit XML file; a missing or broken one is a run that broke: one failure."""
    try:
        suites = list(ElementTree.parse(path).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        return Counts(failed=1)
    total = Counts()
    for suite in suites:
        tests, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        total += Counts(max(0, tests - failed - skipped), failed, skipped)
    return total


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started with start_new_session, and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_GRACE_S)
    # also what is left of its children when it has ended in order itself
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
