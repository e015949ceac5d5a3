"""The inputs of Cog images that make sounds: their ``/openapi.json``, and the checks of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Problem = dict[str, Any]

DURATIONS = ["2.5", "5.0", "7.5", "10.0", "12.5", "15.0", "17.5", "20.0"]


def _text(title: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "type": "string", **more}


def _whole(title: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "type": "integer", **more}


def _number(title: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "type": "number", **more}


IMAGES: dict[str, tuple[dict[str, dict[str, Any]], list[str], dict[str, list[str]]]] = {
    "audioldm": (
        {
            "text": _text("Text", description="Text prompt from which to generate audio"),
            "duration": {"allOf": [{"$ref": "#/components/schemas/duration"}], "default": "5.0", "description": "s"},
            "guidance_scale": _number("Guidance Scale", default=2.5, minimum=0, maximum=20),
            "random_seed": _whole("Random Seed", nullable=True),
            "n_candidates": _whole("N Candidates", default=3, minimum=1, maximum=5),
        },
        ["text"],
        {"duration": DURATIONS},
    ),
    "audiogen": (
        {
            "prompt": _text("Prompt"),
            "duration": _number("Duration", default=3, minimum=1, maximum=10),
            "top_k": _whole("Top K", default=250),
            "top_p": _number("Top P", default=0),
            "temperature": _number("Temperature", default=1),
            "classifier_free_guidance": _whole("Classifier Free Guidance", default=3),
            "output_format": {"allOf": [{"$ref": "#/components/schemas/output_format"}], "default": "wav"},
        },
        ["prompt"],
        {"output_format": ["wav", "mp3"]},
    ),
    "mmaudio": (
        {
            "prompt": _text("Prompt", default=""),
            "negative_prompt": _text("Negative Prompt", default="music"),
            "video": _text("Video", format="uri", nullable=True),
            "image": _text("Image", format="uri", nullable=True),
            "duration": _number("Duration", default=8, minimum=1),
            "num_steps": _whole("Num Steps", default=25),
            "cfg_strength": _number("Cfg Strength", default=4.5, minimum=1),
            "seed": _whole("Seed", default=-1, minimum=-1),
        },
        [],
        {},
    ),
    "stable-audio": (
        {
            "prompt": _text("Prompt"),
            "negative_prompt": _text("Negative Prompt", nullable=True),
            "seconds_start": _whole("Seconds Start", default=0),
            "seconds_total": _whole("Seconds Total", default=8, minimum=1, maximum=47),
            "cfg_scale": _number("Cfg Scale", default=6),
            "steps": _whole("Steps", default=100),
            "seed": _whole("Seed", default=-1),
        },
        ["prompt"],
        {},
    ),
    "image": ({"prompt": _text("Prompt"), "width": _whole("Width", default=512)}, ["prompt"], {}),
}
"""An image's name -> its inputs, which of them are required, and its enumerations."""


def document(image: str) -> dict[str, Any]:
    """Make the OpenAPI document of an image."""
    properties, required, enums = IMAGES[image]
    ordered = {name: {**each, "x-order": order} for order, (name, each) in enumerate(properties.items())}
    schemas: dict[str, Any] = {
        "Input": {"title": "Input", "type": "object", "properties": ordered, "required": required},
        "Output": {"format": "uri", "title": "Output", "type": "string"},
        "PredictionRequest": {"title": "PredictionRequest", "type": "object", "properties": {}},
    }
    for name, choices in enums.items():
        schemas[name] = {"description": "An enumeration.", "enum": choices, "title": name, "type": "string"}
    return {
        "components": {"schemas": schemas},
        "info": {"title": "Cog", "version": "0.1.0"},
        "openapi": "3.0.2",
        "paths": {"/predictions": {"post": {"operationId": "predict_predictions_post"}}},
    }


def problems(image: str, given: Mapping[str, Any], *, newest: bool) -> list[Problem]:
    """Check an input; return the problems as the messages of either generation. Both accept unknown names."""
    properties, required, enums = IMAGES[image]
    missing = "Field required" if newest else "field required"
    found = [_problem(name, missing, "value_error.missing") for name in required if name not in given]
    for name, value in given.items():
        if name in enums:
            found += _enum_problems(name, value, enums[name], newest=newest)
        elif name in properties:
            found += _limit_problems(name, value, properties[name], newest=newest)
    return found


def _enum_problems(name: str, value: Any, choices: list[str], *, newest: bool) -> list[Problem]:
    if value in choices:
        return []
    if not newest:
        listed = ", ".join(repr(each) for each in choices)
        message = f"value is not a valid enumeration member; permitted: {listed}"
        return [{**_problem(name, message, "type_error.enum"), "ctx": {"enum_values": choices}}]
    listed = "[" + ",".join(f'"{each}"' for each in choices) + "]"
    shown = f'"{value}"' if isinstance(value, str) else value
    found = [_problem(name, f"{shown} is not one of {listed}", "value_error")]
    if not isinstance(value, str):
        found.append(_problem(name, f'{shown} is not of type "string"', "value_error"))
    return found


def _limit_problems(name: str, value: Any, described: Mapping[str, Any], *, newest: bool) -> list[Problem]:
    limit = described.get("maximum")
    if limit is None or not isinstance(value, (int, float)) or value <= limit:
        return []
    if newest:
        return [_problem(name, f"{value} is greater than the maximum of {limit}", "value_error")]
    message = f"ensure this value is less than or equal to {limit}"
    return [{**_problem(name, message, "value_error.number.not_le"), "ctx": {"limit_value": limit}}]


def _problem(name: str, message: str, kind: str) -> Problem:
    return {"loc": ["body", "input", name], "msg": message, "type": kind}
