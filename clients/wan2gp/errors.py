"""What WanGP says when it fails, as typed errors with its own words."""

from __future__ import annotations

import re

from ..core.errors import (
    BackendError,
    GenerationError,
    JobLost,
    MissingResource,
    OutOfMemory,
    ProtocolError,
    ValidationError,
)
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


def generation_failed(words: str, request: VideoRequest, *, stage: str = "") -> BackendError:
    """Return the error for a run that failed; ``stage`` is where, if the server says so."""
    said = _cut(words)
    if is_out_of_memory(words):
        return OutOfMemory(
            f"The graphics card of the WanGP server ran out of memory: {said}",
            backend=BACKEND,
            hint="Lower the resolution or the length, or choose memory profile 4 or 5 in WanGP.",
            context={"model": request.model},
        )
    if _UNKNOWN_MODEL.search(words):
        return unknown_model(request, said)
    if stage == "validation":
        return refused(words, request)
    if stage == "cancelled" or _STOPPED.search(words):
        return stopped(said)
    if _MODEL_FILE.search(words):
        return MissingResource(
            f"WanGP could not load a file of the model {request.model}: {said}",
            kind="model_file",
            name=request.model,
            code="model_file_missing",
            backend=BACKEND,
            hint="Start this model once in WanGP to download it, and look at its console.",
        )
    return GenerationError(
        f"WanGP failed: {said}" if said else "WanGP failed without giving a reason.",
        backend=BACKEND,
        hint="WanGP's console has the details.",
        context={"model": request.model, "stage": stage},
    )


def refused(words: str, request: VideoRequest) -> BackendError:
    """Return the error for settings that WanGP did not take, in its own words."""
    reason = _LOAD_FAILED.sub("", _cut(words))
    if _UNKNOWN_MODEL.search(reason):
        return unknown_model(request, reason)
    meaning = " The size has to be WIDTHxHEIGHT." if _BAD_SIZE.search(reason) else ""
    return ValidationError(
        f"WanGP refused the settings: {reason}{meaning}",
        code="settings_refused",
        problems=[reason],
        backend=BACKEND,
        hint="Correct the settings; what this model takes is in WanGP's own form for it.",
        context={"model": request.model},
    )


def unknown_model(request: VideoRequest, words: str = "") -> MissingResource:
    """Return the error for a model that the server does not have."""
    near = tuple(name for name in catalogue().nearest_models(request.model) if name != request.model)
    return MissingResource(
        f"The WanGP server has no model {request.model!r}{f' ({words})' if words else ''}.",
        kind="model",
        name=request.model,
        nearest=near,
        code="missing_model",
        backend=BACKEND,
        hint=f"Did you mean {' or '.join(near)}?" if near else "WanGP's model list has the names.",
    )


def stopped(words: str = "") -> GenerationError:
    """Return the error for a run that somebody stopped in WanGP."""
    return GenerationError(
        f"The generation was stopped in WanGP{f': {words}' if words else '.'}",
        code="stopped",
        backend=BACKEND,
        hint="Send it again if it was not meant to be stopped.",
        retryable=True,
    )


def no_output(words: str = "") -> GenerationError:
    """Return the error for a run that ended well and left nothing."""
    return GenerationError(
        f"WanGP finished without a file{f' ({words})' if words else ''}: "
        "it was stopped, or the model refused the inputs.",
        code="no_output",
        backend=BACKEND,
        hint="Look at WanGP's console, and try the same settings in its own form.",
    )


def not_in_gallery(files: str) -> GenerationError:
    """Return the error for files that the MCP server has made and does not hand out."""
    return GenerationError(
        f"WanGP has made {files}, but its MCP server does not hand it out.",
        code="not_in_gallery",
        backend=BACKEND,
        hint="Start it with --output-dir and an absolute path. This file is in WanGP's outputs folder.",
        context={"files": files},
    )


def outcome_unknown(words: str) -> JobLost:
    """Return the error for a job that WanGP may or may not have taken."""
    return JobLost(
        f"It can't be told whether WanGP has taken the job: {words}",
        code="outcome_unknown",
        backend=BACKEND,
        hint="Look into WanGP's outputs folder before you send it again.",
    )


def job_lost(words: str) -> JobLost:
    """Return the error for a job that WanGP does not know any more."""
    return JobLost(
        words,
        backend=BACKEND,
        hint="Look into WanGP's outputs folder: the file may be there. Else send it again.",
        retryable=True,
    )


def not_wangp(address: str) -> ProtocolError:
    """Return the error for a server that is none."""
    return ProtocolError(
        f"{address} is not WanGP.",
        code="not_wangp",
        backend=BACKEND,
        hint="Check the address and the port; WanGP's own page is at 7860, its MCP server at 8000 or the port it was "
        "started with.",
    )


def _cut(words: str) -> str:
    text = words.strip()
    return text if len(text) <= _MAX_WORDS else text[:_MAX_WORDS] + "..."
