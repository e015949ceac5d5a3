"""rvc-python's ``/openapi.json``: FastAPI's description of its routes."""

from __future__ import annotations

from typing import Any

ERROR = "#/components/schemas/HTTPValidationError"
_UPLOAD = {"type": "string", "contentMediaType": "application/octet-stream", "title": "File"}
_OPENAI_SPEECH = (
    "post",
    "Speech",
    "Speaks a text.",
    "speech_v1_audio_speech_post",
    "SpeechRequest",
    "application/json",
)

# path: (method, summary, description, operation, schema of the body, its media type)
_ROUTES: dict[str, tuple[str, str, str, str, str, str]] = {
    "/convert": (
        "post",
        "Rvc Convert",
        "Converts audio data with the loaded model.",
        "rvc_convert_convert_post",
        "ConvertAudioRequest",
        "application/json",
    ),
    "/convert_file": (
        "post",
        "Rvc Convert File",
        "Converts an uploaded file with the loaded model.",
        "rvc_convert_file_convert_file_post",
        "Body_rvc_convert_file_convert_file_post",
        "multipart/form-data",
    ),
    "/models": ("get", "List Models", "Lists the models.", "list_models_models_get", "", ""),
    "/models/{model_name}": (
        "post",
        "Load Model",
        "Loads a model by name.",
        "load_model_models__model_name__post",
        "",
        "",
    ),
    "/params": ("get", "Get Params", "Returns the parameters.", "get_params_params_get", "", ""),
    "/upload_model": (
        "post",
        "Upload Models",
        "Takes a ZIP file of models.",
        "upload_models_upload_model_post",
        "Body_upload_models_upload_model_post",
        "multipart/form-data",
    ),
    "/set_device": (
        "post",
        "Set Device",
        "Sets the device.",
        "set_device_set_device_post",
        "SetDeviceRequest",
        "application/json",
    ),
    "/set_models_dir": (
        "post",
        "Set Models Dir",
        "Sets the folder of the models.",
        "set_models_dir_set_models_dir_post",
        "SetModelsDirRequest",
        "application/json",
    ),
}
_SET_PARAMS = (
    "post",
    "Set Params",
    "Sets parameters.",
    "set_params_params_post",
    "SetParamsRequest",
    "application/json",
)


def document(*, git: bool = False, speaks: bool = False) -> dict[str, Any]:
    """Make the document. The version before 0.1.5 (``git``) lacks two routes; ``speaks`` adds the mock's own route."""
    left_out = ("/convert_file", "/upload_model") if git else ()
    paths = {path: dict([_operation(path, *row)]) for path, row in _ROUTES.items() if path not in left_out}
    paths["/params"].update([_operation("/params", *_SET_PARAMS)])
    if speaks:
        paths["/v1/audio/speech"] = dict([_operation("/v1/audio/speech", *_OPENAI_SPEECH)])
    info = {"title": "FastAPI", "version": "0.1.0"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": _schemas()}}


def _operation(
    path: str, method: str, summary: str, description: str, operation: str, schema: str, media: str
) -> tuple[str, dict[str, Any]]:
    entry: dict[str, Any] = {"summary": summary, "description": description, "operationId": operation}
    if "{" in path:
        field = {"type": "string", "title": "Model Name"}
        entry["parameters"] = [{"name": "model_name", "in": "path", "required": True, "schema": field}]
    if schema:
        body = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
        entry["requestBody"] = {"content": {media: body}, "required": True}
    entry["responses"] = {
        "200": {"description": "Successful Response", "content": {"application/json": {"schema": {}}}}
    }
    if schema or "{" in path:
        content = {"application/json": {"schema": {"$ref": ERROR}}}
        entry["responses"]["422"] = {"description": "Validation Error", "content": content}
    return method, entry


def _schemas() -> dict[str, Any]:
    def describe(title: str, name: str, field: dict[str, Any]) -> dict[str, Any]:
        return {"properties": {name: field}, "type": "object", "required": [name], "title": title}

    text = {"type": "string"}
    location = {"items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "type": "array", "title": "Location"}
    errors = {"items": {"$ref": "#/components/schemas/ValidationError"}, "type": "array", "title": "Detail"}
    params = {"additionalProperties": True, "type": "object", "title": "Params"}
    return {
        **{
            title: describe(title, "file", _UPLOAD)
            for title in ("Body_rvc_convert_file_convert_file_post", "Body_upload_models_upload_model_post")
        },
        "ConvertAudioRequest": describe("ConvertAudioRequest", "audio_data", {**text, "title": "Audio Data"}),
        "HTTPValidationError": {"properties": {"detail": errors}, "type": "object", "title": "HTTPValidationError"},
        "SetDeviceRequest": describe("SetDeviceRequest", "device", {**text, "title": "Device"}),
        "SetModelsDirRequest": describe("SetModelsDirRequest", "models_dir", {**text, "title": "Models Dir"}),
        "SetParamsRequest": describe("SetParamsRequest", "params", params),
        "ValidationError": {
            "properties": {
                "loc": location,
                "msg": {**text, "title": "Message"},
                "type": {**text, "title": "Error Type"},
                "input": {"title": "Input"},
                "ctx": {"type": "object", "title": "Context"},
            },
            "type": "object",
            "required": ["loc", "msg", "type"],
            "title": "ValidationError",
        },
    }
