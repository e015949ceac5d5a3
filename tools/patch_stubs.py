#!/usr/bin/env python3
"""Mend the faults of the fake-bpy-module stubs that the extension's code meets, in an environment's own copy.

Each mend is one that Blender's documentation and the running Blender bear out: return types that the generator of the
older stubs lost, operators as classes whose call gives an instance instead of a set, enumerations cut down to the one
value of the machine that they were generated on, the missing context manager of 5.2, and what the extension itself
registers (``Scene.movie_director`` and so on). Anything else that a checker finds is to be settled in the code.

``python tools/patch_stubs.py FOLDER`` (the ``bpy-stubs`` folder); fails if a mend that has to be made finds no place.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mend:
    """Replace ``pattern`` in the stubs of ``module``; ``always``: every version needs it."""

    module: str
    pattern: str
    replacement: str
    always: bool = False


ARGUMENTS = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
CALLBACK = "collections.abc.Callable[[], None]"

MENDS = (
    Mend("props", rf"(def \w+Property(?:\[[^\n(]*\])?{ARGUMENTS}) -> \w+:", r"\1 -> typing.Any:", always=True),
    Mend(
        "utils",
        rf"(def register_classes_factory{ARGUMENTS}) -> None:",
        rf"\1 -> tuple[{CALLBACK}, {CALLBACK}]:",
    ),
    Mend("utils", rf"(def register_cli_command{ARGUMENTS}) -> None:", r"\1 -> typing.Any:"),
    Mend("app", rf"(def is_job_running{ARGUMENTS}) -> None:", r"\1 -> bool:"),
    Mend("types", rf"(    def panel(?:_prop)?{ARGUMENTS}) -> None:", r"\1 -> tuple[UILayout, UILayout]:"),
    Mend("types", r'    engine: typing.Literal\["BLENDER_EEVEE\w*"\]', "    engine: str", always=True),
    Mend("types", r"    name: (?:typing.Literal\[)?[\w.]+\.ColorSpace\w+\]?", "    name: str", always=True),
    Mend(
        "types",
        r"(class ContextTempOverride:\n)(?!    def __enter__)",
        "\\1    def __enter__(self) -> typing.Any: ...\n    def __exit__(self, *args: typing.Any) -> None: ...\n",
    ),
    # the methods that a class of ours overrides: arguments that are "never None", results as sets of plain strings
    Mend("types", r"(context: Context|event: Event)(?: \| None)+", r"\1"),
    Mend(
        "types",
        r"(def (?:execute|invoke|modal)\([^()]*\)) -> set\[[^\n]*OperatorReturnItems\]+:",
        r"\1 -> set[str]:",
        always=True,
    ),
    Mend("types", r"(class Scene\(.*\):\n)", "\\1    movie_director: typing.Any\n", always=True),
    Mend("types", r"(class WindowManager\(.*\):\n)", "\\1    movie_director: typing.Any\n", always=True),
    Mend("ops", r"(class _BPyOpsSubModOp)", r"movie_director: typing.Any\n\n\1", always=True),
)

# An operator is an object that can be called, not a class whose instance the call gives.
OPERATOR = Mend("ops/*", r"class (\w+)\((bpy\.ops\._BPyOpsSubModOp)\):\n    def __new__\(\s*cls,", "")


def mend(folder: Path) -> None:
    """Apply all mends; raise RuntimeError if one that every version needs finds no place."""
    for one in MENDS:
        path = folder / one.module / "__init__.pyi"
        text, count = re.subn(one.pattern, one.replacement, path.read_text(encoding="utf-8"))
        if one.always and not count:
            raise RuntimeError(f"{path}: found no place for {one.pattern}")
        path.write_text(text, encoding="utf-8")
    for path in folder.glob(f"{OPERATOR.module}/__init__.pyi"):
        text = path.read_text(encoding="utf-8")
        text = re.sub(OPERATOR.pattern, r"\1: _\1\n\nclass _\1(\2):\n    def __call__(self,", text)
        text = re.sub(rf"(def __call__{ARGUMENTS}) -> [^\n]+:\n", r"\1 -> set[str]:\n", text)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    mend(Path(sys.argv[1]))
