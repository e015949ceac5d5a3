"""The body of a chat request: messages, pictures and parameters, in each server's form."""

from __future__ import annotations

import json
import mimetypes
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import ValidationError
from ..http.base64_body import base64_slices
from .request import ChatRequest
from .server_info import LITELLM

_SLICE = 256 * 1024


class Picture(str):
    """A file's content as a ``data:`` URL, which needs no escaping in JSON."""

    __slots__ = ()


Messages = list[dict[str, Any]]

MAX_IMAGE_BYTES = 20 * 1024 * 1024
_PARAMETERS = ("temperature", "top_p", "max_tokens", "stop", "seed", "tools", "tool_choice")
_ADDRESS = re.compile(r"\A(?:data:|[a-z][a-z0-9+.-]*://)", re.IGNORECASE)


def make_messages(request: ChatRequest) -> Messages:
    """Return the request's messages with its system text and pictures; reads the pictures' files."""
    messages = [dict(each) for each in request.messages or [{"role": "user", "content": request.prompt}]]
    if request.images:
        _add_images(messages, request.images)
    messages = load_pictures(messages)
    return add_system_text(messages, request.system) if request.system else messages


def load_pictures(messages: Sequence[Mapping[str, Any]]) -> Messages:
    """Return the messages with the content of the picture files that they name; reads the files."""
    return [
        {**each, "content": [_load_part(part) for part in each["content"]]}
        if isinstance(each.get("content"), list)
        else dict(each)
        for each in messages
    ]


def make_picture_part(image: str | Path) -> dict[str, Any]:
    """Return the message part for a picture, still without the file's content."""
    return {"type": "image_url", "image_url": {"url": str(image)}}


def add_system_text(messages: Sequence[Mapping[str, Any]], text: str) -> Messages:
    """Return the messages with text added to the system message: many models accept only one, in first place."""
    copied = [dict(each) for each in messages]
    first = copied[0] if copied else {}
    if first.get("role") in ("system", "developer") and isinstance(first.get("content"), str):
        first["content"] = f"{first['content']}\n\n{text}"
        return copied
    return [{"role": "system", "content": text}, *copied]


def make_body(request: ChatRequest, messages: Messages, model: str, dialect: str) -> dict[str, Any]:
    """Return the body that requests the next message from ``model``, as a stream and with its usage.

    It switches LiteLLM's own retries off: the client retries, visibly and cancellably. Other servers do not know that
    field.
    """
    body: dict[str, Any] = {
        **request.extra,
        "model": model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    for name in _PARAMETERS:
        if getattr(request, name) is not None:
            body[name] = getattr(request, name)
    if dialect == LITELLM:
        body.setdefault("num_retries", 0)
    return body


def encode_body(body: Mapping[str, Any]) -> list[bytes]:
    """Return a body as JSON in pieces, with the pictures unencoded: to encode a large one with the rest would block
    other threads for a tenth of a second.
    """
    pictures: dict[str, Picture] = {}
    messages = [_mark_pictures(each, pictures) for each in body["messages"]]
    rest = json.dumps({**body, "messages": messages}, allow_nan=False).encode()
    pieces: list[bytes] = []
    for mark, picture in pictures.items():
        before, _, rest = rest.partition(mark.encode())
        pieces += [before, *(picture[at : at + _SLICE].encode("ascii") for at in range(0, len(picture), _SLICE))]
    return [*pieces, rest]


def _mark_pictures(message: Mapping[str, Any], pictures: dict[str, Picture]) -> Mapping[str, Any]:
    """Return a message with a marker in place of each picture; the pictures are added to ``pictures``."""
    if not isinstance(message.get("content"), list):
        return message
    return {**message, "content": [_mark_part(each, pictures) for each in message["content"]]}


def _mark_part(part: Mapping[str, Any], pictures: dict[str, Picture]) -> Mapping[str, Any]:
    shown: Any = part.get("image_url")
    address = shown.get("url") if isinstance(shown, Mapping) else None
    if not isinstance(address, Picture):
        return part
    mark = uuid.uuid4().hex
    pictures[mark] = address
    return {**part, "image_url": {**shown, "url": mark}}


def make_image_url(image: str | Path) -> str:
    """Return the URL of a picture: its own, or a ``data:`` URL with the file's content."""
    if isinstance(image, str) and _ADDRESS.match(image):
        return image
    path = Path(image)
    media_type = mimetypes.guess_type(path.name)[0] or ""
    if not media_type.startswith("image/"):
        raise _unusable_image_error(path, "its name is not that of a picture")
    try:
        if path.stat().st_size > MAX_IMAGE_BYTES:
            raise _unusable_image_error(path, f"it is larger than {MAX_IMAGE_BYTES // 1024 // 1024} MiB")
        return Picture(f"data:{media_type};base64,{b''.join(base64_slices(path)).decode('ascii')}")
    except OSError as error:
        raise _unusable_image_error(path, str(error)) from error


def _load_part(part: Mapping[str, Any]) -> dict[str, Any]:
    shown = part.get("image_url")
    url = shown.get("url") if isinstance(shown, Mapping) else None
    return (
        {**part, "image_url": {**shown, "url": make_image_url(url)}} if shown and isinstance(url, str) else dict(part)
    )


def _add_images(messages: Messages, images: Sequence[str | Path]) -> None:
    message = next((each for each in reversed(messages) if each.get("role") == "user"), None)
    if message is None:
        message = {"role": "user", "content": []}
        messages.append(message)
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    message["content"] = [*parts, *map(make_picture_part, images)]


def _unusable_image_error(path: Path, why: str) -> ValidationError:
    problem = f"images: {path} can't be used: {why}."
    return ValidationError(problem, problems=[problem], code="invalid_image", hint="Choose a PNG or JPEG file.")
