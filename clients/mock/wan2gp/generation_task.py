"""The generating half of a mock WanGP, for both its doors: one task at a time, with commands that tell of it.

As in the program, a worker of its own does the work: it goes on when nobody listens any more.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..http.faults import FaultBook
from ..http.server import Pace
from ..media.movie import preview
from .task import Output, Task

LOAD_S = 1.0
STEP_S = 0.3
MOST_S = 8.0
MOST_STEPS = 100
"""The end of the program's slider; a task that asks for more is meant to last."""
DECODE_S = 0.25
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB"
NO_FILE = "models/{model}.safetensors not found: the download of the model's file failed"


@dataclass(frozen=True)
class Command:
    """``status`` (a line), ``progress`` (index, length or None, text), ``preview`` (a JPEG), ``output`` (a file),
    ``error`` (a text), ``restart`` (the process dies) or ``end`` (whether it was aborted)."""

    kind: str
    data: Any


class Work:
    """Runs one task in a thread; :attr:`commands` tells of it, ``end`` last."""

    def __init__(
        self,
        task: Task,
        gpu: threading.Lock,
        pace: Pace,
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
        self._pace = pace
        self._faults = faults
        self._position = position
        self._previews = previews
        self.ended = False
        self._late_s: float | None = None
        self.on_output: Callable[[Output], None] = self.outputs.append
        self._thread = threading.Thread(target=self._run, name="mock-wan2gp-work", daemon=True)

    def start(self) -> "Work":
        self._thread.start()
        return self

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def abort(self) -> None:
        """Asks for an end at the next step."""
        late = self._fault("late_abort")
        self._late_s = late.seconds(3.0) if late is not None else None
        self.aborting.set()

    def _fault(self, kind: str) -> Any:
        return self._faults.take(kind, str(self.task.value("model_type", "")), self.task.prompt)

    def _tell(self, kind: str, data: Any = None) -> None:
        self.commands.put(Command(kind, data))

    def _run(self) -> None:
        with self._gpu:
            aborted = self._generate()
        self.ended = True
        self._tell("end", aborted)

    def _generate(self) -> bool:
        task = self.task
        self._tell("status", f"Loading model {task.title}...")
        slow = self._fault("slow_load")
        if self._wait(LOAD_S if slow is None else slow.seconds(5.0)):
            return True
        self._tell("status", "Model loaded")
        failure = self._failure()
        if failure is not None:
            self._tell("error", failure)
            return False
        empty = self._fault("no_output") is not None
        still = task.sketch()
        for sample in range(task.samples):
            for window in range(task.windows):
                if self._denoise(sample, window, still):
                    return True
            self._tell("progress", (0, None, self._words(sample, task.windows - 1, "VAE Decoding")))
            if self._wait(DECODE_S):
                return True
            if not empty:
                for output in task.outputs(sample):
                    self.on_output(output)
                    self._tell("output", output)
        return False

    def _failure(self) -> str | None:
        """The words of an injected failure of the generation."""
        for kind, words in (
            ("out_of_memory", OUT_OF_MEMORY),
            ("model_file_missing", NO_FILE.format(model=self.task.value("model_type", "model"))),
            ("generation_fails", "The model could not be run"),
        ):
            fault = self._fault(kind)
            if fault is not None:
                return words if fault.value is None else str(fault.value)
        return None

    def _denoise(self, sample: int, window: int, still: Any) -> bool:
        task = self.task
        pause = min(STEP_S, MOST_S / (min(task.steps, MOST_STEPS) * task.samples * task.windows * task.phases))
        whole = pause * task.steps
        self._tell("progress", (0, None, self._words(sample, window, "Encoding Prompt")))
        for phase in range(task.phases):
            name = "Denoising" if task.phases == 1 else f"Denoising {('First', 'Second', 'Third')[min(phase, 2)]} Phase"
            words = self._words(sample, window, name)
            for step in range(task.steps):
                spent = step * pause
                lasting = f"{spent:.1f}s / {whole:.1f}s" if step else "0.0s"
                self._tell("progress", (step, task.steps, f"{words} | {lasting}"))
                if self._previews and (step == 1 or (step and step % max(1, task.steps // 4) == 0)):
                    self._previews -= 1
                    self._tell("preview", preview(still, (step + 1) / task.steps))
                if step == task.steps // 2 and self._fault("restart") is not None:
                    self._tell("restart")
                    return True
                if self._wait(pause):
                    return True
        return False

    def _words(self, sample: int, window: int, phase: str) -> str:
        position = self._position()
        parts = [position] if position else []
        if self.task.samples > 1:
            parts.append(f"Sample {sample + 1}/{self.task.samples}")
        if self.task.windows > 1:
            parts.append(f"Sliding Window {window + 1}/{self.task.windows}")
        return f"{', '.join(parts)} - {phase}" if parts else phase

    def _wait(self, seconds: float) -> bool:
        """Works for so long; True where it is to end."""
        if self._pace.wait(seconds):
            return True
        if not self.aborting.is_set():
            return False
        if self._late_s is not None:
            self._tell("progress", (0, None, self._words(0, 0, "Aborting")))
            self._pace.wait(self._late_s)
        return True
