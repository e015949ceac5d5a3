"""The one runtime of this Blender, made with the first use. Main thread only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .settings import runtime_settings
from .ui_state import ui

if TYPE_CHECKING:
    from ...runtime import JobView, Runtime, RuntimeSettings

_runtime: Runtime | None = None
_settings: RuntimeSettings | None = None


def runtime() -> Runtime:
    """Return the runtime with the current settings; the first call makes it, without a thread, socket or file."""
    global _runtime, _settings
    from ...runtime import Runtime
    from ..platform.audio_codec import BlenderCodec

    settings = runtime_settings()
    if _runtime is None:
        _runtime = Runtime(settings, BlenderCodec())
    elif settings != _settings:
        _runtime.configure(settings)
    _settings = settings
    return _runtime


def runtime_or_none() -> Runtime | None:
    """Return the runtime if there is one: for drawing, which must not make one."""
    return _runtime


def jobs() -> list[JobView]:
    """Return the jobs, newest first."""
    return _runtime.jobs() if _runtime else []


def active() -> bool:
    """Return True while anything is under way that the pump must carry."""
    return bool(ui.queue) or (_runtime is not None and _runtime.active())


def take_runtime() -> Runtime | None:
    """Return the runtime for its last use, and forget it."""
    global _runtime, _settings
    ending, _runtime, _settings = _runtime, None, None
    return ending
