"""The node classes of the mock ComfyUI as GET /object_info describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .custom_node_classes import PROBES
from .media_node_classes import MEDIA
from .specs import MAX_SIZE, SEED, NodeClass, Spec, choice, integer, number, text
from .versions import Version

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
_PNG_HIDDEN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
_SIDE = integer(512, 1, MAX_SIZE, step=1)
_LATENT_SIDE = integer(512, 16, MAX_SIZE, step=8)

CORE: dict[str, NodeClass] = {
    "EmptyImage": NodeClass(
        "Empty Image",
        "image",
        {
            "width": _SIDE,
            "height": _SIDE,
            "batch_size": integer(1, 1, 4096),
            "color": integer(0, 0, 0xFFFFFF, step=1, display="color"),
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
            "upscale_method": choice(*UPSCALE_METHODS),
            "width": integer(512, 0, MAX_SIZE, step=1),
            "height": integer(512, 0, MAX_SIZE, step=1),
            "crop": choice("disabled", "center"),
        },
        ("IMAGE",),
        essential="Image Tools",
    ),
    "ImageScaleBy": NodeClass(
        "Upscale Image By",
        "image/upscaling",
        {
            "image": ["IMAGE"],
            "upscale_method": choice(*UPSCALE_METHODS),
            "scale_by": number(1.0, 0.01, 8.0, step=0.01),
        },
        ("IMAGE",),
    ),
    "ImageBatch": NodeClass("Batch Images", "image", {"image1": ["IMAGE"], "image2": ["IMAGE"]}, ("IMAGE",)),
    "LoadImage": NodeClass(
        "Load Image", "image", {"image": [[], {"image_upload": True}]}, ("IMAGE", "MASK"), essential="Basics"
    ),
    "LoadImageMask": NodeClass(
        "Load Image (as Mask)",
        "mask",
        {"image": [[], {"image_upload": True}], "channel": choice("alpha", "red", "green", "blue")},
        ("MASK",),
    ),
    "SaveImage": NodeClass(
        "Save Image",
        "image",
        {
            "images": ["IMAGE", {"tooltip": "What to save."}],
            "filename_prefix": text(default="ComfyUI", tooltip="Begin of the file name; may hold folders."),
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
        {"ckpt_name": choice(*CHECKPOINTS, tooltip="The model file.")},
        ("MODEL", "CLIP", "VAE"),
    ),
    "CLIPTextEncode": NodeClass(
        "CLIP Text Encode (Prompt)",
        "conditioning",
        {
            "text": text(multiline=True, dynamicPrompts=True, tooltip="The text."),
            "clip": ["CLIP", {"tooltip": "The model that reads the text."}],
        },
        ("CONDITIONING",),
        essential="Basics",
    ),
    "EmptyLatentImage": NodeClass(
        "Empty Latent Image",
        "latent",
        {"width": _LATENT_SIDE, "height": _LATENT_SIDE, "batch_size": integer(1, 1, 4096)},
        ("LATENT",),
    ),
    "KSampler": NodeClass(
        "KSampler",
        "sampling",
        {
            "model": ["MODEL", {"tooltip": "The model that denoises."}],
            "seed": SEED,
            "steps": integer(20, 1, 10000),
            "cfg": number(8.0, 0.0, 100.0, step=0.1, round=0.01),
            "sampler_name": choice(*SAMPLER_NAMES, tooltip="The algorithm."),
            "scheduler": choice(*SCHEDULERS, tooltip="How noise falls."),
            "positive": ["CONDITIONING", {"tooltip": "What to show."}],
            "negative": ["CONDITIONING", {"tooltip": "What not to show."}],
            "latent_image": ["LATENT", {"tooltip": "Where to begin."}],
            "denoise": number(1.0, 0.0, 1.0, step=0.01),
        },
        ("LATENT",),
    ),
    "VAEDecode": NodeClass("VAE Decode", "latent", {"samples": ["LATENT"], "vae": ["VAE"]}, ("IMAGE",)),
    "VAEEncode": NodeClass("VAE Encode", "latent", {"pixels": ["IMAGE"], "vae": ["VAE"]}, ("LATENT",)),
    "PrimitiveString": NodeClass("String", "utils/primitive", {"value": text()}, ("STRING",)),
    "PrimitiveStringMultiline": NodeClass(
        "String (Multiline)", "utils/primitive", {"value": text(multiline=True)}, ("STRING",)
    ),
    "PrimitiveInt": NodeClass(
        "Int", "utils/primitive", {"value": integer(0, -(2**63), 2**63 - 1, control_after_generate=True)}, ("INT",)
    ),
    "PrimitiveFloat": NodeClass(
        "Float", "utils/primitive", {"value": number(0.0, -(2.0**63), 2.0**63, step=0.1)}, ("FLOAT",)
    ),
    "PreviewAny": NodeClass("Preview as Text", "utils", {"source": ["*", {}]}, is_output=True),
}

NODE_CLASSES: Mapping[str, NodeClass] = {**CORE, **MEDIA, **PROBES}
"""Every class of any release."""


def classes_in(version: Version) -> Mapping[str, NodeClass]:
    """Return the classes that a release has."""
    return {name: node for name, node in NODE_CLASSES.items() if node.is_in(version)}


def describe_class(name: str, version: Version, files: Callable[[], list[str]]) -> dict[str, Any]:
    """Describe a class as object_info does; ``files`` lists the input folder, for the combos of upload nodes."""
    node = NODE_CLASSES[name]
    outputs = node.outputs_in(version)
    info: dict[str, Any] = {
        "input": {"required": {key: _with_choices(spec, files) for key, spec in node.inputs.items()}},
        "input_order": {"required": list(node.inputs)},
    }
    if node.optional:
        info["input"]["optional"] = dict(node.optional)
        info["input_order"]["optional"] = list(node.optional)
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


def _with_choices(spec: Spec, files: Callable[[], list[str]]) -> Spec:
    if len(spec) > 1 and (spec[1].get("image_upload") or spec[1].get("audio_upload")):
        return [files(), spec[1]]
    return spec
