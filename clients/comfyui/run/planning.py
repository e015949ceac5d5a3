"""Prepares a request without a server: puts its values into the workflow and finds its files."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import ValidationError
from ...files.storage_errors import input_errors
from ..request import IMAGE, PROMPT, WorkflowRequest
from ..validation_errors import BACKEND
from ..workflow.addressing import SEED_INPUTS, Addresses, Target, seed_targets, set_input
from ..workflow.conversion import EditorWidget
from ..workflow.conversion.specs import spec_of
from ..workflow.loading import MODEL_FILE, Prompt, check_form
from ..workflow.prompt_checks import Definitions
from ..workflow.slots import Slots, find_slots

RANDOM_SEEDS = 2**53
"""Random seeds stay below it: the editor's JavaScript can't show larger whole numbers. Given ones may be larger."""


@dataclass(frozen=True)
class Plan:
    """``files`` maps inputs to local files, ``given`` are the inputs in the request. ``seed`` is None for a workflow
    without one.
    """

    prompt: Prompt
    files: dict[Target, Path]
    given: frozenset[Target]
    seed: int | None
    warnings: tuple[str, ...] = ()


def make_plan(
    request: WorkflowRequest, prompt: Prompt, known: Definitions, widgets: Sequence[EditorWidget] = ()
) -> Plan:
    """Put the request's values and seed into its workflow's ``prompt``.

    ``known`` has the definitions of the prompt's classes that the server gave; they limit a random seed. ``widgets``
    are those that only the editor has.

    Raises ``ValidationError`` for a wrong address, or a missing input for the prompt or the image, and
    ``StorageError`` for a file that can't be read; nothing was sent then.
    """
    places = Addresses(prompt, widgets).resolve_places({**request.inputs, **request.files})
    slots = find_slots(prompt, known, widgets) if request.slots else {}
    _check_slots(request, slots)
    values = {target: value for address, value in request.inputs.items() for target in places[address]}
    paths = {target: path for address, path in request.files.items() for target in places[address]}
    named = {*values, *paths}
    for slot, value in request.slots.items():
        filled = {target: value for target in slots.get(slot, ()) if target not in named}
        (paths if slot == IMAGE else values).update(filled)
    for target, value in values.items():
        set_input(prompt, target, value)
    files = {target: _readable(Path(path)) for target, path in paths.items()}
    check_form(prompt)
    given = frozenset({*values, *files})
    seed, warnings = _fill_seeds(prompt, request.seed, given, known)
    left_out = [f"The workflow has no input for {slot}." for slot in request.slots if slot not in slots]
    return Plan(prompt, files, given, seed, (*left_out, *warnings))


def _check_slots(request: WorkflowRequest, slots: Slots) -> None:
    """Raise ``ValidationError`` if the request has a prompt or an image and the workflow no input for it."""
    for slot, code, place, hint in _NEEDED:
        if slot in request.slots and slot not in slots:
            name = f" {Path(request.workflow).name}" if isinstance(request.workflow, (str, Path)) else ""
            raise ValidationError(
                f"The workflow{name} has no input for {place}.", code=code, hint=hint, backend=BACKEND
            )


_NEEDED = (
    (PROMPT, "no_prompt_slot", "the prompt", "Name its text node 'Prompt' in ComfyUI, then save the workflow again."),
    (
        IMAGE,
        "no_image_slot",
        "an input image",
        "Add a Load Image node, or start from the prompt alone.",
    ),
)


def find_models(prompt: Prompt) -> list[str]:
    """Return the model files in a prompt, each once."""
    return list(dict.fromkeys(_model_names(prompt)))


def _model_names(prompt: Prompt) -> Iterator[str]:
    for node in prompt.values():
        for value in node["inputs"].values():
            if isinstance(value, str) and MODEL_FILE.search(value):
                yield value


def _fill_seeds(
    prompt: Prompt, wanted: int | None, given: frozenset[Target], known: Definitions
) -> tuple[int | None, tuple[str, ...]]:
    """Set the seed in every input that the request does not set; return it, or the request's own."""
    targets = seed_targets(prompt)
    free = [target for target in targets if target not in given]
    if free:
        seed = _random_seed(prompt, free, known) if wanted is None else wanted
        for target in free:
            set_input(prompt, target, seed)
        return seed, ()
    if targets:
        first = targets[0]
        return prompt[first.node_id]["inputs"][first.input_name], ()
    return None, () if wanted is None else ("The workflow has no seed input, so the request's seed has no effect.",)


def _random_seed(prompt: Prompt, targets: Iterable[Target], known: Definitions) -> int:
    """Return a seed within the limits of all its inputs, including linked ones: nodes of paid services often end at
    2^31.
    """
    wired = (
        Target(node_id, name) for node_id, node in prompt.items() for name in SEED_INPUTS if name in node["inputs"]
    )
    least, most = 0, RANDOM_SEEDS - 1
    for node_id, name in {*targets, *wired}:
        spec = spec_of(known.get(prompt[node_id]["class_type"], {}), name)
        low, high = (spec.limit("min"), spec.limit("max")) if spec is not None else (None, None)
        least = least if low is None else max(least, int(low))
        most = most if high is None else min(most, int(high))
    return random.randint(least, max(least, most))


def _readable(path: Path) -> Path:
    with input_errors(path), path.open("rb"):
        return path
