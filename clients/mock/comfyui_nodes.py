"""What the node classes of the mock ComfyUI do."""

import hashlib
import itertools
import random
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .comfyui_files import FileStore
from .picture import Picture, Sketch
from .pixels import Pixels
from .png import NotAPicture, decode, encode

if TYPE_CHECKING:
    from .comfyui_run import Run

STEP_S = 0.12
"""Pretended seconds of one sampling step."""
LOADING_S = 0.5
MEDIA = "image/png"
OUT_OF_MEMORY = "torch.OutOfMemoryError"
MEMORY_TIPS = (
    "This error means you ran out of memory on your GPU.\n\n"
    "TIPS: If the workflow worked before you might have accidentally set the batch_size to a large number."
)
_uncached = itertools.count()


class Failure(Exception):
    """A node failed; becomes an execution_error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    @classmethod
    def out_of_memory(cls) -> "Failure":
        return cls(OUT_OF_MEMORY, "Allocation on device 0 would exceed allowed memory.")

    def told(self, *, with_tips: bool) -> str:
        """The message as the server tells it; newer releases end it with a line break, or with tips."""
        if not with_tips:
            return self.message
        return f"{self.message}\n{MEMORY_TIPS if self.kind == OUT_OF_MEMORY else ''}"


@dataclass(frozen=True)
class Result:
    """What a node gives to others, and what it tells the user (None: nothing of that kind)."""

    outputs: tuple[Any, ...] = ()
    ui: dict[str, Any] | None = None


@dataclass(frozen=True)
class Conditioning:
    """An encoded text."""

    text: str


@dataclass(frozen=True)
class Latent:
    """A picture to be: its size, what it begins with, and the sampler's picture once there is one."""

    width: int
    height: int
    batch: int = 1
    base: Pixels | None = None
    pictures: tuple[Pixels, ...] = field(default=())


Images = tuple[Pixels, ...]


def fingerprint(node: dict[str, Any], files: FileStore) -> Any:
    """What beside its inputs decides if a node must run again."""
    if node["class_type"] == "SaveImageWebsocket":
        return next(_uncached)
    if node["class_type"] in ("LoadImage", "LoadImageMask"):
        file = files.find(str(node["inputs"].get("image")))
        return None if file is None else hashlib.sha256(file.data).hexdigest()
    return None


def run_node(run: "Run", class_type: str, inputs: dict[str, Any]) -> Result:
    """Runs a node. Raises :class:`Failure`, or what the run itself raises."""
    try:
        return NODES[class_type](run, inputs)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise Failure(type(error).__name__, str(error)) from error


# Pictures


def _empty_image(_run: "Run", inputs: dict[str, Any]) -> Result:
    colour = inputs["color"].to_bytes(3, "big")
    image = Pixels.plain(inputs["width"], inputs["height"], colour)
    return Result(((image,) * inputs["batch_size"],))


def _invert(_run: "Run", inputs: dict[str, Any]) -> Result:
    return Result((tuple(image.mapped(_INVERTED) for image in inputs["image"]),))


_INVERTED = bytes(range(255, -1, -1))


def _scale(run: "Run", inputs: dict[str, Any]) -> Result:
    images: Images = inputs["image"]
    first = images[0]
    width, height = inputs["width"], inputs["height"]
    width = width or max(1, round(first.width * height / first.height)) if height else width or first.width
    height = height or max(1, round(first.height * width / first.width))
    crop = inputs["crop"] == "center"
    return Result((tuple(image.scaled(width, height, crop=crop, breathe=run.breathe) for image in images),))


def _load_image(run: "Run", inputs: dict[str, Any]) -> Result:
    file = run.files.find(inputs["image"])
    if file is None:
        raise Failure("FileNotFoundError", f"[Errno 2] No such file or directory: '{inputs['image']}'")
    try:
        image = decode(file.data, breathe=run.breathe)
    except NotAPicture as error:
        raise Failure("PIL.UnidentifiedImageError", f"cannot identify image file '{file.name}' ({error})") from error
    return Result(((image,), None))


def _load_mask(run: "Run", inputs: dict[str, Any]) -> Result:
    return Result((_load_image(run, inputs).outputs[0],))


def _save_image(run: "Run", inputs: dict[str, Any]) -> Result:
    return _save(run, inputs["images"], "output", inputs["filename_prefix"])


def _preview_image(run: "Run", inputs: dict[str, Any]) -> Result:
    letters = "".join(random.choices(string.ascii_lowercase, k=5))
    return _save(run, inputs["images"], "temp", f"ComfyUI_temp_{letters}")


def _save(run: "Run", images: Images, kind: str, prefix: str) -> Result:
    if ".." in prefix or prefix.startswith("/"):
        raise Failure("Exception", f"**** ERROR: Saving image outside the output folder is not allowed.\n {prefix}")
    items = []
    for image in images:
        data = encode(image, text=_png_text(run), breathe=run.breathe)
        items.append(run.files.save(kind, prefix.replace("%batch_num%", "0"), "png", data))
    return Result((images,), {"images": items})


def _png_text(run: "Run") -> dict[str, Any]:
    extra = run.extra_data.get("extra_pnginfo")
    return {"prompt": run.prompt, **(extra if isinstance(extra, dict) else {})}


def _save_websocket(run: "Run", inputs: dict[str, Any]) -> Result:
    images: Images = inputs["images"]
    for number, image in enumerate(images):
        run.progress(number, len(images), (MEDIA, encode(image, breathe=run.breathe)))
    return Result()


# Generation


def _load_checkpoint(run: "Run", inputs: dict[str, Any]) -> Result:
    run.work(LOADING_S)
    name = inputs["ckpt_name"]
    return Result((name, name, name))


def _encode_text(_run: "Run", inputs: dict[str, Any]) -> Result:
    return Result((Conditioning(inputs["text"]),))


def _empty_latent(_run: "Run", inputs: dict[str, Any]) -> Result:
    return Result((Latent(inputs["width"], inputs["height"], inputs["batch_size"]),))


def _encode_image(_run: "Run", inputs: dict[str, Any]) -> Result:
    image: Pixels = inputs["pixels"][0]
    return Result((Latent(image.width, image.height, len(inputs["pixels"]), image),))


def _sample(run: "Run", inputs: dict[str, Any]) -> Result:
    latent: Latent = inputs["latent_image"]
    base = latent.pictures[0] if latent.pictures else latent.base
    text = inputs["positive"].text
    steps = inputs["steps"]
    pictures = []
    for number in range(latent.batch):
        seed = inputs["seed"] + number
        picture = Picture(text, seed, latent.width, latent.height, base, inputs["denoise"])
        pictures.append(picture.render(run.breathe))
    previews = _preview_method(run) != "none"
    sketch = Sketch(pictures[0], inputs["seed"])
    for step in range(1, steps + 1):
        run.work(STEP_S)
        data = sketch.at(step / steps) if previews else None
        run.progress(step, steps, None if data is None else (MEDIA, data))
    return Result((Latent(latent.width, latent.height, latent.batch, base, tuple(pictures)),))


def _preview_method(run: "Run") -> Any:
    return run.extra_data.get("preview_method", "auto") if run.version.jobs else "auto"


def _decode_latent(_run: "Run", inputs: dict[str, Any]) -> Result:
    latent: Latent = inputs["samples"]
    if latent.pictures:
        return Result((latent.pictures,))
    grey = Pixels.plain(latent.width, latent.height, b"\x80\x80\x80")
    return Result(((latent.base or grey,) * latent.batch,))


def _value(_run: "Run", inputs: dict[str, Any]) -> Result:
    return Result((inputs["value"],))


def _preview_any(_run: "Run", inputs: dict[str, Any]) -> Result:
    return Result((), {"text": [str(inputs["source"])]})


# Test nodes of the recordings


def _probe_slow(run: "Run", inputs: dict[str, Any]) -> Result:
    steps = inputs["steps"]
    sketch = Sketch(inputs["image"][0], inputs["nonce"]) if inputs["previews"] else None
    for step in range(1, steps + 1):
        run.work(inputs["delay"], honour_interrupt=False)
        run.progress(step, steps, (MEDIA, sketch.at(step / steps)) if sketch is not None else None)
    return Result((inputs["image"],))


def _probe_sleep(run: "Run", inputs: dict[str, Any]) -> Result:
    run.work(inputs["seconds"], honour_interrupt=inputs["honour_interrupt"])
    return Result((inputs["image"],))


def _probe_sleep_out(run: "Run", inputs: dict[str, Any]) -> Result:
    run.work(inputs["seconds"], honour_interrupt=False)
    return Result((), {"text": ["slept"]})


def _probe_error(_run: "Run", inputs: dict[str, Any]) -> Result:
    if inputs["kind"] == "oom":
        raise Failure.out_of_memory()
    if inputs["kind"] == "keyerror":
        raise KeyError("missing")
    raise ValueError("probe: bad value 42")


def _probe_validate(_run: "Run", inputs: dict[str, Any]) -> Result:
    return Result((), {"text": [str(inputs["n"])]})


def _probe_text(run: "Run", inputs: dict[str, Any]) -> Result:
    run.say(inputs["text"])
    return Result((), {"text": [inputs["text"]]})


def _probe_fill(run: "Run", inputs: dict[str, Any]) -> Result:
    for step in range(1, inputs["steps"] + 1):
        run.progress(step, inputs["steps"])
    return Result((), {"text": [str(inputs["steps"])]})


def _probe_hidden(run: "Run", _inputs: dict[str, Any]) -> Result:
    key, token = (len(run.secrets.get(name, "")) for name in ("api_key_comfy_org", "auth_token_comfy_org"))
    return Result((), {"text": [f"api key: {key}; token: {token}"]})


def _probe_big_file(run: "Run", inputs: dict[str, Any]) -> Result:
    block = hashlib.sha256(b"big").digest() * 32768
    item = run.files.save("output", "probe/big", inputs["ext"], block * inputs["megabytes"])
    return Result((), {inputs["ui_key"]: [item]})


def _probe_big_text(_run: "Run", inputs: dict[str, Any]) -> Result:
    return Result((), {"text": ["x" * (1024 * inputs["kilobytes"])]})


NODES: dict[str, Callable[["Run", dict[str, Any]], Result]] = {
    "EmptyImage": _empty_image,
    "ImageInvert": _invert,
    "ImageScale": _scale,
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
    "ProbeSlow": _probe_slow,
    "ProbeSleep": _probe_sleep,
    "ProbeSleepOut": _probe_sleep_out,
    "ProbeError": _probe_error,
    "ProbeValidate": _probe_validate,
    "ProbeText": _probe_text,
    "ProbeFill": _probe_fill,
    "ProbeHidden": _probe_hidden,
    "ProbeBigFile": _probe_big_file,
    "ProbeBigText": _probe_big_text,
}
