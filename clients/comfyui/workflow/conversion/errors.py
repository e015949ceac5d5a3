"""The errors of the conversion: each names the node, its problem and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from ....core.errors import MissingResource, ValidationError

EXPORT_HINT = "Open the workflow in ComfyUI's own editor and use Workflow > Export (API) instead."
NEAREST = 3
MOST_LISTED = 20


def place(title: str, node_type: str, node_id: str) -> str:
    """Return the name of a node for messages, such as ``node "Sampler" (KSampler, id 3)``."""
    return f'node "{(title or node_type):.80}" ({node_type:.80}, id {node_id:.80})'


def refuse(code: str, message: str, *, hint: str = EXPORT_HINT, **context: object) -> ValidationError:
    """Return the error for a workflow that can't be converted; ``context`` may hold ``node_id`` and ``title``."""
    return ValidationError(message, code=code, hint=hint, backend="comfyui", context=context)


def missing_nodes(missing: Mapping[str, tuple[str, str]], known: Iterable[str]) -> MissingResource:
    """Return the error for node classes that the server lacks.

    ``missing`` maps each class to the id and title of its first node, in the workflow's order, and is not empty.
    """
    names = list(known)
    # The search for similar names is slow: limit the number of names and their length.
    nearest = {kind: difflib.get_close_matches(kind[:80], names, NEAREST) for kind in list(missing)[:MOST_LISTED]}
    first = next(iter(missing))
    node_id, title = missing[first]
    others = f" and {len(missing) - 1} other kinds of node" if len(missing) > 1 else ""
    alike = f" Alike: {', '.join(nearest[first])}." if nearest[first] else ""
    return MissingResource(
        f"The server has no {place(title, first, node_id)}{others}.",
        kind="node",
        name=first,
        nearest=nearest[first],
        code="missing_node",
        hint=f"Install the custom nodes the workflow needs on the server, or choose another workflow.{alike}",
        backend="comfyui",
        context={
            "missing": [
                {"name": kind, "node_id": where[0], "title": where[1], "nearest": nearest[kind]}
                for kind, where in list(missing.items())[:MOST_LISTED]
            ]
        },
    )
