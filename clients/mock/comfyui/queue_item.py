"""The items of the mock ComfyUI's queue."""

from __future__ import annotations

from typing import Any

Item = tuple[Any, str, dict[str, Any], dict[str, Any], list[str], dict[str, str]]
"""number, prompt_id, prompt, extra_data, output node ids, secrets: compared in this order by the heap, as the real
server's items are. Two that agree in number and id are not comparable, which ends the worker that compares them."""

SECRET_KEYS = ("api_key_comfy_org", "auth_token_comfy_org")
"""Keys of ``extra_data`` that are moved to the item's secrets."""


def describe_item(item: Item, *, secrets: bool) -> list[Any]:
    """Describe an item as /queue and /history do."""
    number, prompt_id, prompt, extra_data, outputs, hidden = item
    return [number, prompt_id, prompt, {**hidden, **extra_data} if secrets else extra_data, outputs]
