"""The request to a Gradio app: a call of one endpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.request import Request, mapping_problems, path_problems, text_problems


@dataclass(frozen=True)
class EndpointRequest(Request):
    """A call of the app's ``endpoint``, such as ``/generate`` (the slash may be left out).

    ``inputs`` maps the names of fields to values; a field with a default may be omitted. ``files`` maps the names of
    file fields to a path, or to a list of paths if the field takes several. Only the server knows the fields and their
    values (``GradioAppClient.endpoints``): the job fails with an error for an input that does not fit.
    """

    endpoint: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """Return the problems that show without a server."""
        found = [
            *super().problems(),
            *text_problems("endpoint", self.endpoint),
            *mapping_problems("inputs", self.inputs),
            *mapping_problems("files", self.files),
        ]
        if not mapping_problems("inputs", self.inputs):
            unfit = [name for name, each in self.inputs.items() if not _is_json(each)]
            found += [f"inputs: {name} can't be sent as JSON." for name in unfit]
        if not mapping_problems("files", self.files):
            for name, each in self.files.items():
                found += _files_problems(f"files: {name}", each)
        if not found:
            found += [f"{name}: it is in inputs and in files." for name in self.inputs if name in self.files]
        return found


def _files_problems(name: str, value: Any) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [problem for each in value for problem in path_problems(name, each)]
    return path_problems(name, value)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
