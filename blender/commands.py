"""The commands behind operators and the terminal: submit, test a connection, cancel, forget, recover, close.

Main thread only.
Workers reach Blender through the runtime's event channel, never through this module.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..clients.core.errors import BackendError, JobNotFound
from .platform import pictures
from .state import runtime_ref, settings
from .state.ui_state import ConnectionTest, MemoryRelease, ui

if TYPE_CHECKING:
    from ..clients.core.job import Job
    from ..clients.core.request import Request
    from .state.placement_request import PlacementTarget

CLOSE_TIMEOUT_S = 2.0


def submit(backend: str, request: Request, target: PlacementTarget) -> Job:
    """Submit a request and keep the pump going; raises ``ValidationError`` or ``OfflineRefused``."""
    target = replace(target, server=settings.server_key(backend))
    job = runtime_ref.runtime().submit(backend, request, tag=target.to_tag())
    ui.recovered, ui.elsewhere = None, ()
    ui.touch()
    _start_pump()
    return job


def probe(backend: str) -> ConnectionTest:
    """Start a connection test and return it; the pump fills in its result, and a refusal is one too."""
    try:
        test = ConnectionTest(runtime_ref.runtime().probe(backend), settings.server_key(backend))
    except BackendError as error:
        test = ConnectionTest("", settings.server_key(backend), error=error)
    ui.probes[backend] = test
    ui.touch()
    _start_pump()
    return test


def free_memory(backend: str) -> MemoryRelease:
    """Ask a backend's server to free memory; the pump fills in the outcome, and a refusal is one too."""
    release = MemoryRelease()
    try:
        runtime_ref.runtime().free_memory(backend)
    except BackendError as error:
        release.error = error
    ui.memory[backend] = release
    ui.touch()
    _start_pump()
    return release


def models(backend: str) -> tuple[str, ...]:
    """Return the names that the newest connection test has brought; the first call starts one in the background."""
    test = ui.probe_of(backend, settings.server_key(backend))
    if test is None:
        test = probe(backend)
    return test.info.models if test.info is not None else ()


def recover() -> None:
    """Re-join the jobs that an earlier Blender left unfinished; ``ui.recovered`` lists them once they are known."""
    ui.recovered = None
    runtime_ref.runtime().recover()
    ui.touch()
    _start_pump()


def cancel(job_id: str) -> bool:
    """Cancel a job of the list; True if this call ended it. ``JobNotFound`` for an unknown one."""
    runtime = runtime_ref.runtime_or_none()
    if runtime is None:
        raise _not_found()
    ui.touch()
    return runtime.cancel(job_id)


def forget(job_id: str) -> None:
    """Remove an ended job from the list; its files stay. ``JobNotFound`` for an unknown one."""
    runtime = runtime_ref.runtime_or_none()
    if runtime is None:
        raise _not_found()
    runtime.forget(job_id)
    ui.forget(job_id)


def _start_pump() -> None:
    from .pump import pump  # here: the classes of events would double the cost of registering

    pump.start()


def _not_found() -> JobNotFound:
    return JobNotFound("That job is no longer in the list.")


def close() -> None:
    """Stop the pump and close the runtime within 2 s; jobs that can be resumed go on on their servers."""
    from .pump import pump

    ending = runtime_ref.take_runtime()
    ui.clear()
    pump.stop()
    pictures.close()
    if ending is not None:
        ending.close(detach=True, timeout_s=CLOSE_TIMEOUT_S)
