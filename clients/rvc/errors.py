"""What the RVC servers say when something goes wrong, as typed errors."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.errors import GenerationError, MissingResource, OutOfMemory, ProtocolError, ValidationError
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
        hint = "It has no voice at all: put one into its folder of models, or train one."
    return MissingResource(
        f"The voice {name} is not on the RVC server.",
        kind="voice",
        name=name,
        nearest=near,
        code="missing_voice",
        backend=BACKEND,
        hint=hint,
    )


def generation_error(words: str, *, doing: str, code: str) -> GenerationError:
    """Return the error for what a server says after it has failed at ``doing`` something; its last line counts."""
    if is_out_of_memory(words):
        return OutOfMemory(
            f"The RVC server has not enough GPU memory for {doing}.",
            backend=BACKEND,
            hint="Lower the batch size, use a shorter recording, or close other programs that use the GPU.",
            context={"said": last_line(words)},
        )
    said = last_line(words)
    return GenerationError(
        f"The RVC server failed at {doing}{f': {said}' if said else '.'}",
        code=code,
        backend=BACKEND,
        hint="Its console says more.",
    )


def last_line(words: str) -> str:
    """Return the last line that says something, at most 300 characters of it."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def unsupported(what: str, dialect: str, hint: str) -> ValidationError:
    """Return the error for what this kind of server can't do."""
    problem = f"{dialect} can't {what}."
    return ValidationError(problem, code="unsupported", problems=[problem], backend=BACKEND, hint=hint)


def not_rvc(server: str) -> ProtocolError:
    """Return the error for a server of another kind."""
    return ProtocolError(
        f"{server} is no RVC server that is known here.",
        code="not_rvc",
        backend=BACKEND,
        hint="Is this the address of RVC-WebUI, Applio or rvc-python?",
    )


def odd_answer(path: str, what: str) -> ProtocolError:
    """Return the error for an answer of the wrong shape."""
    return ProtocolError(
        f"The RVC server's answer to {path} can't be understood: {what}.",
        backend=BACKEND,
        hint="Is its version one of those in the documentation?",
    )


def check_f0_method(method: str, known: tuple[str, ...], dialect: str) -> None:
    """Raise ``ValidationError`` for a way to find the pitch that this kind of server has not."""
    if method not in known:
        problem = f"f0_method: {dialect} has no {method}; it has {', '.join(known)}."
        raise ValidationError(
            problem, code="unsupported", problems=[problem], backend=BACKEND, hint="Choose one that it has."
        )
