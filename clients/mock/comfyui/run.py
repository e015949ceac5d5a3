"""One run of a prompt in the mock ComfyUI: the nodes that run and the messages that are sent."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from ..http.context import SimulatedClock
from ..http.faults import SAMPLERS, FaultBook
from .assets import AssetsApi
from .custom_nodes import ASYNC_NODES
from .execution_order import ExecutionOrder, is_link
from .files import FileStore
from .messages import Hub
from .node_base import ExecutionBlocker, NodeFailure, Result
from .nodes import fingerprint, run_node
from .object_info import NODE_CLASSES
from .queue_item import Item
from .versions import Version

THROTTLE_S = 0.1
THROTTLE_FRACTION = 0.005
STARTED = (0.0, 1.0)


class ServerGone(Exception):
    """The server of this run has 'restarted', lost its worker, or stops: send nothing more."""


class Interrupted(Exception):
    """The user stopped the run."""


@dataclass(frozen=True)
class CacheEntry:
    """A node's outputs, and its UI output (None: it has none)."""

    outputs: tuple[Any, ...]
    ui: dict[str, Any] | None


@dataclass
class Task:
    """A node that sleeps while others run: its id, its steps, and when it continues (seconds since the run began)."""

    node_id: str
    steps: Iterator[float | Result]
    due: float


class RunEngine(Protocol):
    """The engine as its runs see it."""

    assets: AssetsApi | None
    cache: dict[str, CacheEntry]
    on_vanish: Callable[[float], None]
    running_node: str | None
    running_client: str | None

    @property
    def version(self) -> Version: ...

    @property
    def hub(self) -> Hub: ...

    @property
    def files(self) -> FileStore: ...

    @property
    def faults(self) -> FaultBook: ...

    @property
    def clock(self) -> SimulatedClock: ...

    @property
    def interrupted(self) -> bool: ...

    def check(self, epoch: int) -> None: ...

    def wait(self, seconds: float, epoch: int, *, honour_interrupt: bool) -> None: ...

    def kill_worker(self) -> NoReturn: ...


class Run:
    """Executes one queue item on the worker thread."""

    def __init__(self, engine: RunEngine, item: Item, epoch: int) -> None:
        self.engine = engine
        self.version = engine.version
        self.files = engine.files
        self.prompt_id = item[1]
        self.prompt = item[2]
        self.extra_data = item[3]
        self.secrets = item[5]
        self.client_id: str | None = item[3].get("client_id")
        self.node_id = ""
        self._display: dict[str, str] = {}
        self._elapsed = 0.0
        self._tasks: list[Task] = []
        self._wanted = item[4]
        self._epoch = epoch
        self._messages: list[list[Any]] = []
        self._states: dict[str, dict[str, Any]] = {}
        self._executed: list[str] = []
        self._ui: dict[str, dict[str, Any]] = {}
        self._signatures: dict[str, str] = {}
        self._last_progress = (0.0, "", 0.0)

    # The whole

    def execute(self) -> dict[str, Any]:
        """Run the prompt; return the history entry without its ``prompt``."""
        self.engine.running_client = self.client_id
        self._record("execution_start", {"prompt_id": self.prompt_id})
        cached = self._prepare_cache()
        self._record("execution_cached", {"nodes": cached, "prompt_id": self.prompt_id})
        if self.engine.faults.take("worker_dead", self.prompt_id):
            self.engine.kill_worker()
        try:
            self._run_nodes(set(cached))
        except Interrupted:
            self._record("execution_interrupted", self._where(), to_all=True)
            return self._outcome("error")
        except NodeFailure as failure:
            self._record("execution_error", self._error(failure))
            return self._outcome("error")
        self._record("execution_success", {"prompt_id": self.prompt_id})
        return self._outcome("success")

    def _outcome(self, status: str) -> dict[str, Any]:
        outputs = {node_id: ui for node_id, ui in self._ui.items() if ui is not None}
        meta = {
            node_id: {"node_id": node_id, "display_node": node_id, "parent_node": None, "real_node_id": node_id}
            for node_id in outputs
        }
        state = {"status_str": status, "completed": status == "success", "messages": self._messages}
        return {"outputs": outputs, "status": state, "meta": meta}

    # The cache: results of the last prompt, found by class and inputs

    def _prepare_cache(self) -> list[str]:
        known = {self._signature(node_id) for node_id in self.prompt if "inputs" in self.prompt[node_id]}
        cache = self.engine.cache
        for signature in [each for each in cache if each not in known]:
            del cache[signature]
        return [node_id for node_id in self.prompt if self._signatures.get(node_id) in cache]

    def _signature(self, node_id: str) -> str:
        if node_id not in self._signatures:
            node = self.prompt[node_id]
            self._signatures[node_id] = ""  # ends a loop of links that no output depends on
            inputs = {
                name: ["@", self._signature(value[0]), value[1]] if self._links(value) else value
                for name, value in node["inputs"].items()
            }
            parts = [node["class_type"], sorted(inputs.items()), fingerprint(node, self.files)]
            text = json.dumps(parts, sort_keys=True, default=str)
            self._signatures[node_id] = hashlib.sha256(text.encode()).hexdigest()
        return self._signatures[node_id]

    def _links(self, value: Any) -> bool:
        return isinstance(value, list) and len(value) == 2 and value[0] in self.prompt

    # The nodes

    def _run_nodes(self, cached: set[str]) -> None:
        order = ExecutionOrder(self.prompt, self._wanted, cached)
        while True:
            node_id = order.take_ready()
            if node_id is not None:
                finished = self._run_one(node_id)
            elif self._tasks:
                node_id, finished = self._continue_task()
            else:
                return
            if finished:
                order.mark_done(node_id)

    def _run_one(self, node_id: str) -> bool:
        """Run a node; return False if it sleeps and continues later."""
        self.node_id = node_id
        entry = self.engine.cache.get(self._signatures[node_id])
        if entry is not None:
            self._report_output(node_id, entry.ui)
            self._state(node_id, 1, 1, "finished")
            return True
        class_type = self.prompt[node_id]["class_type"]
        self._commit_vanish(class_type, node_id)
        self._begin(node_id, class_type)
        self._commit_faults(class_type, node_id)
        inputs = self._inputs(node_id)
        blocked = next((value for value in inputs.values() if isinstance(value, ExecutionBlocker)), None)
        if blocked is not None:
            self._block(node_id, blocked)
            return True
        if class_type in ASYNC_NODES:
            steps = ASYNC_NODES[class_type](self, inputs)
            self._sleep(Task(node_id, steps, self._elapsed), next(steps))
            return False
        self._finish(node_id, run_node(self, class_type, inputs))
        return True

    def _begin(self, node_id: str, class_type: str) -> None:
        self._state(node_id, *STARTED, "running")
        slow = self.engine.faults.take("slow_node", class_type, node_id)
        if slow is not None:
            self.work(slow.seconds(1.0))
        if self.client_id is not None:
            display = self._display.get(node_id, node_id)
            self.engine.running_node = display
            self._send("executing", {"node": node_id, "display_node": display, "prompt_id": self.prompt_id})
        self.check_interrupt()

    def _finish(self, node_id: str, result: Result) -> None:
        self._executed.append(node_id)
        ui = result.ui
        if ui is not None and self.engine.assets is not None:
            ui = self.engine.assets.named(ui, self.prompt_id)
        self.engine.cache[self._signatures[node_id]] = CacheEntry(result.outputs, ui)
        self._report_output(node_id, ui)
        self._end_state(node_id)

    def _end_state(self, node_id: str) -> None:
        maximum = self._states.get(node_id, {}).get("max", 1)
        self._state(node_id, maximum, maximum, "finished")

    def _block(self, node_id: str, blocker: ExecutionBlocker) -> None:
        """Skip a node and the nodes behind it; an output node reports the reason, and the run continues."""
        class_type = self.prompt[node_id]["class_type"]
        outputs = NODE_CLASSES[class_type].outputs_in(self.version)
        self.engine.cache[self._signatures[node_id]] = CacheEntry((blocker,) * len(outputs), None)
        if NODE_CLASSES[class_type].is_output and blocker.message:
            error = {"exception_message": f"Execution Blocked: {blocker.message}", "exception_type": "ExecutionBlocked"}
            empty: dict[str, list[str]] = {"traceback": [], "current_inputs": [], "current_outputs": []}
            self._send("execution_error", {**self._where(), **error, **empty})
        self._end_state(node_id)

    # Nodes that sleep while others run

    def _sleep(self, task: Task, step: float | Result) -> bool:
        """Put the task to sleep and return False, or finish its node if ``step`` is its result and return True."""
        if isinstance(step, Result):
            self._finish(task.node_id, step)
            return True
        task.due = round(task.due + step, 6)
        self._tasks.append(task)
        return False

    def _continue_task(self) -> tuple[str, bool]:
        """Wait for the task that is due next and take its next step; return its node, and True if it has finished."""
        task = min(self._tasks, key=lambda each: (each.due, self._started(each.node_id)))
        self._tasks.remove(task)
        if task.due > self._elapsed:
            self.work(task.due - self._elapsed)
            self._elapsed = task.due
        self.node_id = task.node_id
        return task.node_id, self._sleep(task, next(task.steps))

    def _started(self, node_id: str) -> int:
        return list(self._states).index(node_id)

    # One node

    def _inputs(self, node_id: str) -> dict[str, Any]:
        values = {}
        for name, value in self.prompt[node_id]["inputs"].items():
            linked = is_link(value)
            values[name] = self.engine.cache[self._signatures[value[0]]].outputs[value[1]] if linked else value
        return values

    def _all_inputs(self) -> dict[str, Any]:
        """Return the running node's inputs and its hidden ones."""
        hidden = {"PROMPT": self.prompt, "EXTRA_PNGINFO": self.extra_data.get("extra_pnginfo")}
        node = NODE_CLASSES[self.prompt[self.node_id]["class_type"]]
        return {**self._inputs(self.node_id), **{name: hidden[kind] for name, kind in node.hidden.items()}}

    def _report_output(self, node_id: str, ui: dict[str, Any] | None) -> None:
        if ui is None:
            return
        self._ui[node_id] = ui
        if self.client_id is not None:
            data = {"node": node_id, "display_node": node_id, "output": ui, "prompt_id": self.prompt_id}
            self._send("executed", data)

    def _commit_vanish(self, *subjects: str) -> None:
        fault = self.engine.faults.take("vanish", *subjects)
        if fault is not None:
            self._vanish(fault.seconds(0.0))

    def _vanish(self, seconds: float) -> NoReturn:
        self.engine.on_vanish(seconds)
        raise ServerGone

    def _commit_faults(self, class_type: str, node_id: str) -> None:
        if self.engine.faults.take("oom", class_type, node_id, default=SAMPLERS):
            raise NodeFailure.out_of_memory()
        broken = self.engine.faults.take("node_error", class_type, node_id)
        if broken is not None:
            raise NodeFailure("ValueError", str(broken.value or "injected fault"))

    # What nodes call

    def crash(self, seconds: float) -> NoReturn:
        """End the server's process; it is back after ``seconds`` of simulated time."""
        self._vanish(self.engine.clock.seconds(seconds))

    def expand(self, suffix: str, work: Callable[[], Result]) -> Result:
        """Run a node within the running one, with an id that is in no prompt."""
        parent = self.node_id
        self.node_id = f"{parent}.{suffix}"
        self._display[self.node_id] = parent
        self._begin(self.node_id, "")
        result = work()
        self._end_state(self.node_id)
        self.node_id = parent
        return result

    def progress(self, value: float, maximum: float, preview: tuple[str, bytes] | None = None) -> None:
        """Report a node's progress, with a preview image if there is one. Raise ``Interrupted``."""
        self.check_interrupt()
        if preview is None and self._throttled(value, maximum):
            return
        if preview is not None:
            slow = self.engine.faults.take("slow_preview", self.node_id)
            if slow is not None:
                self.work(slow.seconds(0.5))
        self._state(self.node_id, value, maximum, "running")
        metadata = self._preview_metadata() if self.engine.hub.wants_metadata(self.client_id) else None
        if preview is not None and metadata is not None:
            self.engine.hub.send_preview(preview[1], preview[0], self.client_id, metadata)
        node: str | None = self.node_id
        if not self.version.progress_state:
            node = self._display.get(self.node_id, self.node_id) if self.client_id is not None else None
        self._send("progress", {"value": value, "max": maximum, "prompt_id": self.prompt_id, "node": node})
        if preview is not None and metadata is None:
            self.engine.hub.send_preview(preview[1], preview[0], self.client_id, None)

    def send_progress_text(self, text: str) -> None:
        """Send a progress text of the node, as a binary frame."""
        self.engine.hub.send_progress_text(text, self.node_id, self.client_id)

    def work(self, seconds: float, *, honour_interrupt: bool = True) -> None:
        """Simulate work. Raise ``Interrupted`` if that is honoured."""
        self.engine.wait(seconds, self._epoch, honour_interrupt=honour_interrupt)
        if honour_interrupt:
            self.check_interrupt()

    def yield_to_others(self) -> None:
        """Let other threads run between slices of real work; raise ``ServerGone`` when the server stops."""
        time.sleep(0)  # noqa: TID251 (releases the interpreter once; waits for nothing)
        self.engine.check(self._epoch)

    def check_interrupt(self) -> None:
        self.engine.check(self._epoch)
        if self.engine.interrupted:
            raise Interrupted

    def _throttled(self, value: float, maximum: float) -> bool:
        """Return True if newer releases leave out this progress.

        They send one in 100 ms and half a percent at most, but always a node's first and last.
        """
        now = time.monotonic()
        at, node_id, before = self._last_progress
        edge = node_id != self.node_id or value >= maximum
        few = now - at < THROTTLE_S or (value - before) < THROTTLE_FRACTION * maximum
        if self.version.throttled and not edge and few:
            return True
        self._last_progress = (now, self.node_id, value)
        return False

    def _preview_metadata(self) -> dict[str, Any]:
        node = {"node_id": self.node_id, "prompt_id": self.prompt_id}
        return {**node, **self._family(self.node_id)}

    def _family(self, node_id: str) -> dict[str, str | None]:
        """Return the ids of the node of the prompt that a node belongs to."""
        parent = self._display.get(node_id)
        visible = parent or node_id
        return {"display_node_id": visible, "parent_node_id": parent, "real_node_id": visible}

    # Messages

    def _state(self, node_id: str, value: float, maximum: float, state: str) -> None:
        self._states[node_id] = {
            "value": value,
            "max": maximum,
            "state": state,
            "node_id": node_id,
            "prompt_id": self.prompt_id,
            **self._family(node_id),
        }
        if self.version.progress_state:
            self._send("progress_state", {"prompt_id": self.prompt_id, "nodes": dict(self._states)})

    def _record(self, event: str, data: dict[str, Any], *, to_all: bool = False) -> None:
        """Add an event to the history and send it to the client (to all, if there is none and ``to_all``)."""
        data = {**data, "timestamp": time.time_ns() // 1_000_000}
        self._messages.append([event, data])
        if self.client_id is not None or to_all:
            self._send(event, data)

    def _send(self, event: str, data: dict[str, Any]) -> None:
        self._commit_vanish(event)
        self.engine.hub.send(event, data, self.client_id)

    def _where(self) -> dict[str, Any]:
        class_type = self.prompt[self._display.get(self.node_id, self.node_id)]["class_type"]
        node = {"prompt_id": self.prompt_id, "node_id": self.node_id, "node_type": class_type}
        return {**node, "executed": list(self._executed)}

    def _error(self, failure: NodeFailure) -> dict[str, Any]:
        files = ("execution.py", "execution.py", "execution.py", "nodes.py")
        return {
            **self._where(),
            "exception_message": failure.server_message(with_tips=self.version.progress_state),
            "exception_type": failure.kind,
            "traceback": [f'  File "/srv/comfyui/{name}", line 1, in run\n    ...\n' for name in files],
            "current_inputs": {name: [_plain(value)] for name, value in self._all_inputs().items()},
            "current_outputs": list(self.prompt),
        }


def _plain(value: Any) -> Any:
    """Show an input as errors do: numbers and texts as they are, anything else as text."""
    return value if value is None or isinstance(value, (int, float, str)) else str(value)
