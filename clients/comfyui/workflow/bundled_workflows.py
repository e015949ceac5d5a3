"""The workflows bundled with the extension."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...core.errors import ValidationError
from ...core.request import nearest_names

_FOLDER = Path(__file__).resolve().parent / "bundled"
CHECKPOINT_LOADER = "CheckpointLoaderSimple"
CHECKPOINT_INPUT = "ckpt_name"


def bundled_workflow(name: str) -> Path:
    """Return the file of the workflow ``text_to_image`` or ``image_to_image``; ``ValidationError`` for other names."""
    path = _FOLDER / f"{name}.json"
    if not is_bundled(path) or not path.is_file():
        known = sorted(each.stem for each in _FOLDER.glob("*.json"))
        raise ValidationError(
            f"No workflow {name!r} is bundled with the extension.",
            code="unknown_workflow",
            backend="comfyui",
            hint=f"There are: {', '.join(known)}.",
            context={"nearest": nearest_names(name, known)},
        )
    return path


def is_bundled(workflow: Any) -> bool:
    """Return True if a request's workflow is one of the extension's own."""
    return isinstance(workflow, (str, Path)) and Path(workflow).resolve().parent == _FOLDER
