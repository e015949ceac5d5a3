"""Declarations of node classes and their inputs in the mock ComfyUI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .versions import Version

Spec = list[Any]
"""An input as object_info has it: ``[type or list of choices, options]``."""

MAX_SEED = 0xFFFFFFFFFFFFFFFF
MAX_SIZE = 16384
DYNAMIC = "COMFY_DYNAMICCOMBO_V3"


@dataclass(frozen=True)
class NodeClass:
    """One node class: its inputs by name, its outputs, and how the editor shows it."""

    title: str
    category: str
    inputs: Mapping[str, Spec]
    outputs: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)
    is_output: bool = False
    module: str = "nodes"
    essential: str | None = None
    newer_outputs: tuple[str, ...] | None = None
    """Outputs that newer releases gave the node (SaveImage)."""
    optional: Mapping[str, Spec] = field(default_factory=dict)
    releases: tuple[str, ...] = ()
    """The releases that have the class; empty: all."""

    def outputs_in(self, version: Version) -> tuple[str, ...]:
        return self.newer_outputs if version.jobs and self.newer_outputs is not None else self.outputs

    def is_in(self, version: Version) -> bool:
        return not self.releases or version.name in self.releases


def integer(default: int, low: int, high: int, **more: Any) -> Spec:
    return ["INT", {"default": default, "min": low, "max": high, **more}]


def number(default: float, low: float, high: float, **more: Any) -> Spec:
    return ["FLOAT", {"default": default, "min": low, "max": high, **more}]


def choice(*choices: str, **more: Any) -> Spec:
    return [list(choices), more] if more else [list(choices)]


def text(**more: Any) -> Spec:
    return ["STRING", more] if more else ["STRING"]


def dynamic_choice(**options: Mapping[str, Spec]) -> Spec:
    """Declare a choice with inputs of its own: ``options`` maps each choice to them (named ``input.own``)."""
    rows = [{"key": key, "inputs": {"required": dict(inputs)}} for key, inputs in options.items()]
    return [DYNAMIC, {"options": rows}]


SEED = integer(0, 0, MAX_SEED, control_after_generate=True)
