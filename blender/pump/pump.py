"""The timer that carries the runtime's events into Blender; registered only while there is work.

In background mode Blender's timers never fire, so whoever waits there calls ``pump_until``, which does the same in a
loop.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import bpy

from ...clients.core import events
from ..placing import live_text, placement
from ..platform import pictures, redraw
from ..platform.sigint import Interrupted, noticed_interrupts
from ..state import runtime_ref
from ..state.placement_request import PlacementTarget
from ..state.ui_state import MemoryRelease, Placement, ui
from . import handlers

if TYPE_CHECKING:
    from ...runtime import EventChannel, JobEvent, MemoryFreed, ProbeFinished, Recovered

_log = logging.getLogger(__name__)

INTERVAL_S = 0.05
BUDGET_S = 0.004
DRAIN_SLICE = 64
REDRAW_INTERVAL_S = 0.1
PREVIEW_INTERVAL_S = 0.4

_drawn_revision = 0
_drawn_at = 0.0
_preview_at: dict[str, float] = {}
_handler_of: dict[type, Callable[[Any], None]] = {}


def start() -> None:
    """See to it that the timer runs; in background mode there is none to run."""
    if bpy.app.background or bpy.app.timers.is_registered(_timer):
        return
    bpy.app.timers.register(_timer, first_interval=INTERVAL_S, persistent=True)
    handlers.add()
    handlers.after_load(start)


def stop() -> None:
    """End the timer and what belongs to it."""
    if bpy.app.timers.is_registered(_timer):
        bpy.app.timers.unregister(_timer)
    handlers.remove()
    handlers.forget_after_load(start)
    _preview_at.clear()


def running() -> bool:
    """Return True while the timer is registered."""
    return bool(bpy.app.timers.is_registered(_timer))


def _timer() -> float | None:
    tick()
    if runtime_ref.active() or _undrawn():
        return INTERVAL_S
    if not ui.offers():
        handlers.remove()
    _preview_at.clear()
    return None


def tick(*, defer_while_busy: bool = True) -> None:
    """Handle the workers' events, write a slice of one answer, place at most one result, redraw after changes.

    Never raises.

    ``defer_while_busy``: a result waits while Blender plays or renders.
    """
    for step in (_drain, live_text.write_some, partial(_place_one, defer_while_busy), _redraw):
        _run_apart(step)


def _run_apart(step: Callable[..., object], *arguments: object) -> None:
    """Run a step; an error of it is logged and ends neither Blender's timer nor the steps and jobs beside it."""
    try:
        step(*arguments)
    except Exception:  # noqa: BLE001 - Blender's errors are of many kinds
        _log.exception("A step of the pump failed; the others go on")


def _drain() -> None:
    """Take what waits, as much as the budget allows: the rest waits for the next tick."""
    runtime = runtime_ref.runtime_or_none()
    if runtime is None or runtime.channel.empty():
        return
    until = time.perf_counter() + BUDGET_S
    while time.perf_counter() < until:
        items = runtime.channel.drain(BUDGET_S, limit=DRAIN_SLICE)
        for item in items:
            _run_apart(_handle, item)
        if len(items) < DRAIN_SLICE:
            break
    ui.touch()


def _handle(item: object) -> None:
    handle = _handlers().get(type(item))
    if handle is None:
        _log.error("An event of an unknown kind was left alone: %s", type(item).__name__)
    else:
        handle(item)


def _handlers() -> dict[type, Callable[[Any], None]]:
    """Return what handles each kind of item; made with the first item, because importing the runtime costs 20 ms."""
    if not _handler_of:
        from ...runtime import JobEvent, MemoryFreed, ProbeFinished, Recovered

        _handler_of.update(
            {
                JobEvent: _handle_event,
                ProbeFinished: _handle_probe,
                MemoryFreed: _handle_memory,
                Recovered: _handle_recovered,
            }
        )
    return _handler_of


def _handle_probe(item: ProbeFinished) -> None:
    test = ui.probes.get(item.backend)
    if test is not None and test.probe_id == item.probe_id:
        test.info, test.error, test.at = item.info, item.error, time.time()


def _handle_memory(item: MemoryFreed) -> None:
    release = ui.memory.setdefault(item.backend, MemoryRelease())
    release.done, release.error = item.error is None, item.error


def _handle_recovered(item: Recovered) -> None:
    ui.recovered, ui.elsewhere = item.job_ids, item.elsewhere


def _handle_event(item: JobEvent) -> None:
    event = item.event
    if isinstance(event, (events.Submitted, events.Started)):
        ui.mark_reachable(item.job.backend, item.tag.get("server", ""))
    if isinstance(event, events.Previewed):
        _show_preview(event)
    elif isinstance(event, events.TERMINAL):
        pictures.drop_preview(event.job_id)
        _preview_at.pop(event.job_id, None)
    if isinstance(event, events.TextDelta):
        live_text.take(event.job_id, item.job.backend, PlacementTarget.from_tag(item.tag), event.text)
    elif isinstance(event, events.Succeeded):
        ui.request_placement(
            Placement(event.job_id, item.job.backend, event.result, PlacementTarget.from_tag(item.tag))
        )
    elif isinstance(event, events.TERMINAL):
        partial = event.error.partial if isinstance(event, events.Failed) else None
        live_text.keep(event.job_id, item.job.backend, PlacementTarget.from_tag(item.tag), partial)


def _show_preview(event: events.Previewed) -> None:
    """Show a preview, unless the one before it is too fresh: each costs a file and a thumbnail."""
    now = time.monotonic()
    if bpy.app.background or now - _preview_at.get(event.job_id, 0.0) < PREVIEW_INTERVAL_S:
        return
    _preview_at[event.job_id] = now
    try:
        pictures.store_preview(event.job_id, event.data, event.media_type)
    except OSError:
        _log.warning("A preview could not be kept", exc_info=True)


def _place_one(defer_while_busy: bool) -> None:
    waiting = ui.queue
    if not waiting:
        return
    obstacle = placement.obstacle() if defer_while_busy else ""
    if obstacle:
        if waiting[0].message != obstacle:
            waiting[0].message = obstacle
            ui.touch()
        return
    settled = waiting.popleft()
    placement.settle(settled)
    ui.touch()
    if not bpy.app.background:
        _store_thumbnails(settled)


def _store_thumbnails(settled: Placement) -> None:
    for artifact in settled.result.artifacts:
        if artifact.kind == "image":
            pictures.store_thumbnail(artifact.path)


def _undrawn() -> bool:
    return ui.revision != _drawn_revision


def _redraw() -> None:
    global _drawn_revision, _drawn_at
    now = time.monotonic()
    if _undrawn() and now - _drawn_at >= REDRAW_INTERVAL_S:
        _drawn_revision, _drawn_at = ui.revision, now
        redraw.tag_panels()


def pump_until(
    done: Callable[[], bool], timeout_s: float | None = None, report: Callable[[], None] | None = None
) -> bool:
    """Carry events until ``done()``, for ``blender -b`` and scripts; False if ``timeout_s`` was over first.

    Blocks the main thread, but for moments only at a time: ``report()`` is called after each. Raises ``Interrupted`` on
    Ctrl-C.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    with noticed_interrupts() as interrupted:
        while not done():
            if interrupted.is_set():
                raise Interrupted
            if deadline is not None and time.monotonic() > deadline:
                return False
            _wait(runtime_ref.runtime_or_none())
            # who blocks the main thread can't wait for playback to stop: it never would
            tick(defer_while_busy=False)
            if report is not None:
                report()
    return True


def _wait(runtime: object) -> None:
    channel: EventChannel | None = getattr(runtime, "channel", None)
    if channel is not None and not ui.queue:
        channel.wait(REDRAW_INTERVAL_S)
