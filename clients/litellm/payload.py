"""The body of a chat request: messages, pictures and parameters, as each server likes them."""

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
    """A file's content as an address: nothing in it needs to be escaped in JSON."""

    __slots__ = ()


Messages = list[dict[str, Any]]

MAX_IMAGE_BYTES = 20 * 1024 * 1024
_PARAMETERS = ("temperature", "top_p", "max_tokens", "stop", "seed", "tools", "tool_choice")
_ADDRESS = re.compile(r"data:|[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def messages_of(request: ChatRequest) -> Messages:
    """Return the request's messages with its system text and pictures in them; reads the pictures' files."""
    messages = [dict(each) for each in request.messages or [{"role": "user", "content": request.prompt}]]
    if request.images:
        _show(messages, request.images)
    messages = with_pictures(messages)
    return with_system(messages, request.system) if request.system else messages


def with_pictures(messages: Sequence[Mapping[str, Any]]) -> Messages:
    """Return the messages with the content of the files that their pictures name; reads them."""
    return [
        {**each, "content": [_loaded(part) for part in each["content"]]}
        if isinstance(each.get("content"), list)
        else dict(each)
        for each in messages
    ]


def picture_part(image: str | Path) -> dict[str, Any]:
    """Return the part of a message that shows a picture; a file's content is not in it yet."""
    return {"type": "image_url", "image_url": {"url": str(image)}}


def with_system(messages: Sequence[Mapping[str, Any]], text: str) -> Messages:
    """Return the messages with more system text: many models take one system message only, and only as the first."""
    copied = [dict(each) for each in messages]
    first = copied[0] if copied else {}
    if first.get("role") in ("system", "developer") and isinstance(first.get("content"), str):
        first["content"] = f"{first['content']}\n\n{text}"
        return copied
    return [{"role": "system", "content": text}, *copied]


def body_of(request: ChatRequest, messages: Messages, model: str, dialect: str) -> dict[str, Any]:
    """Return the body that asks ``model`` for the next message, streamed and with its usage.

    LiteLLM repeats failed calls by itself; that is switched off, since the client does so too, where it can be seen and
    cancelled. Other servers do not know that field.
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


def encoded(body: Mapping[str, Any]) -> list[bytes]:
    """Return a body as JSON in pieces. Pictures go in as they are: as a part of what is encoded at once they would hold
    up other threads, a large one for a tenth of a second.
    """
    pictures: dict[str, Picture] = {}
    messages = [_marked(each, pictures) for each in body["messages"]]
    rest = json.dumps({**body, "messages": messages}, allow_nan=False).encode()
    pieces: list[bytes] = []
    for mark, picture in pictures.items():
        before, _, rest = rest.partition(mark.encode())
        pieces += [before, *(picture[at : at + _SLICE].encode("ascii") for at in range(0, len(picture), _SLICE))]
    return [*pieces, rest]


def _marked(message: Mapping[str, Any], pictures: dict[str, Picture]) -> Mapping[str, Any]:
    """Return a message with a mark in the place of each picture, which is noted under it."""
    if not isinstance(message.get("content"), list):
        return message
    return {**message, "content": [_marked_part(each, pictures) for each in message["content"]]}


def _marked_part(part: Mapping[str, Any], pictures: dict[str, Picture]) -> Mapping[str, Any]:
    shown: Any = part.get("image_url")
    address = shown.get("url") if isinstance(shown, Mapping) else None
    if not isinstance(address, Picture):
        return part
    mark = uuid.uuid4().hex
    pictures[mark] = address
    return {**part, "image_url": {**shown, "url": mark}}


def address_of(image: str | Path) -> str:
    """Return a picture as an address that can stand in a message: its own, or a file's content as ``data:``."""
    if isinstance(image, str) and _ADDRESS.match(image):
        return image
    path = Path(image)
    media_type = mimetypes.guess_type(path.name)[0] or ""
    if not media_type.startswith("image/"):
        raise _unusable(path, "it is no picture by its name")
    try:
        if path.stat().st_size > MAX_IMAGE_BYTES:
            raise _unusable(path, f"it has more than {MAX_IMAGE_BYTES // 1024 // 1024} MiB")
        return Picture(f"data:{media_type};base64,{b''.join(base64_slices(path)).decode('ascii')}")
    except OSError as error:
        raise _unusable(path, str(error)) from error


def _loaded(part: Mapping[str, Any]) -> dict[str, Any]:
    shown = part.get("image_url")
    url = shown.get("url") if isinstance(shown, Mapping) else None
    return {**part, "image_url": {**shown, "url": address_of(url)}} if shown and isinstance(url, str) else dict(part)


def _show(messages: Messages, images: Sequence[str | Path]) -> None:
    message = next((each for each in reversed(messages) if each.get("role") == "user"), None)
    if message is None:
        message = {"role": "user", "content": []}
        messages.append(message)
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    message["content"] = [*parts, *map(picture_part, images)]


def _unusable(path: Path, why: str) -> ValidationError:
    problem = f"images: {path} can't be used: {why}."
    return ValidationError(problem, problems=[problem], code="invalid_image", hint="Choose a PNG or JPEG file.")
