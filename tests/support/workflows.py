"""Workflows in the editor's format, built in a line or two, and what a server would say of their classes."""

from __future__ import annotations

from typing import Any

SUBGRAPH = "aaaaaaaa-0000-4000-8000-000000000001"
OUTER = "bbbbbbbb-0000-4000-8000-000000000002"

Slots = list[tuple[str, str, int | None]]


def node(
    node_id: int | str,
    kind: str,
    *,
    inputs: Slots | None = None,
    widgets: Slots | None = None,
    outputs: list[str] | None = None,
    values: Any = None,
    **more: Any,
) -> dict[str, Any]:
    """Return a node; ``inputs`` are (name, type, link), ``widgets`` the same for inputs that stand for a widget."""
    slots = [{"name": name, "type": kind_, "link": link} for name, kind_, link in inputs or []]
    slots += [
        {"name": name, "type": kind_, "widget": {"name": name}, "link": link} for name, kind_, link in widgets or []
    ]
    made = {
        "id": node_id,
        "type": kind,
        "mode": 0,
        "inputs": slots,
        "outputs": [{"type": out} for out in outputs or []],
    }
    if values is not None:
        made["widgets_values"] = values
    return {**made, **more}


def workflow(nodes: list[Any], links: list[Any], *subgraphs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a workflow; links are (id, from, slot, to)."""
    made: dict[str, Any] = {"nodes": nodes, "links": [[*link, 0, "*"] for link in links], "last_node_id": 100, **more}
    return {**made, "definitions": {"subgraphs": list(subgraphs)}} if subgraphs else made


def subgraph(
    nodes: list[Any],
    links: list[tuple[int, int, int, int, int]],
    *,
    name: str = SUBGRAPH,
    inputs: Slots | None = None,
    outputs: Slots | None = None,
) -> dict[str, Any]:
    """Return a definition; ports are (name, type, link), links (id, from, slot, to, slot)."""
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    return {
        "id": name,
        "nodes": nodes,
        "links": [dict(zip(keys, link, strict=True)) for link in links],
        "inputs": [{"name": n, "type": t, "linkIds": [link]} for n, t, link in inputs or []],
        "outputs": [{"name": n, "type": t, "linkIds": [link]} for n, t, link in outputs or []],
    }


def class_info(required: dict[str, Any], optional: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return an entry of object_info."""
    inputs = {"required": required, "optional": optional or {}}
    order = {name: list(section) for name, section in inputs.items()}
    return {"input": inputs, "input_order": order, "output": ["IMAGE"], **more}


CLASSES: dict[str, Any] = {
    "Source": class_info({"width": ["INT", {"default": 512}], "color": ["STRING", {}]}, display_name="A source"),
    "Invert": class_info({"image": ["IMAGE"]}),
    "Mix": class_info({"image": ["IMAGE"], "mask": ["MASK"]}, output=["IMAGE", "MASK", "LATENT"]),
    "Sampler": class_info({"model": ["MODEL"], "seed": ["INT", {}], "steps": ["INT", {"default": 20}]}),
    "Save": class_info({"images": ["IMAGE"], "prefix": ["STRING", {"default": "x"}]}, output=[]),
    "Any": class_info({"value": ["*"]}, output=[]),
}


def picture_in_a_subgraph(label: str = "prompt") -> dict[str, Any]:
    """Return a text-to-image workflow inside a subgraph that shows its prompt, width, height and steps outside."""
    inner = subgraph(
        [
            node(1, "CheckpointLoaderSimple", values=["dreamshaper_8.safetensors"], outputs=["MODEL", "CLIP", "VAE"]),
            node(2, "CLIPTextEncode", inputs=[("clip", "CLIP", 1)], widgets=[("text", "STRING", 2)], values=["old"]),
            node(3, "CLIPTextEncode", inputs=[("clip", "CLIP", 3)], values=["rain"]),
            node(4, "EmptyLatentImage", widgets=[("width", "INT", 4), ("height", "INT", 5)], values=[64, 64, 1]),
            node(
                5,
                "KSampler",
                inputs=[
                    ("model", "MODEL", 6),
                    ("positive", "CONDITIONING", 7),
                    ("negative", "CONDITIONING", 8),
                    ("latent_image", "LATENT", 9),
                ],
                widgets=[("steps", "INT", 10)],
                values=[1, "fixed", 20, 7.0, "euler", "normal", 1.0],
            ),
            node(6, "VAEDecode", inputs=[("samples", "LATENT", 11), ("vae", "VAE", 12)]),
        ],
        [
            (1, 1, 1, 2, 0),
            (2, -10, 0, 2, 1),
            (3, 1, 1, 3, 0),
            (4, -10, 1, 4, 0),
            (5, -10, 2, 4, 1),
            (6, 1, 0, 5, 0),
            (7, 2, 0, 5, 1),
            (8, 3, 0, 5, 2),
            (9, 4, 0, 5, 3),
            (10, -10, 3, 5, 4),
            (11, 5, 0, 6, 0),
            (12, 1, 2, 6, 1),
            (13, 6, 0, -20, 0),
        ],
        inputs=[("text", "STRING", 2), ("width", "INT", 4), ("height", "INT", 5), ("steps", "INT", 10)],
        outputs=[("IMAGE", "IMAGE", 13)],
    )
    inner["name"], inner["inputs"][0]["label"] = "Text to Image", label
    host = node(10, SUBGRAPH, outputs=["IMAGE"], values=["a fox", 48, 32, 6])
    save = node(11, "SaveImage", inputs=[("images", "IMAGE", 1)], values=["picture"])
    return workflow([host, save], [(1, 10, 0, 11)], inner)
