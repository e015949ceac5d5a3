"""The wiring of WanGP's web UI: the functions that a client needs, and the similar ones that it must not call.

Facts: the outline of /config of v12.60 in tests/recordings/wan2gp. Functions, components and suffixes have the recorded
numbers or others: they change with every release.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..gradio.app import App, Component, Dependency, update

STATE, STATUS, STATUS_TRIGGER, LOAD_TRIGGER, ABORT_ID = 643, 644, 645, 646, 647
LOAD_BUTTON = 791

COMPONENTS: tuple[tuple[int, str, str], ...] = (
    (40, "markdown", ""), (STATE, "state", ""), (STATUS, "textbox", "Status"),
    (STATUS_TRIGGER, "textbox", "wangp_main_status_trigger"),
    (LOAD_TRIGGER, "textbox", "wangp_main_load_queue_trigger"),
    (ABORT_ID, "textbox", "wangp_main_abort_client_id"), (648, "number", ""), (649, "tabs", ""),
    (651, "gallery", "Generated videos"), (654, "textbox", "audio_gallery_state_paths"),
    (655, "number", "audio_gallery_state_selected"), (656, "textbox", "audio_gallery_refresh_trigger"),
    (664, "textbox", "wangp_main_output_trigger"), (666, "textbox", ""), (765, "button", ""), (766, "button", ""),
    (770, "column", ""), (772, "html", "Preview"), (773, "textbox", ""), (775, "html", ""), (776, "row", ""),
    (778, "button", ""), (779, "button", ""), (780, "button", ""), (781, "button", ""), (782, "button", ""),
    (783, "accordion", "Queue Management"), (785, "html", "queue_html_container"),
    (LOAD_BUTTON, "uploadbutton", "Load Queue"),
    (792, "button", ""), (808, "number", ""), (821, "state", ""), (1572, "textbox", "Status"), (1573, "textbox", ""),
    (1575, "textbox", ""), (1700, "html", "Preview"), (1701, "textbox", ""), (1709, "button", ""),
    (1713, "html", "queue_html_container"), (1720, "button", ""), (1749, "state", ""),
)  # fmt: skip
"""Number, type and label."""

Target = tuple[int | None, str]
THEN: tuple[Target, ...] = ((None, "then"),)

FUNCTIONS: tuple[tuple[int, str, tuple[int, ...], tuple[int, ...], tuple[Target, ...], int | None], ...] = (
    (90, "refresh_preview", (STATE,), (772,), ((773, "change"),), None),
    (93, "refresh_status_async", (STATE,), (STATUS,), ((STATUS_TRIGGER, "change"),), None),
    (94, "refresh_gallery", (STATE,), (649, 648, 651, 808, 654, 655, 656, 775, 765, 766, 770, 776, 785, 781, 782, 778),
     ((664, "change"),), None),
    (111, "pause_generation", (STATE,), (779, 780), ((779, "click"),), None),
    (112, "resume_generation", (STATE,), (), ((780, "click"),), None),
    (113, "abort_generation", (STATE, 821), (781, 785), ((781, "click"),), None),
    (114, "abort_generation_1", (STATE, ABORT_ID), (781, 785), ((ABORT_ID, "change"),), None),
    (115, "early_stop_generation", (STATE,), (782,), ((782, "click"),), None),
    (330, "prepare_generate_media", (STATE,), (765, 766, 770, 776), THEN, 329),
    (331, "activate_status", (STATE,), (STATUS_TRIGGER,), THEN, 330),
    (332, "process_tasks", (STATE,), (773, 664, 666), THEN, 331),
    (333, "finalize_generation", (STATE,), (649, 648, 651, 654, 655, 656, 781, 782, 765, 766, 770, 775), THEN, 332),
    (334, "lambda_48", (STATE,), (783,), THEN, 333),
    (335, "unload_model_if_needed", (STATE,), (), THEN, 334),
    (336, "load_queue_action", (LOAD_BUTTON, STATE), (785,),
     ((LOAD_BUTTON, "upload"), (0, "load"), (LOAD_TRIGGER, "change")), None),
    (337, "lambda_49", (STATE,), (770, 783), THEN, 336),
    (338, "init_process_queue_if_any", (STATE,), (765, 766, 770), THEN, 337),
    (339, "activate_status_1", (STATE,), (STATUS_TRIGGER,), THEN, 338),
    (340, "process_tasks_1", (STATE,), (773, 664, 666), THEN, 339),
    (341, "finalize_generation_with_state", (STATE,),
     (649, 648, 651, 654, 655, 656, 781, 782, 765, 766, 770, 775, 783, STATE), THEN, 340),
    (342, "unload_model_if_needed_1", (STATE,), (), THEN, 341),
    (354, "clear_queue_action", (STATE,), (785,), ((792, "click"),), None),
    (445, "refresh_preview_1", (STATE,), (1700,), ((1701, "change"),), None),
    (448, "refresh_status_async_1", (STATE,), (1572,), ((1573, "change"),), None),
    (467, "abort_generation_2", (STATE, 1749), (1709, 1713), ((1709, "click"),), None),
    (468, "abort_generation_3", (STATE, 1575), (1709, 1713), ((1575, "change"),), None),
    (547, "clear_queue_action_1", (STATE,), (1713,), ((1720, "click"),), None),
)  # fmt: skip
"""Number, name, inputs, outputs, targets, and the function it follows."""

GENERATORS = ("process_tasks", "refresh_status_async", "pause_generation")
SUFFIX = re.compile(r"_(\d+)\Z")


def stem_of(name: str) -> str:
    """Return a function's name without the number at its end."""
    return SUFFIX.sub("", name)


def make_wangp_app(
    functions: Mapping[str, Callable[..., Any]],
    state: Callable[[], Any],
    version: str,
    *,
    shift: int = 0,
    client_ids: bool = True,
    chain: bool = True,
) -> App:
    """Make the app. ``functions`` maps stems to functions; ``shift`` is added to every number of a function, and twice
    to those of components (0: the recorded numbers). Without ``client_ids`` nothing can be aborted by id, as before
    December 2025; without ``chain`` there are no queue files, as before version 4."""
    parts = [
        Component(number + 2 * shift, kind, label, _props(number, state, version)) for number, kind, label in COMPONENTS
    ]
    wired = []
    for number, name, taken, outputs, targets, after in FUNCTIONS:
        stem = stem_of(name)
        if not chain and stem == "load_queue_action":
            continue
        inputs = taken
        if stem == "abort_generation" and not client_ids:
            if ABORT_ID in taken or 1575 in taken:
                continue
            inputs = taken[:1]
        wired.append(
            Dependency(
                number + shift,
                _renumbered(name, shift),
                functions.get(stem, _no_op(len(outputs))),
                tuple(each + 2 * shift for each in inputs),
                tuple(each + 2 * shift for each in outputs),
                tuple((part and part + 2 * shift, event) for part, event in targets),
                None if after is None else after + shift,
                generator=stem in GENERATORS,
                extra={"trigger_mode": _trigger_mode(stem, targets)},
            )
        )
    return App(parts, wired, title="WanGP")


def _props(number: int, state: Callable[[], Any], version: str) -> dict[str, Any]:
    if number == STATE:
        return {"value": state}
    if number == 40:
        return {
            "value": f"<div align=center><H1>Wan<SUP>GP</SUP> v{version} <FONT SIZE=4>by <I>DeepBeepMeep</I></FONT>"
        }
    return {}


def _trigger_mode(stem: str, targets: tuple[Target, ...]) -> str:
    changed = all(event == "change" for _, event in targets)
    return "always_last" if changed or stem == "finalize_generation_with_state" else "once"


def _renumbered(name: str, shift: int) -> str:
    found = SUFFIX.search(name)
    return f"{stem_of(name)}_{int(found[1]) + 1}" if found and shift else name


def _no_op(count: int) -> Callable[..., Any]:
    """Make a function of the page that has no effect here."""

    def unchanged(*_: Any) -> Any:
        return update() if count == 1 else [update() for _ in range(count)]

    return unchanged
