"""The choices of combo inputs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.json_fields import as_list, get_member


def combo_choices(spec: Any) -> list[str]:
    """Return the choices in an input's definition; empty if it is no combo.

    Both forms are supported: ``[[choices], {...}]`` and, of newer nodes, ``["COMBO", {"options": [choices]}]``.
    """
    if not isinstance(spec, list) or not spec:
        return []
    choices = spec[0]
    if choices == "COMBO" and len(spec) > 1 and isinstance(spec[1], Mapping):
        choices = spec[1].get("options")
    return [str(each) for each in as_list(choices)]


def choices_of(object_info: Any, class_type: str, input_name: str) -> list[str]:
    """Return the choices of a required input of a node class, from a response of ``/object_info``."""
    return combo_choices(get_member(object_info, class_type, "input", "required", input_name))
