"""The queue of a mock Gradio server: events wait, run in threads of their own, and send messages to their session.

As in the real one, each wired function (or group of them) runs a limited number of events at once, a generator
continues only while a client listens, and an ordinary function cannot be stopped.
"""

from __future__ import annotations

import copy
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any

from ..http.context import SimulatedClock
from .app import App, Dependency, GradioError, check_input, generator_or_none, output_values
from .events import Call, Event
from .files import FileCache
from .messages import Dialect, Message, make_diff

JOIN_S = 0.5
START_S = 0.05
"""How often the real server looks for events to start, in generations 4 and 5."""


class QueueFull(Exception):
    """The queue is full; the text is the server's."""


class EventQueue:
    """The events of one server. Safe from any thread.

    ``max_size`` bounds the waiting events (None: no bound); ``show_errors`` sends the text of every exception to
    clients. ``fails`` is called before a function runs; the error it returns is raised instead.
    """

    def __init__(self, app: App, dialect: Dialect, files: FileCache, clock: SimulatedClock) -> None:
        self.max_size: int | None = None
        self.show_errors = False
        self.fails: Callable[[Dependency], Exception | None] = lambda _: None
        self._app = app
        self._dialect = dialect
        self._files = files
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[Event]] = defaultdict(deque)
        self._starting: Counter[str] = Counter()
        self._running: dict[str, list[Event]] = defaultdict(list)
        self._mail: dict[str, deque[Message]] = {}
        self._pending: dict[str, set[str]] = defaultdict(set)
        self._events: dict[str, Event] = {}
        self._times: dict[int, list[float]] = defaultdict(list)
        self._threads: list[threading.Thread] = []

    # Calls from routes

    def push(self, event: Event) -> None:
        """Queue an event; raise ``QueueFull``."""
        group = event.dependency.concurrency_group
        with self._changed:
            waiting = self._waiting[group]
            if self.max_size is not None and sum(map(len, self._waiting.values())) >= self.max_size:
                size = sum(map(len, self._waiting.values()))
                raise QueueFull(f"Queue is full. Max size is {self.max_size} and size is {size}.")
            self._mail.setdefault(event.session, deque())
            self._pending[event.session].add(event.id)
            self._events[event.id] = event
            waiting.append(event)
            self._estimate(group, since=len(waiting) - 1)
            self._start_next(group)

    def cancel(self, session: str, event_id: str) -> None:
        """End an event for its client at once. A generator does not continue; an ordinary function runs on. Before
        generation 6 an event that waits stays in the queue (gradio issue 13323), and runs for nobody.
        """
        with self._changed:
            event = self._events.get(event_id)
            if event is not None and event.alive and event.session == session:
                event.alive, event.cancelled = False, True
                if self._dialect.generation > 5 or event in self._running[event.dependency.concurrency_group]:
                    self._release(event)
            if session in self._mail:
                self._post(session, self._dialect.completed(event_id, {}, success=True))

    def knows(self, session: str) -> bool:
        with self._changed:
            return session in self._mail

    def event(self, event_id: str) -> Event | None:
        with self._changed:
            return self._events.get(event_id)

    def size(self) -> int:
        with self._changed:
            return sum(map(len, self._waiting.values()))

    def receive(self, session: str, timeout: float) -> list[Message] | None:
        """Return the messages for a session, waiting up to ``timeout`` seconds for one; None: unknown session."""
        with self._changed:
            mail = self._mail.get(session)
            if mail is None:
                return None
            if not mail:
                self._changed.wait(timeout)
                self._collect_progress(session)
            taken = list(mail)
            mail.clear()
            return taken

    def completed(self, session: str, event_id: str) -> bool:
        """Note that the client received an event's end; return True if nothing of its session is pending."""
        with self._changed:
            self._events.pop(event_id, None)
            self._pending[session].discard(event_id)
            return not self._pending[session]

    def leave(self, session: str) -> None:
        """Drop a session whose client left the stream: its generators do not continue, its waiting events are removed,
        and the session stays pending for ever."""
        with self._changed:
            self._mail.pop(session, None)
            for events in self._running.values():
                for event in events:
                    if event.session == session:
                        event.alive = False
            for waiting in self._waiting.values():
                for event in [each for each in waiting if each.session == session]:
                    waiting.remove(event)

    def run_now(self, event: Event) -> Message:
        """Run a function without the queue and raise its errors; of a generator, take the first value."""
        begun = time.monotonic()
        values, steps = self._first(event)
        return self._output(event, values, begun, generating=steps is not None)

    def stop(self) -> None:
        """Forget everything and wait briefly for the threads (a function that calls this continues)."""
        with self._changed:
            for events in self._running.values():
                for event in events:
                    event.alive = False
            self._waiting.clear()
            self._starting.clear()
            self._running.clear()
            self._mail.clear()
            self._pending.clear()
            self._events.clear()
            threads, self._threads = self._threads, []
            self._changed.notify_all()
        deadline = time.monotonic() + JOIN_S
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    # Messages; the lock is held

    def _post(self, session: str, message: Message) -> None:
        mail = self._mail.get(session)
        if mail is not None:
            mail.append(message)
            self._changed.notify_all()

    def _send(self, event: Event, message: Message) -> None:
        with self._changed:
            if event.alive:
                self._flush(event)
                self._post(event.session, message)

    def _flush(self, event: Event) -> None:
        units, event.progress = event.progress, None
        if units is not None:
            self._post(event.session, self._dialect.progress(event.id, units))

    def _collect_progress(self, session: str) -> None:
        for events in self._running.values():
            for event in events:
                if event.session == session and event.alive:
                    self._flush(event)

    def log(self, event: Event, text: str, level: str) -> None:
        self._send(event, self._dialect.log(event.id, text, level))

    def _estimate(self, group: str, since: int = 0) -> None:
        waiting = self._waiting[group]
        busy = 1 if self._running[group] else 0
        for rank, event in enumerate(waiting):
            average = self._average(event.dependency)
            eta = None if average is None else average * (rank + 1 + busy)
            if rank >= since:
                self._post(event.session, self._dialect.estimation(event.id, rank, len(waiting), eta))

    def _average(self, dependency: Dependency) -> float | None:
        times = self._times[dependency.id]
        return sum(times) / len(times) if times else None

    # Running

    def _start_next(self, group: str) -> None:
        waiting = self._waiting[group]
        while len(waiting) > self._starting[group] and self._has_room(group, waiting[0].dependency.limit):
            self._starting[group] += 1
            thread = threading.Thread(target=self._start, args=(group,), name=f"mock-gradio-{group}", daemon=True)
            self._threads = [each for each in self._threads if each.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _has_room(self, group: str, limit: int | None) -> bool:
        return limit is None or len(self._running[group]) + self._starting[group] < limit

    def _start(self, group: str) -> None:
        if self._dialect.generation < 6:
            self._clock.wait(START_S)
        with self._changed:
            self._starting[group] -= 1
            if not self._waiting[group]:
                return
            event = self._waiting[group].popleft()
            self._running[group].append(event)
            self._estimate(group)
        self._run(event)

    def _release(self, event: Event) -> None:
        group = event.dependency.concurrency_group
        if event in self._waiting[group]:
            self._waiting[group].remove(event)
        if event in self._running[group]:
            self._running[group].remove(event)
            self._start_next(group)

    def _run(self, event: Event) -> None:
        begun = time.monotonic()
        self._send(event, self._dialect.starts(event.id, self._average(event.dependency)))
        try:
            values, steps = self._first(event)
        except Exception as error:  # noqa: BLE001 - a function may raise anything, which is sent to the client
            self._fail(event, error, first=True)
        else:
            self._finish(event, values, steps, begun)
        with self._changed:
            self._times[event.dependency.id] = [*self._times[event.dependency.id][-99:], time.monotonic() - begun]
            self._release(event)

    def _first(self, event: Event) -> tuple[list[Any], Iterator[Any] | None]:
        """Call the function; return its first values, and the generator if there are more."""
        dependency = event.dependency
        failure = self.fails(dependency)
        if failure is not None:
            raise failure
        if dependency.function is None:
            raise TypeError("a step of JavaScript alone")
        result = dependency.function(Call(event, self.log, self._files), *self._inputs(event))
        steps = generator_or_none(result)
        if steps is None:
            return self._store_states(event, output_values(result, dependency)), None
        return self._store_states(event, output_values(next(steps), dependency)), steps

    def _inputs(self, event: Event) -> list[Any]:
        wanted = event.dependency.inputs
        if len(event.data) < len(wanted):
            raise ValueError("too few values")
        values = []
        for component_id, value in zip(wanted, event.data, strict=False):
            if self._app.is_state(component_id):
                values.append(self._app.state(event.session, component_id))
                continue
            component = self._app.components.get(component_id)
            values.append(value if component is None else check_input(value, component, self._dialect.generation))
        return values

    def _store_states(self, event: Event, values: list[Any]) -> list[Any]:
        """Store the States among the values and return the values to send: a State as None."""
        sent: list[Any] = []
        for component_id, value in zip(event.dependency.outputs, values, strict=True):
            state = self._app.is_state(component_id)
            if state:
                self._app.set_state(event.session, component_id, value)
            sent.append(None if state else copy.deepcopy(value))
        return sent

    def _output(self, event: Event, values: list[Any], begun: float, *, generating: bool) -> Message:
        spent = time.monotonic() - begun
        event.spent.append(spent)
        average = sum(event.spent) / len(event.spent)
        return self._dialect.output(values, generating=generating, duration=spent, average=average)

    def _finish(self, event: Event, values: list[Any], steps: Iterator[Any] | None, begun: float) -> None:
        if steps is not None:
            last = self._send_yields(event, values, steps, begun)
            if last is None:
                return
            values, begun = last
        output = self._output(event, values, begun, generating=False)
        self._send(event, self._dialect.completed(event.id, output, success=True))

    def _send_yields(
        self, event: Event, values: list[Any], steps: Iterator[Any], begun: float
    ) -> tuple[list[Any], float] | None:
        """Send every yield; return the last values and the time they were asked for; None: it failed, or was left."""
        sent: list[Any] | None = None
        while True:
            shown = values if sent is None or event.whole else self._diffs(event, sent, values)
            sent = values
            output = self._output(event, shown, begun, generating=True)
            self._send(event, self._dialect.generating(event.id, output))
            if not event.alive:
                return None
            begun = time.monotonic()
            try:
                values = self._store_states(event, output_values(next(steps), event.dependency))
            except StopIteration:
                return sent, begun
            except Exception as error:  # noqa: BLE001 - as in _run
                self._fail(event, error, first=False)
                return None

    def _diffs(self, event: Event, sent: list[Any], values: list[Any]) -> list[Any]:
        found = []
        for component_id, old, new in zip(event.dependency.outputs, sent, values, strict=True):
            component = self._app.components.get(component_id)
            # Gradio wraps a JSON component's value, so that no diff is made of it.
            whole = component is not None and component.type == "json" and old != new
            found.append([["replace", [], new]] if whole else make_diff(old, new))
        return found

    def _fail(self, event: Event, error: Exception, *, first: bool) -> None:
        raised = isinstance(error, GradioError)
        duration = error.duration if isinstance(error, GradioError) else None
        output = self._dialect.error(str(error), raised=raised, duration=duration, shown=self.show_errors)
        self._send(event, self._dialect.completed(event.id, output, success=False, title="Error" if first else None))
