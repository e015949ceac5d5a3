"""Typed errors for WanGP's failures, with its own messages."""

from __future__ import annotations

import re

from ..core.delivery import outcome_unknown
from ..core.errors import (
    BackendError,
    GenerationError,
    JobLost,
    MissingResource,
    OutOfMemory,
    ProtocolError,
    ValidationError,
)
from ..core.foreign_text import cut_middle
from ..core.memory_errors import is_out_of_memory
from .catalogue import catalogue
from .request import VideoRequest

BACKEND = "wan2gp"

_MODEL_FILE = re.compile(
    r"no such file|not found|filenotfound|download|huggingface|hf_hub|404 client error|safetensors", re.IGNORECASE
)
_UNKNOWN_MODEL = re.compile(
    r"settings must contain 'model_type'|unknown model|'NoneType' object has no attribute 'get'", re.IGNORECASE
)
_STOPPED = re.compile(r"\babort|was cancelled|stopped by", re.IGNORECASE)
_LOAD_FAILED = re.compile(r"^failed to load queue:\s*", re.IGNORECASE)
_BAD_SIZE = re.compile(r"not enough values to unpack")
_MAX_WORDS = 600


def generation_failed(message: str, request: VideoRequest, *, stage: str = "") -> BackendError:
    """Return the error for a failed run; ``stage`` is its stage, if known."""
    message = cut_middle(message)
    text = _shorten(message)
    if is_out_of_memory(message):
        return OutOfMemory(
            f"The graphics card of the WanGP server ran out of memory: {text}",
            backend=BACKEND,
            hint="Lower the resolution or the length, or choose memory profile 4 or 5 in WanGP.",
            context={"model": request.model},
        )
    if _UNKNOWN_MODEL.search(message):
        return unknown_model(request, text)
    if stage == "validation":
        return refused(message, request)
    if stage == "cancelled" or _STOPPED.search(message):
        return stopped(text)
    if _MODEL_FILE.search(message):
        return MissingResource(
            f"WanGP could not load a file of the model {request.model}: {text}",
            kind="model_file",
            name=request.model,
            code="model_file_missing",
            backend=BACKEND,
            hint="Start this model once in WanGP to download it, and check its console.",
        )
    return GenerationError(
        f"WanGP failed: {text}" if text else "WanGP failed without giving a reason.",
        backend=BACKEND,
        hint="WanGP's console has the details.",
        context={"model": request.model, "stage": stage},
    )


def refused(message: str, request: VideoRequest) -> BackendError:
    """Return the error for settings that WanGP has rejected."""
    reason = _LOAD_FAILED.sub("", _shorten(message))
    if _UNKNOWN_MODEL.search(reason):
        return unknown_model(request, reason)
    meaning = " The size has to be WIDTHxHEIGHT." if _BAD_SIZE.search(reason) else ""
    return ValidationError(
        f"WanGP rejected the settings: {reason}{meaning}",
        code="settings_refused",
        problems=[reason],
        backend=BACKEND,
        hint="Correct the settings; WanGP's own page shows what this model accepts.",
        context={"model": request.model},
    )


def unknown_model(request: VideoRequest, message: str = "") -> MissingResource:
    """Return the error for a model that the server does not have."""
    near = tuple(name for name in catalogue().nearest_models(request.model) if name != request.model)
    return MissingResource(
        f"The WanGP server has no model {request.model!r}{f' ({message})' if message else ''}.",
        kind="model",
        name=request.model,
        nearest=near,
        code="missing_model",
        backend=BACKEND,
        hint=f"Did you mean {' or '.join(near)}?" if near else "WanGP's model list has the names.",
    )


def stopped(message: str = "") -> GenerationError:
    """Return the error for a run that was stopped in WanGP."""
    return GenerationError(
        f"The generation was stopped in WanGP{f': {message}' if message else '.'}",
        code="stopped",
        backend=BACKEND,
        hint="Send it again if you did not mean to stop it.",
        retryable=True,
    )


def no_output(message: str = "") -> GenerationError:
    """Return the error for a run without a result."""
    return GenerationError(
        f"WanGP finished without a file{f' ({message})' if message else ''}: it was stopped, or the model rejected "
        "the inputs.",
        code="no_output",
        backend=BACKEND,
        hint="Check WanGP's console, and try the same settings on its own page.",
    )


def not_in_gallery(files: str) -> GenerationError:
    """Return the error for files that the MCP server has made but does not provide."""
    return GenerationError(
        f"WanGP made {files}, but its MCP server does not provide it.",
        code="not_in_gallery",
        backend=BACKEND,
        hint="Start it with --output-dir and an absolute path. This file is in WanGP's outputs folder.",
        context={"files": files},
    )


def unknown_outcome(message: str) -> JobLost:
    """Return the error for a job that WanGP may or may not have accepted."""
    return outcome_unknown(
        f"It is unknown whether WanGP accepted the job: {message}",
        "Check WanGP's outputs folder before you send it again.",
        BACKEND,
    )


def job_lost(message: str) -> JobLost:
    """Return the error for a job that WanGP no longer knows."""
    return JobLost(
        message,
        backend=BACKEND,
        hint="Check WanGP's outputs folder: the file may be there. If not, send the job again.",
        retryable=True,
    )


def not_wangp(address: str) -> ProtocolError:
    """Return the error for another kind of server."""
    return ProtocolError(
        f"{address} is not WanGP.",
        code="not_wangp",
        backend=BACKEND,
        hint="Check the address and the port: WanGP's own page uses 7860, its MCP server 8000 or the port that "
        "it was started with.",
    )


def _shorten(message: str) -> str:
    text = message.strip()
    return text if len(text) <= _MAX_WORDS else text[:_MAX_WORDS] + "..."
