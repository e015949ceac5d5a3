"""What every node of the mock ComfyUI gives back, and how it fails."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .run import Run

OUT_OF_MEMORY = "torch.OutOfMemoryError"
MEMORY_TIPS = (
    "This error means you ran out of memory on your GPU.\n\n"
    "TIPS: If the workflow worked before you might have accidentally set the batch_size to a large number."
)


class Failure(Exception):
    """A node failed; becomes an execution_error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    @classmethod
    def out_of_memory(cls) -> "Failure":
        return cls(OUT_OF_MEMORY, "Allocation on device 0 would exceed allowed memory.")

    def told(self, *, with_tips: bool) -> str:
        """The message as the server tells it; newer releases end it with a line break, or with tips."""
        if not with_tips:
            return self.message
        return f"{self.message}\n{MEMORY_TIPS if self.kind == OUT_OF_MEMORY else ''}"


@dataclass(frozen=True)
class Result:
    """What a node gives to others, and what it tells the user (None: nothing of that kind)."""

    outputs: tuple[Any, ...] = ()
    ui: dict[str, Any] | None = None


@dataclass(frozen=True)
class Blocker:
    """An output that keeps every node behind it from running; a message is told where it ends at an output node."""

    message: str


Node = Callable[["Run", dict[str, Any]], Result]
