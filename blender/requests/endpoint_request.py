"""Calls of any Gradio app from a scene's settings, on the main thread: values, files and place resolved."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ...clients.core.errors import StorageError, ValidationError
from ...clients.files.storage_errors import prepare_folder, storage_errors
from .. import commands
from ..platform import images, sequencer
from ..state import settings
from ..state.ui_state import ui
from . import camera_view, endpoint_fields, image_request

if TYPE_CHECKING:
    from ...clients.core.job import Job
    from ...clients.gradio_app.endpoints import Endpoint

BACKEND = "gradio"
KIND = "any"
SIZE_LIMIT = 1920
SUFFIXES = {"JPEG": ".jpg", "OPEN_EXR": ".exr", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp"}
STRIP_TYPES = {"audio": ("SOUND",), "video": ("MOVIE",)}


def schema() -> tuple[str, tuple[Endpoint, ...]]:
    """Return the app's name and its endpoints, as the newest connection test has brought them; none before one."""
    test = ui.probes.get(BACKEND)
    if test is None or test.info is None:
        return "", ()
    title = test.info.details.get("title", "")
    return (title if title not in ("", "Gradio") else _address()), test.info.details.get("schema", ())


def choose(context: bpy.types.Context, name: str) -> None:
    """Make the fields of the endpoint of that name; ``ValidationError`` (code ``no_endpoint``) if the app has none."""
    app, endpoints = schema()
    for each in endpoints:
        if each.name == name:
            scene: Any = context.scene
            endpoint_fields.fill(scene.movie_director.gradio, app, each)
            return
    raise ValidationError(
        f"The app has no endpoint {name}." if endpoints else "The app has not been asked for its endpoints yet.",
        code="no_endpoint",
        hint="Test the connection, and choose one of those that it has.",
    )


def ready(context: bpy.types.Context) -> bool:
    """Return True if the scene's settings are enough for a call; for the panel's button."""
    scene: Any = context.scene
    own = scene.movie_director.gradio
    return bool(own.endpoint) and not image_request.obstacle(context) and not endpoint_fields.missing(own)


def submit_endpoint(
    context: bpy.types.Context,
    endpoint: str = "",
    inputs: Mapping[str, Any] | None = None,
    files: Mapping[str, Any] | None = None,
) -> Job:
    """Submit a call: of ``endpoint`` with ``inputs`` and ``files``, or, if that is empty, of the scene's settings.

    Nothing is sent on this thread. Raises ``BackendError``.
    """
    from ...clients.gradio_app import EndpointRequest

    scene: Any = context.scene
    own = scene.movie_director.gradio
    folder = settings.output_folder()
    home = sequencer.scene_of(context)
    place: dict[str, Any] = {}
    if endpoint:
        values, paths = dict(inputs or {}), {name: _absolute(each) for name, each in (files or {}).items()}
    else:
        _check(own)
        endpoint, values = own.endpoint, endpoint_fields.values(own)
        paths = {}
        for field in own.fields:
            if endpoint_fields.is_file(field) and field.source != "NONE":
                paths[field.name] = _files_of(context, field, folder)
                place = place or _place_of(home, field)
    title = image_request.short(_title(endpoint, values))
    request = EndpointRequest(endpoint, values, paths, metadata=image_request.provenance(home, title))
    length = sequencer.strip_frames(home, settings.preferences().strip_seconds)
    target = image_request.target_for(
        home, kind=KIND, title=title, prompt=title, fit=scene.movie_director.fit, **{"length": length, **place}
    )
    job = commands.submit(BACKEND, request, target)
    sequencer.show_scene(context, home)
    return job


def _address() -> str:
    return settings.server_url(BACKEND, settings.preferences().backends.gradio)


def _check(own: Any) -> None:
    if not own.endpoint:
        raise ValidationError(
            "No endpoint is chosen.", code="no_endpoint", hint="Test the connection, and choose what the app is to do."
        )
    missing = endpoint_fields.missing(own)
    if missing:
        raise ValidationError(
            f"Nothing is in {', '.join(missing)}.", code="invalid_inputs", problems=missing, hint="Fill it in first."
        )


def _title(endpoint: str, values: Mapping[str, Any]) -> str:
    """Return what the result is called: the first text, else what was called."""
    texts = (each for each in values.values() if isinstance(each, str) and each.strip())
    return next(texts, endpoint.strip("/").replace("_", " "))


def _absolute(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_absolute(each) for each in value]
    return Path(bpy.path.abspath(str(value)))


def _files_of(context: bpy.types.Context, field: Any, folder: Path) -> Any:
    """Return the path, or the paths, of a file field; a picture of the film is written to a file here."""
    many = field.kind == "files"
    if field.source == "FILE":
        paths = [Path(bpy.path.abspath(each.strip())) for each in field.path.split(";") if each.strip()]
    elif field.source == "IMAGE":
        paths = [_image_file(field.image, folder / "inputs")]
    elif field.media == "image":
        paths = [_rendered(context, folder, strips=field.source == "STRIP")]
    else:
        paths = [_file_of_strip(strip) for strip in _strips(sequencer.scene_of(context), field)]
    if not paths:
        raise ValidationError(
            f"{field.label}: no strip with such a file is selected.",
            code="no_strip",
            hint="Select one in the Sequencer, or choose a file.",
        )
    return paths if many else paths[0]


def _rendered(context: bpy.types.Context, folder: Path, *, strips: bool) -> Path:
    scene: Any = sequencer.scene_of(context) if strips else context.scene
    return camera_view.render(scene, folder / "inputs", camera_view.picture_size(scene, SIZE_LIMIT), strips=strips)


def _strips(scene: bpy.types.Scene, field: Any) -> list[Any]:
    wanted = STRIP_TYPES.get(field.media, ("SOUND", "MOVIE", "IMAGE"))
    return [strip for strip in sequencer.selected(scene) if strip.type in wanted]


def _file_of_strip(strip: Any) -> Path:
    if strip.type == "SOUND":
        return Path(bpy.path.abspath(strip.sound.filepath))
    if strip.type == "IMAGE":
        return Path(bpy.path.abspath(strip.directory)) / strip.elements[0].filename
    return Path(bpy.path.abspath(strip.filepath))


def _place_of(scene: bpy.types.Scene, field: Any) -> dict[str, Any]:
    """Return where the content of the strip begins that a sound or clip was taken from, as target fields."""
    if field.source != "STRIP" or field.media not in STRIP_TYPES:
        return {}
    return {"frame": sequencer.content_start(_strips(scene, field)[0])}


def _image_file(image: Any, folder: Path) -> Path:
    """Return the file of an image; one that has none, or has changed since, is saved as a copy."""
    path = Path(bpy.path.abspath(image.filepath))
    if image.source == "FILE" and not image.is_dirty and not image.packed_file and path.is_file():
        return path
    prepare_folder(folder)
    suffix = path.suffix if image.packed_file and path.suffix else SUFFIXES.get(image.file_format, ".png")
    stem = f"image_{bpy.path.clean_name(image.name)}_{time.strftime('%Y%m%d-%H%M%S')}"
    copy = folder / f"{stem}{suffix}"
    if image.packed_file and not image.is_dirty:
        with storage_errors(folder):
            copy.write_bytes(image.packed_file.data)
        return copy
    try:
        images.save_copy(image, copy)
    except RuntimeError as error:
        raise StorageError(
            f"The image {image.name} could not be saved: {error}".strip(),
            code="storage",
            hint="Save it to a file in the Image Editor, and choose that.",
        ) from error
    return copy
