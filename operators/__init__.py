"""Operators, for buttons and scripts. Thin: context in, typed request out, errors as reports."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

_MODULES = (
    "generate",
    "generate_video",
    "generate_sound",
    "gradio_app",
    "write",
    "generate_shots",
    "jobs",
    "connection",
    "files",
)


def register() -> None:
    """Add the operators and the terminal command."""
    for module in _modules():
        module.register()


def unregister() -> None:
    """Take them out."""
    for module in reversed(_modules()):
        module.unregister()


def _modules() -> list[ModuleType]:
    return [import_module(f".{name}", __package__) for name in _MODULES]
