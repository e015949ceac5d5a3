"""How the save nodes of the mock ComfyUI name and describe their files."""

import random
import string
import time
from typing import TYPE_CHECKING, Any

from ..media.pixels import Pixels
from ..media.png import encode
from .node_base import Failure, Result

if TYPE_CHECKING:
    from .run import Run

OUTSIDE = (
    "**** ERROR: Saving image outside the output folder is not allowed.\n full_output_folder: /srv/comfyui/run\n"
    "         output_dir: /srv/comfyui/data/output"
)
OLDER_OUTSIDE = f"{OUTSIDE}\n         commonpath: /srv/comfyui/run"


def save_images(run: "Run", images: tuple[Pixels, ...], kind: str, prefix: str, *, bare: bool = False) -> Result:
    """Writes each picture as a PNG; ``bare`` names end in the number."""
    items = []
    for image in images:
        data = encode(image, text=png_text(run), breathe=run.breathe)
        items.append(save(run, kind, prefix, "png", data, bare=bare, size=(image.width, image.height)))
    return Result((images,), {"images": items})


def save(
    run: "Run",
    kind: str,
    prefix: str,
    extension: str,
    data: bytes,
    *,
    bare: bool = False,
    size: tuple[int, int] = (0, 0),
) -> dict[str, str]:
    """Writes the next file of ``prefix``; the item as outputs list it. :class:`Failure` outside the folder."""
    if ".." in prefix or prefix.startswith("/"):
        raise Failure("Exception", OUTSIDE if run.version.hardened else OLDER_OUTSIDE)
    return run.files.save(kind, _filled(prefix, size), extension, data, bare=bare)


def _filled(prefix: str, size: tuple[int, int]) -> str:
    """``prefix`` with what the server fills in; %date:...% and %Node.widget% are the editor's to fill."""
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


def png_text(run: "Run") -> dict[str, Any]:
    """What ComfyUI writes into its files: the prompt, and what the client gave beside it."""
    extra = run.extra_data.get("extra_pnginfo")
    return {"prompt": run.prompt, **(extra if isinstance(extra, dict) else {})}
