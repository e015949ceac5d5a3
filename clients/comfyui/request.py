"""The request to ComfyUI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.json_fields import is_number
from ..core.request import Request, integer_problems, mapping_problems, path_problems

MAX_SEED = 2**64 - 1

PROMPT, NEGATIVE, IMAGE, WIDTH, HEIGHT, STEPS, DENOISE = SLOTS = (
    "prompt",
    "negative_prompt",
    "image",
    "width",
    "height",
    "steps",
    "denoise",
)
"""What a value can be meant for in any workflow."""

TEXT_SLOTS = (PROMPT, NEGATIVE)


@dataclass(frozen=True)
class WorkflowRequest(Request):
    """A workflow to run, with values put into its inputs.

    ``workflow`` is a dict in the API's or the editor's format, or the path of a ``.json`` file or of a picture, video
    or sound that ComfyUI saved (PNG, WebP, MP4, WebM, MKV, FLAC, MP3, Opus). ``inputs`` and ``files`` map an address to
    a value or to a local file, which is uploaded first. An address is a node's title, its class where only one node has
    it, or its id: alone where the node has one obvious input, else followed by a dot and the input's name
    (``"Positive prompt"``, ``"Sampler.steps"``, ``"3.cfg"``; ``"#3.cfg"`` means the id whatever the nodes are titled).
    ``seed`` (0 to 2^64-1) goes into every seed of the workflow that ``inputs`` does not name; None: a random one, said
    in the metadata.

    ``slots`` are values by what they mean, for a workflow that nobody has looked into: ``prompt``, ``negative_prompt``,
    ``image`` (a local file), ``width``, ``height``, ``steps``, ``denoise``. They go where ``ComfyUIClient.template``
    finds parameters of these names, and not into what ``inputs`` or ``files`` name. A workflow without a place for the
    prompt or the image is refused (``ValidationError``, codes ``no_prompt_slot`` and ``no_image_slot``); others that it
    has no place for are left out, which the log says.
    """

    workflow: Any
    inputs: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str | Path] = field(default_factory=dict)
    seed: int | None = None
    slots: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.workflow, str) and self.workflow:
            object.__setattr__(self, "workflow", Path(self.workflow))
        if isinstance(self.files, Mapping):
            files = {key: Path(path) if isinstance(path, str) and path else path for key, path in self.files.items()}
            object.__setattr__(self, "files", files)
        if isinstance(self.slots, Mapping) and isinstance(self.slots.get(IMAGE), str) and self.slots[IMAGE]:
            object.__setattr__(self, "slots", {**self.slots, IMAGE: Path(self.slots[IMAGE])})

    def problems(self) -> list[str]:
        """Return the problems that show without a server."""
        found = super().problems()
        if not isinstance(self.workflow, (Mapping, str, Path)) or not self.workflow:
            found.append("workflow: a dict, or the path of a .json file or a picture, is required.")
        found += self._input_problems()
        found += self._slot_problems()
        found += integer_problems("seed", self.seed, least=0, most=MAX_SEED)
        return found

    def _input_problems(self) -> list[str]:
        found = mapping_problems("inputs", self.inputs) + mapping_problems("files", self.files)
        if found:
            return found
        for address, value in self.inputs.items():
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError) as error:
                found.append(f"inputs: the value for {address!r} can't be sent: {error}.")
        for address, path in self.files.items():
            found += path_problems(f"files: {address!r}", path)
        both = sorted(set(self.inputs) & set(self.files))
        return found + [f"inputs, files: {address!r} is in both." for address in both]

    def _slot_problems(self) -> list[str]:
        found = mapping_problems("slots", self.slots)
        for name, value in () if found else self.slots.items():
            if name not in SLOTS:
                found.append(f"slots: there is no slot {name!r}; there are {', '.join(SLOTS)}.")
            elif name == IMAGE:
                found += path_problems(f"slots: {name}", value)
            elif name in TEXT_SLOTS:
                found += [] if isinstance(value, str) else [f"slots: {name}: a text is required."]
            elif not is_number(value):
                found.append(f"slots: {name}: a number is required.")
        return found
