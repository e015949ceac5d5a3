"""The generation of a mock WanGP, for its web page and its MCP server: one task at a time, in a thread of its own.

As in the program, the thread continues when no client follows the task any more.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..http.context import SimulatedClock
from ..http.faults import FaultBook
from ..media.picture import Sketch
from .task import Output, Task

LOAD_S = 1.0
STEP_S = 0.3
MAX_S = 8.0
MAX_STEPS = 100
"""The maximum of the program's slider; a task with more steps is a test's, and takes as long as it says."""
DECODE_S = 0.25
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB"
NO_FILE = "models/{model}.safetensors not found: the download of the model's file failed"


@dataclass(frozen=True)
class Command:
    """A message of the runner: ``status`` (a line), ``progress`` (index, length or None, text), ``preview`` (a JPEG),
    ``output`` (a file), ``error`` (a text), ``restart`` (the process dies) or ``end`` (True if it was aborted)."""

    kind: str
    data: Any


class TaskRunner:
    """Runs one task in a thread; ``commands`` receives its messages, ``end`` last."""

    def __init__(
        self,
        task: Task,
        gpu: threading.Lock,
        clock: SimulatedClock,
        faults: FaultBook,
        position: Callable[[], str] = str,
        *,
        previews: int = 4,
    ) -> None:
        self.task = task
        self.commands: queue.Queue[Command] = queue.Queue()
        self.aborting = threading.Event()
        self.outputs: list[Output] = []
        self._gpu = gpu
        self._clock = clock
        self._faults = faults
        self._position = position
        self._previews = previews
        self.ended = False
        self._late_s: float | None = None
        self.on_output: Callable[[Output], None] = self.outputs.append
        self._thread = threading.Thread(target=self._run, name="mock-wan2gp-work", daemon=True)

    def start(self) -> TaskRunner:
        self._thread.start()
        return self

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def abort(self) -> None:
        """Abort the task at its next step."""
        late = self._fault("late_abort")
        self._late_s = late.seconds(3.0) if late is not None else None
        self.aborting.set()

    def _fault(self, kind: str) -> Any:
        return self._faults.take(kind, str(self.task.value("model_type", "")), self.task.prompt)

    def _send(self, kind: str, data: Any = None) -> None:
        self.commands.put(Command(kind, data))

    def _run(self) -> None:
        with self._gpu:
            aborted = self._generate()
        self.ended = True
        self._send("end", aborted)

    def _generate(self) -> bool:
        task = self.task
        self._send("status", f"Loading model {task.title}...")
        slow = self._fault("slow_load")
        if self._wait(LOAD_S if slow is None else slow.seconds(5.0)):
            return True
        self._send("status", "Model loaded")
        failure = self._failure()
        if failure is not None:
            self._send("error", failure)
            return False
        empty = self._fault("no_output") is not None
        sketch = Sketch(task.sketch(), task.seed)
        for sample in range(task.samples):
            for window in range(task.windows):
                if self._denoise(sample, window, sketch):
                    return True
            self._send("progress", (0, None, self._phase_text(sample, task.windows - 1, "VAE Decoding")))
            if self._wait(DECODE_S):
                return True
            if not empty:
                for output in task.outputs(sample):
                    self.on_output(output)
                    self._send("output", output)
        return False

    def _failure(self) -> str | None:
        """Return the message of an injected failure of the generation."""
        for kind, message in (
            ("out_of_memory", OUT_OF_MEMORY),
            ("model_file_missing", NO_FILE.format(model=self.task.value("model_type", "model"))),
            ("generation_fails", "The model could not be run"),
        ):
            fault = self._fault(kind)
            if fault is not None:
                return message if fault.value is None else str(fault.value)
        return None

    def _denoise(self, sample: int, window: int, sketch: Sketch) -> bool:
        task = self.task
        pause = min(STEP_S, MAX_S / (min(task.steps, MAX_STEPS) * task.samples * task.windows * task.phases))
        whole = pause * task.steps
        self._send("progress", (0, None, self._phase_text(sample, window, "Encoding Prompt")))
        for phase in range(task.phases):
            name = "Denoising" if task.phases == 1 else f"Denoising {('First', 'Second', 'Third')[min(phase, 2)]} Phase"
            text = self._phase_text(sample, window, name)
            for step in range(task.steps):
                spent = step * pause
                elapsed = f"{spent:.1f}s / {whole:.1f}s" if step else "0.0s"
                self._send("progress", (step, task.steps, f"{text} | {elapsed}"))
                if self._previews and (step == 1 or (step and step % max(1, task.steps // 4) == 0)):
                    self._previews -= 1
                    self._send("preview", sketch.at((step + 1) / task.steps))
                if step == task.steps // 2 and self._fault("restart") is not None:
                    self._send("restart")
                    return True
                if self._wait(pause):
                    return True
        return False

    def _phase_text(self, sample: int, window: int, phase: str) -> str:
        position = self._position()
        parts = [position] if position else []
        if self.task.samples > 1:
            parts.append(f"Sample {sample + 1}/{self.task.samples}")
        if self.task.windows > 1:
            parts.append(f"Sliding Window {window + 1}/{self.task.windows}")
        return f"{', '.join(parts)} - {phase}" if parts else phase

    def _wait(self, seconds: float) -> bool:
        """Simulate work; return True if the task is to end."""
        if self._clock.wait(seconds):
            return True
        if not self.aborting.is_set():
            return False
        if self._late_s is not None:
            self._send("progress", (0, None, self._phase_text(0, 0, "Aborting")))
            self._clock.wait(self._late_s)
        return True
