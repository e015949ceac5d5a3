"""The one runtime of this Blender, made with the first use, and the board of what the panels show.

Main thread only: workers reach Blender through the runtime's channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..clients.core.errors import BackendError, JobNotFound
from .state import ui_state as boards
from .state.settings import runtime_settings

if TYPE_CHECKING:
    from ..clients.core.job import Job
    from ..clients.core.request import Request
    from ..runtime import JobView, Runtime, RuntimeSettings
    from .state.placement_request import PlacementTarget

CLOSE_TIMEOUT_S = 2.0

board = boards.UIState()
_runtime: Runtime | None = None
_settings: RuntimeSettings | None = None


def runtime() -> Runtime:
    """Return the runtime with the settings of now; the first call makes it (no thread, socket or file by that)."""
    global _runtime, _settings
    from ..runtime import Runtime
    from .platform.audio_codec import BlenderCodec

    settings = runtime_settings()
    if _runtime is None:
        _runtime = Runtime(settings, BlenderCodec())
    elif settings != _settings:
        _runtime.configure(settings)
    _settings = settings
    return _runtime


def runtime_or_none() -> Runtime | None:
    """Return the runtime if there is one yet: for drawing, which must not make one."""
    return _runtime


def jobs() -> list[JobView]:
    """Return the jobs, newest first."""
    return _runtime.jobs() if _runtime else []


def active() -> bool:
    """Whether anything is under way that the pump must see to."""
    return bool(board.queue) or (_runtime is not None and _runtime.active())


def submit(backend: str, request: Request, target: PlacementTarget) -> Job:
    """Hand a request to the runtime and keep the pump going; raises ``ValidationError`` or ``OfflineRefused``."""
    from .pump import pump

    job = runtime().submit(backend, request, tag=target.to_tag())
    board.recovered, board.elsewhere = None, ()
    board.touch()
    pump.start()
    return job


def probe(backend: str) -> boards.ConnectionTest:
    """Start a connection test and return its answer to be, which the pump fills in; a refusal is an answer too."""
    from .pump import pump

    try:
        answer = boards.ConnectionTest(runtime().probe(backend))
    except BackendError as error:
        answer = boards.ConnectionTest("", error=error)
    board.probes[backend] = answer
    board.touch()
    pump.start()
    return answer


def free_memory(backend: str) -> boards.MemoryRelease:
    """Have a backend's server give memory back; the pump fills in the answer, a refusal is one too."""
    from .pump import pump

    answer = boards.MemoryRelease()
    try:
        runtime().free_memory(backend)
    except BackendError as error:
        answer.error = error
    board.memory[backend] = answer
    board.touch()
    pump.start()
    return answer


def models(backend: str) -> tuple[str, ...]:
    """Return the names that the newest connection test has brought; the first call starts one in the background."""
    answer = board.probes.get(backend)
    if answer is None:
        answer = probe(backend)
    return answer.info.models if answer.info is not None else ()


def recover() -> None:
    """Re-join the jobs that an earlier Blender left unfinished; ``board.recovered`` says which, once they are known."""
    from .pump import pump

    board.recovered = None
    runtime().recover()
    board.touch()
    pump.start()


def cancel(job_id: str) -> bool:
    """Cancel a job of the list; True if this call ended it. ``JobNotFound`` for an unknown one."""
    if _runtime is None:
        raise _not_found()
    board.touch()
    return _runtime.cancel(job_id)


def forget(job_id: str) -> None:
    """Take an ended job out of the list; its files stay. ``JobNotFound`` for an unknown one."""
    if _runtime is None:
        raise _not_found()
    _runtime.forget(job_id)
    board.forget(job_id)


def _not_found() -> JobNotFound:
    return JobNotFound("That job is no longer in the list.")


def close() -> None:
    """End the pump and let go of the runtime, within 2 s: what can be resumed goes on on the server."""
    global _runtime, _settings, board
    ending, _runtime, _settings = _runtime, None, None
    board = boards.UIState()
    from .platform import pictures
    from .pump import pump

    pump.stop()
    pictures.close()
    if ending is None:
        return
    ending.close(detach=True, timeout_s=CLOSE_TIMEOUT_S)
