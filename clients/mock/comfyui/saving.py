"""The files of the mock ComfyUI's save nodes: names, placeholders, metadata."""

from __future__ import annotations

import random
import string
import time
from typing import Any

from ..media.pixels import Pixels
from ..media.png import encode
from .node_base import NodeContext, NodeFailure, Result

OUTSIDE = (
    "**** ERROR: Saving image outside the output folder is not allowed.\n full_output_folder: /srv/comfyui/run\n"
    "         output_dir: /srv/comfyui/data/output"
)
OLDER_OUTSIDE = f"{OUTSIDE}\n         commonpath: /srv/comfyui/run"


def save_images(run: NodeContext, images: tuple[Pixels, ...], kind: str, prefix: str, *, bare: bool = False) -> Result:
    """Write each picture as a PNG; ``bare`` names end in the number."""
    items = []
    for image in images:
        data = encode(image, text=png_text(run), pause=run.yield_to_others)
        items.append(save(run, kind, prefix, "png", data, bare=bare, size=(image.width, image.height)))
    return Result((images,), {"images": items})


def save(
    run: NodeContext,
    kind: str,
    prefix: str,
    extension: str,
    data: bytes,
    *,
    bare: bool = False,
    size: tuple[int, int] = (0, 0),
) -> dict[str, str]:
    """Write the next file of ``prefix``; return it as an item of an output list. ``NodeFailure`` outside the folder."""
    if ".." in prefix or prefix.startswith("/"):
        raise NodeFailure("Exception", OUTSIDE if run.version.hardened else OLDER_OUTSIDE)
    return run.files.save(kind, _fill_placeholders(prefix, size), extension, data, bare=bare)


def _fill_placeholders(prefix: str, size: tuple[int, int]) -> str:
    """Fill in the placeholders that the server knows; %date:...% and %Node.widget% are filled by the editor."""
    now = time.localtime()
    values = {
        "%year%": f"{now.tm_year}",
        "%month%": f"{now.tm_mon:02}",
        "%day%": f"{now.tm_mday:02}",
        "%hour%": f"{now.tm_hour:02}",
        "%minute%": f"{now.tm_min:02}",
        "%second%": f"{now.tm_sec:02}",
        "%width%": str(size[0]),
        "%height%": str(size[1]),
        "%batch_num%": "0",
    }
    for key, value in values.items():
        prefix = prefix.replace(key, value)
    return prefix


def temporary_prefix() -> str:
    return f"ComfyUI_temp_{''.join(random.choices(string.ascii_lowercase, k=5))}"


def png_text(run: NodeContext) -> dict[str, Any]:
    """Return the metadata that ComfyUI writes into files: the prompt and the client's ``extra_pnginfo``."""
    extra = run.extra_data.get("extra_pnginfo")
    return {"prompt": run.prompt, **(extra if isinstance(extra, dict) else {})}
