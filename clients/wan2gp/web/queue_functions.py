"""Finds the functions behind WanGP's "Load Queue" button in the configuration of its web page.

Facts: names have a number that changes with every release (``process_tasks_1``), and so do the ids of functions and
components; there are several chains of one name. The right one begins at the function ``load_queue_action`` that an
upload triggers; the browser calls one function after the other (``trigger_after``). Status, gallery and preview are
triggered by changes of the chain's outputs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...core.errors import ProtocolError
from ...gradio.config import Dependency, GradioConfig
from ..errors import BACKEND, not_wangp

LOAD = "load_queue_action"
_TITLE = re.compile(r"wan ?2? ?gp", re.IGNORECASE)


@dataclass(frozen=True)
class Chain:
    """The ids of the functions of one chain; ``trigger_id`` is the button for calls of ``load``.

    ``abort_task`` aborts the task of one ``client_id``; it, ``preview`` and ``unload`` are None on servers without
    them. ``process_outputs`` is the position in the yields of ``process`` whose change triggers a new preview.
    """

    load: int
    trigger_id: int
    init: int
    activate: int
    process: int
    status: int
    gallery: int
    finalize: int
    abort: int
    abort_task: int | None = None
    preview: int | None = None
    preview_output: int = 0
    unload: int | None = None


def find_chain(config: GradioConfig, address: str) -> Chain:
    """Return the chain; ``ProtocolError`` with code ``not_wangp`` for another page, ``no_chain`` if a function is
    missing.
    """
    known = config.dependencies
    loads = config.find_by_stem(LOAD)
    load = next((each for each in loads if each.target("upload") is not None), None)
    if load is None:
        ours = loads or _TITLE.search(config.title)
        raise _no_chain_error([LOAD], address) if ours else _other_app_error(address, config.title)
    followers = config.chain(load)[1:]
    found = {each.stem: each for each in reversed(followers)}
    process, finalize = found.get("process_tasks"), _find_finalizer(followers)
    activate = found.get("activate_status")
    status = _find_on_change(known, "refresh_status_async", activate)
    gallery = _find_on_change(known, "refresh_gallery", process)
    preview = _find_on_change(known, "refresh_preview", process)
    abort, abort_task = _find_aborters(known, finalize)
    steps = {
        "init_process_queue_if_any": found.get("init_process_queue_if_any"),
        "activate_status": activate,
        "process_tasks": process,
        "refresh_status_async": status,
        "refresh_gallery": gallery,
        "finalize_generation": finalize,
        "abort_generation": abort,
    }
    missing = [name for name, function in steps.items() if function is None]
    if missing:
        raise _no_chain_error(missing, address)
    ids = {name: function.id for name, function in steps.items() if function is not None}
    unload = found.get("unload_model_if_needed")
    return Chain(
        load=load.id,
        trigger_id=load.target("upload") or 0,
        init=ids["init_process_queue_if_any"],
        activate=ids["activate_status"],
        process=ids["process_tasks"],
        status=ids["refresh_status_async"],
        gallery=ids["refresh_gallery"],
        finalize=ids["finalize_generation"],
        abort=ids["abort_generation"],
        abort_task=abort_task.id if abort_task is not None else None,
        preview=preview.id if preview is not None else None,
        preview_output=_find_change_position(preview, process),
        unload=unload.id if unload is not None else None,
    )


def _find_finalizer(followers: Iterable[Dependency]) -> Dependency | None:
    return next((each for each in followers if each.stem.startswith("finalize_generation")), None)


def _find_on_change(known: Iterable[Dependency], stem: str, of: Dependency | None) -> Dependency | None:
    """Return the function that is triggered by a change of one of the outputs of another."""
    outputs = set(of.outputs) if of is not None else set()
    for each in known:
        if each.stem == stem and any(event == "change" and part in outputs for part, event in each.targets):
            return each
    return None


def _find_aborters(
    known: Iterable[Dependency], finalize: Dependency | None
) -> tuple[Dependency | None, Dependency | None]:
    """Return the functions that abort the running task, and the task of a client id, in the chain's part of "
    "the page."""
    buttons = set(finalize.outputs) if finalize is not None else set()
    ours = [each for each in known if each.stem == "abort_generation" and buttons & set(each.outputs)]
    by_event = {event: each for each in reversed(ours) for _, event in each.targets}
    return by_event.get("click"), by_event.get("change")


def _find_change_position(preview: Dependency | None, process: Dependency | None) -> int:
    if preview is None or process is None:
        return 0
    changes = {part for part, event in preview.targets if event == "change"}
    return next((place for place, part in enumerate(process.outputs) if part in changes), 0)


def _other_app_error(address: str, title: str) -> ProtocolError:
    error = not_wangp(address)
    name = f" ({title})" if title else ""
    error.message = f"{address} is a Gradio program{name}, but not WanGP."
    error.args = (error.message,)
    return error


def _no_chain_error(missing: list[str], address: str) -> ProtocolError:
    return ProtocolError(
        f"The web page of {address} lacks the functions for sending jobs: {', '.join(missing)}.",
        code="no_chain",
        backend=BACKEND,
        hint="This version of WanGP is too old or too new to be used through its web page; start it with --mcp "
        "--mcp-transport "
        "streamable-http, and enter that address.",
        context={"missing": ", ".join(missing)},
    )
