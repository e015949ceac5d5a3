"""Parses the ``outputs`` of a run's history entry. Pure.

Facts: ``outputs[node id][key]`` are lists of files (dicts with a ``filename``), texts, numbers, nulls; files stand
under any key, so the extension decides the kind. 3D nodes list their files as texts, relative to the output folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ...core.json_fields import as_list
from ...files.names import kind_and_type

TEMPORARY = "temp"


@dataclass(frozen=True)
class OutputFile:
    """A file on the server, in the terms of ``/view``."""

    filename: str
    subfolder: str = ""
    folder_type: str = "output"

    @property
    def view_path(self) -> str:
        """The path and query of the file's download."""
        query = {"filename": self.filename, "subfolder": self.subfolder, "type": self.folder_type}
        return f"/api/view?{urlencode(query)}"

    @property
    def source(self) -> str:
        """The server's name for the file."""
        folders = [part for part in (self.folder_type, self.subfolder) if part]
        return "/".join([*folders, self.filename])


@dataclass(frozen=True)
class Outputs:
    """A run's files and texts in the prompt's node order, batches in order, each once."""

    files: tuple[OutputFile, ...] = ()
    texts: tuple[str, ...] = ()


def collect(outputs: Any, prompt: Mapping[str, Any]) -> Outputs:
    """Parse the outputs of a run; temporary files (previews) count only if nothing was saved."""
    files: dict[OutputFile, None] = {}
    texts: list[str] = []
    for values in _sort_outputs(outputs, prompt):
        for key, items in values.items():
            for item in as_list(items):
                if key == "text" and isinstance(item, str):
                    texts.append(item)
                elif (file := _file(item)) is not None:
                    files[file] = None
    saved = [file for file in files if file.folder_type != TEMPORARY]
    return Outputs(tuple(saved or files), tuple(texts))


def _sort_outputs(outputs: Any, prompt: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if not isinstance(outputs, Mapping):
        return
    known = [node_id for node_id in prompt if node_id in outputs]
    for node_id in known + [each for each in outputs if each not in prompt]:
        if isinstance(outputs[node_id], Mapping):
            yield outputs[node_id]


def _file(item: Any) -> OutputFile | None:
    if isinstance(item, str):
        return _parse_file_name(item) if kind_and_type(item)[0] == "model" else None
    if not isinstance(item, Mapping) or not isinstance(item.get("filename"), str) or not item["filename"]:
        return None
    return OutputFile(item["filename"], str(item.get("subfolder") or ""), str(item.get("type") or "output"))


def _parse_file_name(path: str) -> OutputFile:
    r"""Return the file of an output text: ``/view`` takes no folder in a name; Windows writes ``\``."""
    subfolder, _, name = path.replace("\\", "/").rpartition("/")
    return OutputFile(name, subfolder)
