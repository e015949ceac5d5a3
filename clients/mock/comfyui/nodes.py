"""The node functions of the mock ComfyUI."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from typing import Any

from ..media.picture import Picture, Sketch
from ..media.pixels import Pixels
from ..media.png import NotAPicture, decode, encode
from .custom_nodes import PROBE_NODES
from .files import FileStore
from .media_nodes import MEDIA_NODES
from .node_base import Node, NodeContext, NodeFailure, Result
from .saving import save_images, temporary_prefix

STEP_S = 0.12
"""Simulated seconds of one sampling step."""
LOADING_S = 0.5
PREVIEW = "image/jpeg"
_uncached = itertools.count()


@dataclass(frozen=True)
class Conditioning:
    """An encoded prompt."""

    text: str


@dataclass(frozen=True)
class Latent:
    """A latent image: its size, the picture it begins with, and the sampler's pictures once there are any."""

    width: int
    height: int
    batch: int = 1
    base: Pixels | None = None
    pictures: tuple[Pixels, ...] = field(default=())


Images = tuple[Pixels, ...]


def fingerprint(node: dict[str, Any], files: FileStore) -> Any:
    """Return the state that, beside the inputs, decides if a node must run again."""
    if node["class_type"] == "SaveImageWebsocket":
        return next(_uncached)
    if node["class_type"] in ("LoadImage", "LoadImageMask"):
        file = files.find(str(node["inputs"].get("image")))
        return None if file is None else hashlib.sha256(file.data).hexdigest()
    return None


def run_node(run: NodeContext, class_type: str, inputs: dict[str, Any]) -> Result:
    """Run a node. Raise ``NodeFailure``, or the errors of the run itself."""
    try:
        return NODES[class_type](run, inputs)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise NodeFailure(type(error).__name__, str(error)) from error


# Pictures


def _empty_image(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    colour = inputs["color"].to_bytes(3, "big")
    image = Pixels.plain(inputs["width"], inputs["height"], colour)
    return Result(((image,) * inputs["batch_size"],))


def _invert(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    return Result((tuple(Pixels(each.width, each.height, each.data.translate(_INVERTED)) for each in inputs["image"]),))


_INVERTED = bytes(range(255, -1, -1))


def _scale(run: NodeContext, inputs: dict[str, Any]) -> Result:
    images: Images = inputs["image"]
    first = images[0]
    width, height = inputs["width"], inputs["height"]
    width = width or max(1, round(first.width * height / first.height)) if height else width or first.width
    height = height or max(1, round(first.height * width / first.width))
    crop = inputs["crop"] == "center"
    return Result((tuple(image.scaled(width, height, crop=crop, pause=run.yield_to_others) for image in images),))


def _load_image(run: NodeContext, inputs: dict[str, Any]) -> Result:
    file = run.files.find(inputs["image"])
    if file is None:
        raise NodeFailure("FileNotFoundError", f"[Errno 2] No such file or directory: '{inputs['image']}'")
    try:
        image = decode(file.data, pause=run.yield_to_others)
    except NotAPicture as error:
        raise NodeFailure(
            "PIL.UnidentifiedImageError", f"cannot identify image file '{file.name}' ({error})"
        ) from error
    return Result(((image,), None))


def _load_mask(run: NodeContext, inputs: dict[str, Any]) -> Result:
    return Result((_load_image(run, inputs).outputs[0],))


def _scale_by(run: NodeContext, inputs: dict[str, Any]) -> Result:
    image: Pixels = inputs["image"][0]
    size = {"width": round(image.width * inputs["scale_by"]), "height": round(image.height * inputs["scale_by"])}
    return _scale(run, {**inputs, **size, "crop": "disabled"})


def _batch(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    first, second = inputs["image1"], inputs["image2"]
    return Result(((*first, *(each.scaled(first[0].width, first[0].height, crop=True) for each in second)),))


def _save_image(run: NodeContext, inputs: dict[str, Any]) -> Result:
    return save_images(run, inputs["images"], "output", inputs["filename_prefix"])


def _preview_image(run: NodeContext, inputs: dict[str, Any]) -> Result:
    return save_images(run, inputs["images"], "temp", temporary_prefix())


def _save_websocket(run: NodeContext, inputs: dict[str, Any]) -> Result:
    images: Images = inputs["images"]
    for number, image in enumerate(images):
        run.progress(number, len(images), ("image/png", encode(image, pause=run.yield_to_others)))
    return Result()


# Generation


def _load_checkpoint(run: NodeContext, inputs: dict[str, Any]) -> Result:
    run.work(LOADING_S)
    name = inputs["ckpt_name"]
    return Result((name, name, name))


def _encode_text(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    return Result((Conditioning(inputs["text"]),))


def _empty_latent(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    return Result((Latent(inputs["width"], inputs["height"], inputs["batch_size"]),))


def _encode_image(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    image: Pixels = inputs["pixels"][0]
    return Result((Latent(image.width, image.height, len(inputs["pixels"]), image),))


def _sample(run: NodeContext, inputs: dict[str, Any]) -> Result:
    latent: Latent = inputs["latent_image"]
    base = latent.pictures[0] if latent.pictures else latent.base
    text = inputs["positive"].text
    steps = inputs["steps"]
    pictures = []
    for number in range(latent.batch):
        seed = inputs["seed"] + number
        picture = Picture(text, seed, latent.width, latent.height, base, inputs["denoise"])
        pictures.append(picture.render(run.yield_to_others))
    previews = _preview_method(run) != "none"
    sketch = Sketch(pictures[0], inputs["seed"])
    for step in range(1, steps + 1):
        run.work(STEP_S)
        data = sketch.at(step / steps) if previews else None
        run.progress(step, steps, None if data is None else (PREVIEW, data))
    return Result((Latent(latent.width, latent.height, latent.batch, base, tuple(pictures)),))


def _preview_method(run: NodeContext) -> Any:
    return run.extra_data.get("preview_method", "auto") if run.version.jobs else "auto"


def _decode_latent(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    latent: Latent = inputs["samples"]
    if latent.pictures:
        return Result((latent.pictures,))
    grey = Pixels.plain(latent.width, latent.height, b"\x80\x80\x80")
    return Result(((latent.base or grey,) * latent.batch,))


def _value(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    return Result((inputs["value"],))


def _preview_any(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    return Result((), {"text": [str(inputs["source"])]})


NODES: dict[str, Node] = {
    "EmptyImage": _empty_image,
    "ImageInvert": _invert,
    "ImageScale": _scale,
    "ImageScaleBy": _scale_by,
    "ImageBatch": _batch,
    "LoadImage": _load_image,
    "LoadImageMask": _load_mask,
    "SaveImage": _save_image,
    "PreviewImage": _preview_image,
    "SaveImageWebsocket": _save_websocket,
    "CheckpointLoaderSimple": _load_checkpoint,
    "CLIPTextEncode": _encode_text,
    "EmptyLatentImage": _empty_latent,
    "KSampler": _sample,
    "VAEDecode": _decode_latent,
    "VAEEncode": _encode_image,
    "PrimitiveString": _value,
    "PrimitiveStringMultiline": _value,
    "PrimitiveInt": _value,
    "PrimitiveFloat": _value,
    "PreviewAny": _preview_any,
    **MEDIA_NODES,
    **PROBE_NODES,
}
