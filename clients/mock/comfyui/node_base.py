"""The argument, the result and the errors of every node function of the mock ComfyUI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from .files import FileStore
from .versions import Version

OUT_OF_MEMORY = "torch.OutOfMemoryError"
MEMORY_TIPS = (
    "This error means you ran out of memory on your GPU.\n\n"
    "TIPS: If the workflow worked before you might have accidentally set the batch_size to a large number."
)


class NodeContext(Protocol):
    """The run that a node belongs to, as its function sees it."""

    @property
    def version(self) -> Version: ...

    @property
    def files(self) -> FileStore: ...

    @property
    def prompt(self) -> dict[str, Any]: ...

    @property
    def extra_data(self) -> dict[str, Any]: ...

    @property
    def secrets(self) -> dict[str, str]: ...

    def progress(self, value: float, maximum: float, preview: tuple[str, bytes] | None = None) -> None: ...

    def send_progress_text(self, text: str) -> None: ...

    def work(self, seconds: float, *, honour_interrupt: bool = True) -> None: ...

    def yield_to_others(self) -> None: ...

    def expand(self, suffix: str, work: Callable[[], Result]) -> Result: ...

    def crash(self, seconds: float) -> NoReturn: ...


class NodeFailure(Exception):
    """A node failed; reported as execution_error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    @classmethod
    def out_of_memory(cls) -> NodeFailure:
        return cls(OUT_OF_MEMORY, "Allocation on device 0 would exceed allowed memory.")

    def server_message(self, *, with_tips: bool) -> str:
        """Return the message in the server's form: newer releases end it with a line break, or with tips."""
        if not with_tips:
            return self.message
        return f"{self.message}\n{MEMORY_TIPS if self.kind == OUT_OF_MEMORY else ''}"


@dataclass(frozen=True)
class Result:
    """A node's outputs for other nodes, and its UI output (None: it has none)."""

    outputs: tuple[Any, ...] = ()
    ui: dict[str, Any] | None = None


@dataclass(frozen=True)
class ExecutionBlocker:
    """An output that blocks every node behind it; an output node reports ``message``, if there is one."""

    message: str


Node = Callable[[NodeContext, dict[str, Any]], Result]
AsyncNode = Callable[[NodeContext, dict[str, Any]], Iterator[float | Result]]
"""A node that other nodes run beside: it yields the seconds of each sleep, and at last its result."""
