"""The terminal verbs for any Gradio app: ``endpoints`` and ``run``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import bpy

from ..blender import commands
from ..blender.requests import endpoint_request
from ..blender.state import settings
from ..clients.core.errors import ValidationError
from ..operators.blocking import wait_for_answer
from ..operators.reporting import say
from . import base
from .base import OK

if TYPE_CHECKING:
    import argparse

    from ..clients.gradio_app.endpoints import Endpoint, Field


def add(parsers: Any) -> None:
    """Add the verbs."""
    listing = parsers.add_parser("endpoints", help="list what a Gradio app can do, and what it needs for that")
    listing.add_argument("--url", help="the app's address; default: as in the preferences")
    listing.add_argument("--demo", action="store_true", help="ask the demo server inside Blender")
    listing.set_defaults(verb=list_endpoints)

    run = parsers.add_parser("run", help="have a Gradio app do something and put the result into the film")
    run.add_argument("endpoint", help="as `endpoints` lists it, such as /generate")
    run.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="a value; may be repeated")
    run.add_argument("--file", action="append", default=[], metavar="FIELD=PATH", help="a file; may be repeated")
    run.add_argument("--url", help="the app's address; default: as in the preferences")
    base.add_common(run)
    run.set_defaults(verb=run_endpoint)


def list_endpoints(options: argparse.Namespace) -> int:
    """``endpoints``: one line for each endpoint, and one for each of its fields."""
    base.use(options)
    _use_url(options)
    for each in _ask():
        results = ", ".join(each.media) or "values"
        say(f"{each.name}  ->  {results}")
        for field in each.fields:
            say(f"    {_field_line(field)}")
    return OK


def run_endpoint(options: argparse.Namespace) -> int:
    """``run``: call an endpoint, place its result, and save if asked to."""
    base.use(options)
    _use_url(options)
    inputs = {name: _value(text) for name, text in map(_pair, options.set)}
    files: dict[str, list[str]] = {}
    for name, path in map(_pair, options.file):
        files.setdefault(name, []).append(path)
    return base.finish(options, endpoint_request.submit_endpoint(bpy.context, options.endpoint, inputs, files))


def _use_url(options: argparse.Namespace) -> None:
    if options.url:
        settings.preferences().backends.gradio.url = options.url


def _ask() -> tuple[Endpoint, ...]:
    test = commands.probe(endpoint_request.BACKEND)
    wait_for_answer(test, endpoint_request.BACKEND)
    if test.error is not None:
        raise test.error
    return endpoint_request.schema()[1]


def _field_line(field: Field) -> str:
    facts = [str(field.kind).replace("_", " ")]
    if field.minimum is not None or field.maximum is not None:
        facts.append(f"{_limit(field.minimum)} to {_limit(field.maximum)}")
    if field.choices:
        facts.append("one of " + ", ".join(json.dumps(each.value, ensure_ascii=False) for each in field.choices))
    facts.append("needed" if field.required else f"default {json.dumps(field.default, ensure_ascii=False)}")
    return f"{field.name} ({field.label}): {', '.join(facts)}"


def _limit(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ValidationError(
            f"'{text}' is not of the form FIELD=VALUE.", code="invalid_inputs", hint="Such as --set text=Action!"
        )
    return name.strip(), value


def _value(text: str) -> Any:
    """Read a value as JSON where it is some (a number, true, a list), else as the text that it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text
