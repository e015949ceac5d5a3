"""Structured answers: request JSON, find it in a model's text, validate it, request a correction."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from ..core.errors import ValidationError
from .schema import is_strict
from .server_info import LMSTUDIO

SCHEMA, OBJECT, TEXT = "json_schema", "json_object", "text"
MAX_TRIES = 64
"""Positions in an answer that are tried as the start of its JSON."""

MAX_PROBLEMS = 8
_FENCE = re.compile(r"```[\w-]*[ \t]*\n(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[\[{]")


class Validator:
    """Checks values against one schema with ``fastjsonschema``, which compiles the schema to code: so only for schemas
    of ours and the user's, never a server's. An invalid schema raises ``ValidationError`` (``invalid_schema``).
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        import fastjsonschema

        self._make_error = fastjsonschema.JsonSchemaException
        try:
            self._check: Callable[[Any], Any] = fastjsonschema.compile(
                dict(schema), handlers=_NoFetching(), use_default=False, fast_fail=False
            )
        except Exception as error:
            problem = f"schema: {error}."
            raise ValidationError(
                f"The schema can't be used: {error}.",
                code="invalid_schema",
                problems=[problem],
                hint="Correct the JSON Schema.",
            ) from error

    def problems(self, value: Any) -> list[str]:
        """Return the validator's problems with a value, none if it is valid."""
        try:
            self._check(value)
        except self._make_error as error:
            return [str(each) for each in getattr(error, "errors", [error])][:MAX_PROBLEMS]
        except RecursionError:
            return ["data is nested too deeply"]
        return []


def get_ways(dialect: str, known: str | None) -> list[str]:
    """Return the ways to request JSON, the strictest first; only the known one if there is one."""
    ways = [SCHEMA, TEXT] if dialect == LMSTUDIO else [SCHEMA, OBJECT, TEXT]
    return ways[ways.index(known) :] if known in ways else ways


def make_response_format(way: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the body's ``make_response_format``, None for the way that needs none."""
    if way == SCHEMA:
        name = re.sub(r"\W", "_", str(schema.get("title") or "answer"))[:60]
        return {"type": SCHEMA, SCHEMA: {"name": name, "strict": is_strict(schema), "schema": dict(schema)}}
    return {"type": OBJECT} if way == OBJECT else None


def make_instruction(schema: Mapping[str, Any]) -> str:
    """Return the system text that requests JSON; it goes with every way, since servers drop unknown fields."""
    return (
        "Answer with one JSON value only, no other words, that fits this JSON Schema:\n"
        f"{json.dumps(schema, ensure_ascii=False)}"
    )


def make_correction(problems: list[str]) -> str:
    """Return the message that requests a corrected answer."""
    listed = "\n".join(f"- {each}" for each in problems)
    return f"That does not fit the JSON Schema:\n{listed}\nSend the whole JSON again, corrected, and nothing else."


def parse(text: str, validator: Validator) -> tuple[Any, list[str]]:
    """Find the JSON in an answer with fences or other text around it; return it and its problems.

    Of several values the first valid one counts, else the first.
    """
    found: list[tuple[Any, list[str]]] = []
    for value in _find_values(text):
        problems = validator.problems(value)
        if not problems:
            return value, []
        found.append((value, problems))
    return found[0] if found else (None, ["there is no complete JSON in the answer"])


def _find_values(text: str) -> Iterator[Any]:
    for candidate in (text, *(match[1] for match in _FENCE.finditer(text))):
        try:
            yield _decoder.decode(candidate.strip())
        except (ValueError, RecursionError):
            continue
    at = tries = 0
    while tries < MAX_TRIES and (opening := _OPENING.search(text, at)):
        tries += 1
        try:
            value, at = _decoder.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            at = opening.end()
            continue
        yield value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


class _NoFetching(dict[str, Callable[[str], Any]]):
    """Handlers for every URL scheme, all of which refuse: a schema must not cause requests."""

    def __contains__(self, scheme: object) -> bool:
        return True

    def __missing__(self, scheme: str) -> Callable[[str], Any]:
        def refuse(uri: str) -> NoReturn:
            raise ValueError(f"$ref {uri} points outside the schema")

        return refuse
