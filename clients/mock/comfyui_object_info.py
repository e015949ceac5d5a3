"""The node classes of the mock ComfyUI as GET /object_info tells them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .comfyui_versions import Version

Spec = list[Any]
"""An input as object_info has it: ``[type or list of choices, options]``."""

MAX_SEED = 0xFFFFFFFFFFFFFFFF
MAX_SIZE = 16384

CHECKPOINTS = (
    "demo_film_look.safetensors",
    "dreamshaper_8.safetensors",
    "sd_xl_base_1.0.safetensors",
    "v1-5-pruned-emaonly-fp16.safetensors",
    "v1-5-pruned-emaonly.safetensors",
)
FOLDERS = ("checkpoints", "configs", "loras", "vae", "text_encoders", "diffusion_models", "embeddings", "controlnet")
SAMPLER_NAMES = ("euler", "euler_ancestral", "heun", "dpm_2", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_sde", "ddim", "uni_pc")
SCHEDULERS = ("simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal")
UPSCALE_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")


@dataclass(frozen=True)
class NodeClass:
    """One node class: its inputs by name, what it gives, and how the editor shows it."""

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

    def outputs_in(self, version: Version) -> tuple[str, ...]:
        return self.newer_outputs if version.jobs and self.newer_outputs is not None else self.outputs


def _int(default: int, low: int, high: int, **more: Any) -> Spec:
    return ["INT", {"default": default, "min": low, "max": high, **more}]


def _float(default: float, low: float, high: float, **more: Any) -> Spec:
    return ["FLOAT", {"default": default, "min": low, "max": high, **more}]


def _choice(*choices: str, **more: Any) -> Spec:
    return [list(choices), more] if more else [list(choices)]


def _text(**more: Any) -> Spec:
    return ["STRING", more] if more else ["STRING"]


_SEED = _int(0, 0, MAX_SEED, control_after_generate=True)
_PNG_HIDDEN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
_SIDE = _int(512, 1, MAX_SIZE, step=1)
_LATENT_SIDE = _int(512, 16, MAX_SIZE, step=8)

NODE_CLASSES: dict[str, NodeClass] = {
    "EmptyImage": NodeClass(
        "Empty Image",
        "image",
        {
            "width": _SIDE,
            "height": _SIDE,
            "batch_size": _int(1, 1, 4096),
            "color": _int(0, 0, 0xFFFFFF, step=1, display="color"),
        },
        ("IMAGE",),
    ),
    "ImageInvert": NodeClass(
        "Invert Image Colors", "image/color", {"image": ["IMAGE"]}, ("IMAGE",), essential="Image Tools"
    ),
    "ImageScale": NodeClass(
        "Upscale Image",
        "image/upscaling",
        {
            "image": ["IMAGE"],
            "upscale_method": _choice(*UPSCALE_METHODS),
            "width": _int(512, 0, MAX_SIZE, step=1),
            "height": _int(512, 0, MAX_SIZE, step=1),
            "crop": _choice("disabled", "center"),
        },
        ("IMAGE",),
        essential="Image Tools",
    ),
    "LoadImage": NodeClass(
        "Load Image", "image", {"image": [[], {"image_upload": True}]}, ("IMAGE", "MASK"), essential="Basics"
    ),
    "LoadImageMask": NodeClass(
        "Load Image (as Mask)",
        "mask",
        {"image": [[], {"image_upload": True}], "channel": _choice("alpha", "red", "green", "blue")},
        ("MASK",),
    ),
    "SaveImage": NodeClass(
        "Save Image",
        "image",
        {
            "images": ["IMAGE", {"tooltip": "What to save."}],
            "filename_prefix": _text(default="ComfyUI", tooltip="Begin of the file name; may hold folders."),
        },
        hidden=_PNG_HIDDEN,
        is_output=True,
        essential="Basics",
        newer_outputs=("IMAGE",),
        output_names=("images",),
    ),
    "PreviewImage": NodeClass(
        "Preview Image",
        "image",
        {"images": ["IMAGE"]},
        hidden=_PNG_HIDDEN,
        is_output=True,
        essential="Basics",
        newer_outputs=("IMAGE",),
        output_names=("images",),
    ),
    "SaveImageWebsocket": NodeClass(
        "SaveImageWebsocket",
        "api/image",
        {"images": ["IMAGE"]},
        is_output=True,
        module="custom_nodes.websocket_image_save",
    ),
    "CheckpointLoaderSimple": NodeClass(
        "Load Checkpoint",
        "loaders",
        {"ckpt_name": _choice(*CHECKPOINTS, tooltip="The model file.")},
        ("MODEL", "CLIP", "VAE"),
    ),
    "CLIPTextEncode": NodeClass(
        "CLIP Text Encode (Prompt)",
        "conditioning",
        {
            "text": _text(multiline=True, dynamicPrompts=True, tooltip="The text."),
            "clip": ["CLIP", {"tooltip": "The model that reads the text."}],
        },
        ("CONDITIONING",),
        essential="Basics",
    ),
    "EmptyLatentImage": NodeClass(
        "Empty Latent Image",
        "latent",
        {"width": _LATENT_SIDE, "height": _LATENT_SIDE, "batch_size": _int(1, 1, 4096)},
        ("LATENT",),
    ),
    "KSampler": NodeClass(
        "KSampler",
        "sampling",
        {
            "model": ["MODEL", {"tooltip": "The model that denoises."}],
            "seed": _SEED,
            "steps": _int(20, 1, 10000),
            "cfg": _float(8.0, 0.0, 100.0, step=0.1, round=0.01),
            "sampler_name": _choice(*SAMPLER_NAMES, tooltip="The algorithm."),
            "scheduler": _choice(*SCHEDULERS, tooltip="How noise falls."),
            "positive": ["CONDITIONING", {"tooltip": "What to show."}],
            "negative": ["CONDITIONING", {"tooltip": "What not to show."}],
            "latent_image": ["LATENT", {"tooltip": "Where to begin."}],
            "denoise": _float(1.0, 0.0, 1.0, step=0.01),
        },
        ("LATENT",),
    ),
    "VAEDecode": NodeClass("VAE Decode", "latent", {"samples": ["LATENT"], "vae": ["VAE"]}, ("IMAGE",)),
    "VAEEncode": NodeClass("VAE Encode", "latent", {"pixels": ["IMAGE"], "vae": ["VAE"]}, ("LATENT",)),
    "PrimitiveString": NodeClass("String", "utils/primitive", {"value": _text()}, ("STRING",)),
    "PrimitiveStringMultiline": NodeClass(
        "String (Multiline)", "utils/primitive", {"value": _text(multiline=True)}, ("STRING",)
    ),
    "PrimitiveInt": NodeClass(
        "Int", "utils/primitive", {"value": _int(0, -(2**63), 2**63 - 1, control_after_generate=True)}, ("INT",)
    ),
    "PrimitiveFloat": NodeClass(
        "Float", "utils/primitive", {"value": _float(0.0, -(2.0**63), 2.0**63, step=0.1)}, ("FLOAT",)
    ),
    "PreviewAny": NodeClass("Preview as Text", "utils", {"source": ["*", {}]}, is_output=True),
}

_PROBE = "custom_nodes.probe_nodes"


def _probe(title: str, inputs: Mapping[str, Spec], *outputs: str, is_output: bool = False) -> NodeClass:
    return NodeClass(f"Probe: {title}", "probe", inputs, outputs, is_output=is_output, module=_PROBE)


NODE_CLASSES |= {
    "ProbeSlow": _probe(
        "Slow",
        {
            "image": ["IMAGE"],
            "steps": _int(8, 1, 10000),
            "delay": _float(0.1, 0.0, 60.0),
            "previews": ["BOOLEAN", {"default": False}],
            "nonce": _SEED,
        },
        "IMAGE",
    ),
    "ProbeSleep": _probe(
        "Sleep",
        {
            "image": ["IMAGE"],
            "seconds": _float(1.0, 0.0, 600.0),
            "honour_interrupt": ["BOOLEAN", {"default": True}],
            "nonce": _SEED,
        },
        "IMAGE",
    ),
    "ProbeSleepOut": _probe(
        "Sleep (output)",
        {"image": ["IMAGE"], "seconds": _float(1.0, 0.0, 600.0), "nonce": _SEED},
        is_output=True,
    ),
    "ProbeError": _probe(
        "Error",
        {"image": ["IMAGE"], "kind": _choice("value", "oom", "keyerror"), "nonce": _SEED},
        "IMAGE",
    ),
    "ProbeValidate": _probe("Validate", {"n": _int(0, 0, 1000)}, is_output=True),
    "ProbeText": _probe("Text", {"text": _text(default="")}, is_output=True),
    "ProbeFill": _probe("Fill", {"steps": _int(100, 1, 100000), "nonce": _SEED}, is_output=True),
    "ProbeHidden": _probe("Hidden", {"nonce": _SEED}, is_output=True),
    "ProbeBigFile": _probe(
        "Big file",
        {"megabytes": _int(1, 0, 4096), "ext": _text(default="bin"), "ui_key": _text(default="files")},
        is_output=True,
    ),
    "ProbeBigText": _probe("Big text", {"kilobytes": _int(1, 0, 100000)}, is_output=True),
}


def info_of(name: str, version: Version, files: Callable[[], list[str]]) -> dict[str, Any]:
    """object_info of one class; ``files`` lists the input folder, for the combos of upload nodes."""
    node = NODE_CLASSES[name]
    outputs = node.outputs_in(version)
    info: dict[str, Any] = {
        "input": {"required": {key: _live(spec, files) for key, spec in node.inputs.items()}},
        "input_order": {"required": list(node.inputs)},
    }
    if node.hidden:
        info["input"]["hidden"] = dict(node.hidden)
        info["input_order"]["hidden"] = list(node.hidden)
    if version.jobs:
        info["is_input_list"] = False
    info |= {
        "output": list(outputs),
        "output_is_list": [False] * len(outputs),
        "output_name": list(node.output_names[: len(outputs)] or outputs),
        "name": name,
        "display_name": node.title,
        "description": "",
        "python_module": node.module,
        "category": node.category,
        "output_node": node.is_output,
    }
    if version.jobs:
        info |= {"has_intermediate_output": False, "search_aliases": [node.title.lower()] if node.essential else []}
        if node.essential is not None:
            info["essentials_category"] = node.essential
    return info


def _live(spec: Spec, files: Callable[[], list[str]]) -> Spec:
    if len(spec) > 1 and spec[1].get("image_upload"):
        return [files(), spec[1]]
    return spec
