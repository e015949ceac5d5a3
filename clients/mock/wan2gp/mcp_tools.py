"""The tools that WanGP's MCP server declares, in three generations, and its descriptions of models.

Facts: recordings of v12.60 (tests/recordings/wan2gp/mcp_*); of the later generations, which were not run, the notes on
the program's source: in early September 2026 the model tools were joined, in API v2 tools take an action and arguments.
"""

from __future__ import annotations

import time
from typing import Any

from ...wan2gp.catalogue import Model, catalogue
from .task import Task

TEXT: dict[str, Any] = {"type": "string"}
MAYBE: dict[str, Any] = {"anyOf": [TEXT, {"type": "null"}], "default": None}
COUNT: dict[str, Any] = {"type": "integer", "default": 10}
LIMIT: dict[str, Any] = {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
OBJECT: dict[str, Any] = {"anyOf": [{"type": "object"}, {"type": "null"}], "default": None}
FLAG: dict[str, Any] = {"type": "boolean", "default": False}
SOURCE: dict[str, Any] = {"anyOf": [{"type": "object"}, {"items": {"type": "object"}, "type": "array"}]}
SECONDS: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None}

MEDIA_INPUTS = {
    "image": (
        "start", "end", "reference", "single_reference", "multiple_references", "background", "injected_frames",
        "control", "mask",
    ),
    "video": ("continue", "last", "control", "mask"),
    "audio": ("prompt", "output"),
}  # fmt: skip
CAPABILITIES = (
    "text_to_video", "image_to_video", "video_to_video", "text_to_image", "image_to_image", "text_to_audio",
    "audio_to_audio", "audio_to_video", "audio_output", "inpainting", "outpainting", "reference_images",
    "background_image", "injected_frames", "control_image", "control_video", "video_continuation", "sliding_window",
    "lora",
)  # fmt: skip

GENERATE = {"source": SOURCE, "wait": FLAG, "timeout_s": SECONDS, "event_limit": LIMIT}
JOB = {"job_id": TEXT, "event_limit": LIMIT}
ACTION = {"action": MAYBE, "arguments": OBJECT}
LISTING = {"family": MAYBE, "main_output": MAYBE, "query": MAYBE, "limit": COUNT, "offset": COUNT}

V1: dict[str, dict[str, Any]] = {
    "wangp_list_models": LISTING,
    "wangp_search_models": {**LISTING, "query": TEXT, "include_availability": FLAG},
    "wangp_get_model_availability": {"model_type": TEXT},
    "wangp_get_default_settings": {"model_type": TEXT},
    "wangp_list_loras": {"model_type": TEXT},
    "wangp_get_model_schema": {"model_type": TEXT},
    "wangp_list_gallery": {"media_type": {**TEXT, "default": "all"}, "limit": COUNT},
    "wangp_create_gallery_upload": {"filename": TEXT},
    "wangp_create_gallery_download": {"gallery_id": TEXT},
    "wangp_generate": GENERATE,
    "wangp_get_job": JOB,
    "wangp_cancel_job": JOB,
}
MODELS = ("wangp_list_models", "wangp_search_models", "wangp_get_default_settings", "wangp_get_model_schema")
V1_MODELS: dict[str, dict[str, Any]] = {
    "wangp_models": LISTING,
    "wangp_model": {"model_type": TEXT, "view": MAYBE},
    **{name: fields for name, fields in V1.items() if name not in MODELS},
    "wangp_create_gallery_download": {"media_id": TEXT},
}
V2: dict[str, dict[str, Any]] = {
    "wangp_models": ACTION,
    "wangp_model": ACTION,
    "wangp_generate": ACTION,
    "wangp_session": ACTION,
}
GENERATIONS = {"v1": V1, "v1-models": V1_MODELS, "v2": V2}


def declare_tools(generation: str) -> list[dict[str, Any]]:
    """Make the result of tools/list."""
    return [_declare_tool(name, fields) for name, fields in GENERATIONS[generation].items()]


def _declare_tool(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"properties": {key: {**each, "title": key.title()} for key, each in fields.items()}}
    required = [key for key, each in fields.items() if "default" not in each]
    if required:
        schema["required"] = required
    schema |= {"title": f"{name}Arguments", "type": "object"}
    output = {"title": f"{name}DictOutput", "type": "object"}
    return {"name": name, "description": f"{name} of WanGP", "inputSchema": schema, "outputSchema": output}


def _describe_model(name: str, model: Model) -> dict[str, Any]:
    """Describe one model."""
    outputs = list(model.outputs)
    return {
        "model_type": name,
        "family": model.family,
        "family_label": model.family.title(),
        "base_model_type": model.base,
        "finetune": name != model.base,
        "main_output": [each for each in outputs if each != "audio"] or outputs,
        "outputs": outputs,
        "inputs": ["text"],
        "media_inputs": {kind: dict.fromkeys(names, False) for kind, names in MEDIA_INPUTS.items()},
        "capabilities": {
            **dict.fromkeys(CAPABILITIES, False),
            "text_to_video": model.makes_video,
            "image_to_video": "S" in model.main_sources,
            "audio_output": model.makes_sound,
        },
        "name": model.title,
    }


def list_models(wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the models that fit a listing's arguments."""
    query, family = str(wanted.get("query") or "").lower(), wanted.get("family")
    output, start = wanted.get("main_output"), int(wanted.get("offset") or 0)
    fitting = [
        _describe_model(name, model)
        for name, model in catalogue().models.items()
        if (query in name.lower() or query in model.title.lower())
        and family in (None, model.family)
        and (output is None or output in model.outputs)
    ]
    return fitting[start : start + min(10, int(wanted.get("limit") or 10))]


def default_settings(name: str) -> dict[str, Any]:
    """Return the default settings of a model; ``ValueError`` for an unknown one."""
    model = catalogue().model(name)
    if model is None:
        raise ValueError(f"Unknown model_type: {name}")
    first = {"prompt": "A large orange octopus", "image_mode": 0, "resolution": "832x480", "video_length": 81}
    more = {"num_inference_steps": 30, "seed": -1, "guidance_phases": 1, "guidance_scale": 5, "sample_solver": "unipc"}
    last = {"flow_shift": 5.0, "repeat_generation": 1, "multi_prompts_gen_type": "PG", "RIFLEx_setting": 0}
    return {**first, **more, **last, **model.defaults, "model_type": name}


def model_schema(name: str) -> dict[str, Any] | None:
    """Describe one model with its limits; None for an unknown one."""
    model = catalogue().model(name)
    if model is None:
        return None
    more = {
        "description": f"{model.title}, simulated",
        "fps": round(model.fps),
        "frames_minimum": int(model.facts.get("frames_minimum", 5)),
        "frames_steps": int(model.facts.get("frames_steps", 4)),
        "infos": "",
        "prompt_infos": "",
        "sliding_window": bool(model.facts.get("sliding_window")),
        "frames_maximum": 97,
    }
    return {"metadata": {**_describe_model(name, model), **more}}


def shown_settings(task: Task, seed: int) -> dict[str, Any]:
    """Return the settings that the gallery shows for a file."""
    width, height = task.size
    now = time.time()
    return {
        "client_id": task.client_id or f"api_{time.time_ns()}_1",
        "image_mode": int(task.value("image_mode", 0)),
        "prompt": task.prompt,
        "resolution": f"{width}x{height}",
        "video_length": task.frames,
        "seed": seed,
        "num_inference_steps": task.steps,
        "guidance_scale": 5,
        "guidance_phases": task.phases,
        "flow_shift": 5.0,
        "sample_solver": "unipc",
        "repeat_generation": task.samples,
        "multi_prompts_gen_type": str(task.value("multi_prompts_gen_type", "PG")),
        "RIFLEx_setting": 0,
        "model_type": str(task.value("model_type", "")),
        "type": f"WanGP v12.60 by DeepBeepMeep - {task.title}",
        "settings_version": 2.74,
        "creation_date": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "creation_timestamp": int(now),
    }


def unknown_settings(params: dict[str, Any]) -> list[str]:
    """Return the names in ``params`` that are no settings."""
    return [name for name in params if name not in catalogue().settings and name != "model_type"]
