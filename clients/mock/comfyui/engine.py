"""The queue, the worker thread and the history of the mock ComfyUI."""

from __future__ import annotations

import contextlib
import heapq
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from ..http.context import SimulatedClock
from ..http.faults import FaultBook
from .assets import AssetsApi
from .files import FileStore
from .messages import Hub
from .queue_item import Item, describe_item
from .run import CacheEntry, Run, ServerGone
from .versions import Version

MAX_HISTORY = 10_000


class Engine:
    """Runs one prompt at a time, lowest number first. All public methods are safe from any thread."""

    def __init__(self, version: Version, hub: Hub, files: FileStore, faults: FaultBook, clock: SimulatedClock) -> None:
        self.version = version
        self.hub = hub
        self.files = files
        self.faults = faults
        self.clock = clock
        self.assets: AssetsApi | None = None
        self.cache: dict[str, CacheEntry] = {}
        self.on_vanish: Callable[[float], None] = lambda _seconds: self.vanish()
        self.running_node: str | None = None
        self.running_client: str | None = None
        self._changed = threading.Condition()
        self._pending: list[Item] = []
        self._running: Item | None = None
        self._history: dict[str, dict[str, Any]] = {}
        self._number = 0
        self._epoch = 0
        self._interrupted = False
        self._dead = False
        self._drop_cache = False
        self._worker: threading.Thread

    # Life

    def start(self) -> None:
        self._worker = threading.Thread(target=self._work, name="mock-comfyui-worker", daemon=True)
        self._worker.start()

    def stop(self) -> None:
        """Wake the worker, which sees that the server is stopping, and join it."""
        with self._changed:
            self._changed.notify_all()
        self._worker.join(0.4)

    def vanish(self) -> None:
        """Simulate a restart of the process: only input and output files are kept."""
        with self._changed:
            self._epoch += 1
            self._pending.clear()
            self._running = None
            self._history.clear()
            self._number = 0
            self._dead = False
            self.cache.clear()
            self.running_node = self.running_client = None
            self._changed.notify_all()
        self.files.clear_temp()
        self.hub.forget_all()

    # The queue

    def next_number(self, *, front: bool) -> int:
        with self._changed:
            number = self._number
            self._number += 1
        return -number if front else number

    def put(self, item: Item) -> None:
        """Queue a prompt. Raise ``TypeError`` if the heap cannot compare it with a pending one."""
        with self._changed:
            heapq.heappush(self._pending, item)
            self._changed.notify_all()
            self.hub.send_status(self._remaining())

    def remaining(self) -> int:
        with self._changed:
            return self._remaining()

    def _remaining(self) -> int:
        return len(self._pending) + (self._running is not None)

    def waiting(self) -> tuple[list[Item], list[Item]]:
        """Return the running items and the pending ones (a heap, not sorted, as in the real server)."""
        with self._changed:
            return [self._running] if self._running else [], list(self._pending)

    def delete(self, ids: list[str]) -> None:
        """Remove pending prompts from the queue; ignore running and unknown ids."""
        for prompt_id in ids:
            self.delete_one(prompt_id)

    def delete_one(self, prompt_id: str) -> bool:
        with self._changed:
            for item in self._pending:
                if item[1] == prompt_id:
                    self._pending.remove(item)
                    heapq.heapify(self._pending)
                    self.hub.send_status(self._remaining())
                    return True
        return False

    def clear(self) -> None:
        with self._changed:
            self._pending.clear()
            self.hub.send_status(self._remaining())

    # Interrupting

    def interrupt(self, prompt_id: str | None) -> bool:
        """Interrupt the running prompt if ``prompt_id`` is None or its id; return False if there is none."""
        with self._changed:
            hit = self._running is not None and prompt_id in (None, self._running[1])
            if hit and not self.faults.take("ignore_interrupt"):
                self._interrupted = True
                self._changed.notify_all()
            return hit

    def cancel(self, prompt_id: str) -> bool:
        """Remove a prompt from the queue, or interrupt it if it runs."""
        with self._changed:
            return self.delete_one(prompt_id) or self.interrupt(prompt_id)

    @property
    def interrupted(self) -> bool:
        return self._interrupted

    def check(self, epoch: int) -> None:
        """Raise ``ServerGone`` in a run whose server has 'restarted' or stops."""
        if self.clock.stopping.is_set() or epoch != self._epoch:
            raise ServerGone

    def wait(self, seconds: float, epoch: int, *, honour_interrupt: bool) -> None:
        """Simulate work. Return early on an interrupt if that is honoured; raise ``ServerGone`` as ``check`` does."""

        def over() -> bool:
            gone = self.clock.stopping.is_set() or epoch != self._epoch
            return gone or (honour_interrupt and self._interrupted)

        with self._changed:
            self._changed.wait_for(over, self.clock.seconds(seconds))
        self.check(epoch)

    # History

    def history(self) -> dict[str, dict[str, Any]]:
        with self._changed:
            return dict(self._history)

    def entry(self, prompt_id: str) -> dict[str, Any] | None:
        with self._changed:
            return self._history.get(prompt_id)

    def forget(self, prompt_id: str) -> None:
        with self._changed:
            self._history.pop(prompt_id, None)

    def clear_history(self) -> None:
        with self._changed:
            self._history.clear()

    def free(self, *, free_memory: bool) -> None:
        """Free memory as POST /free does: between two prompts."""
        with self._changed:
            self._drop_cache = self._drop_cache or free_memory
            if self._running is None:
                self._drop()

    def _drop(self) -> None:
        if self._drop_cache:
            self.cache.clear()
            self._drop_cache = False

    # The worker

    def _work(self) -> None:
        while not self.clock.stopping.is_set():
            with contextlib.suppress(ServerGone):
                self._work_one()

    def _work_one(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.clock.stopping.is_set() or (self._pending and not self._dead))
            epoch = self._epoch
            self.check(epoch)
            try:
                item = self._running = heapq.heappop(self._pending)
            except TypeError:
                self._dead = True
                return
            self._interrupted = False
            self.hub.send_status(self._remaining())
        try:
            run = Run(self, item, epoch)
            outcome = run.execute()
        except KeyError:
            self.check(epoch)
            # A link to a node that is not there, found outside any node: the real worker thread dies of it.
            self._dead = True
            return
        slow = self.faults.take("slow_history", item[1])
        if slow is not None:
            self.wait(slow.seconds(0.5), epoch, honour_interrupt=False)
        self._finish(item, outcome, epoch)
        if self.faults.take("lost_history", item[1]):
            self.clear_history()
        if run.client_id is not None:
            self.hub.send("executing", {"node": None, "prompt_id": item[1]}, run.client_id)

    def _finish(self, item: Item, outcome: dict[str, Any], epoch: int) -> None:
        with self._changed:
            self.check(epoch)
            self._running = None
            self.running_node = self.running_client = None
            shown = describe_item(item, secrets="history" in self.version.secrets_in)
            self._history.pop(item[1], None)
            self._history[item[1]] = {"prompt": shown, **outcome}
            while len(self._history) > MAX_HISTORY:
                del self._history[next(iter(self._history))]
            self._drop()
            self.hub.send_status(self._remaining())

    def kill_worker(self) -> NoReturn:
        """Stop the worker; HTTP is still served."""
        self._dead = True
        raise ServerGone
