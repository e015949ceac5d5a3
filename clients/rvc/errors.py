"""Typed errors for the failures of RVC servers."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.errors import GenerationError, MissingResource, OutOfMemory, ProtocolError, ValidationError
from ..core.foreign_text import cut_middle
from ..core.memory_errors import is_out_of_memory
from ..core.request import nearest_names

BACKEND = "rvc"
_SHOWN_VOICES = 8


def missing_voice(name: str, voices: Iterable[str]) -> MissingResource:
    """Return the error for a voice that the server does not have."""
    known = list(voices)
    near = nearest_names(name, known)
    shown = ", ".join(known[:_SHOWN_VOICES]) + (", ..." if len(known) > _SHOWN_VOICES else "")
    if near:
        hint = f"Did you mean {' or '.join(near)}?"
    elif known:
        hint = f"It has: {shown}."
    else:
        hint = "It has no voices: put one into its models folder, or train one."
    return MissingResource(
        f"The voice {name} is not on the RVC server.",
        kind="voice",
        name=name,
        nearest=near,
        code="missing_voice",
        backend=BACKEND,
        hint=hint,
    )


def generation_error(text: str, *, doing: str, code: str) -> GenerationError:
    """Return the error for a failed step (``doing``); the last line of the server's text counts."""
    text = cut_middle(text)
    if is_out_of_memory(text):
        return OutOfMemory(
            f"The RVC server does not have enough GPU memory for {doing}.",
            backend=BACKEND,
            hint="Lower the batch size, use a shorter recording, or close other programs that use the GPU.",
            context={"reported": last_line(text)},
        )
    line = last_line(text)
    return GenerationError(
        f"The RVC server failed at {doing}{f': {line}' if line else '.'}",
        code=code,
        backend=BACKEND,
        hint="Its console has more details.",
    )


def last_line(text: str) -> str:
    """Return the last line with content, at most 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def unsupported(what: str, dialect: str, hint: str) -> ValidationError:
    """Return the error for a feature that this kind of server lacks."""
    problem = f"{dialect} can't {what}."
    return ValidationError(problem, code="unsupported", problems=[problem], backend=BACKEND, hint=hint)


def not_rvc(server: str) -> ProtocolError:
    """Return the error for a server of another kind."""
    return ProtocolError(
        f"{server} is not a known RVC server.",
        code="not_rvc",
        backend=BACKEND,
        hint="Is this the address of RVC-WebUI, Applio or rvc-python?",
    )


def odd_answer(path: str, what: str) -> ProtocolError:
    """Return the error for a response of the wrong shape."""
    return ProtocolError(
        f"The RVC server's answer to {path} can't be understood: {what}.",
        backend=BACKEND,
        hint="Is its version listed in the documentation?",
    )


def check_f0_method(method: str, known: tuple[str, ...], dialect: str) -> None:
    """Raise ``ValidationError`` for a pitch-detection method that this kind of server lacks."""
    if method not in known:
        problem = f"f0_method: {dialect} has no {method}; it has {', '.join(known)}."
        raise ValidationError(
            problem, code="unsupported", problems=[problem], backend=BACKEND, hint="Choose one of them."
        )
