"""The answers of the mock text servers: film texts, and values that satisfy a JSON Schema."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

SHOTS = (
    (
        "EXT. PIER - DUSK",
        "Wide",
        "An empty pier under low clouds; a single lamp swings in the wind.",
        "",
        "Wind, gulls",
        6.0,
    ),
    (
        "EXT. PIER - DUSK",
        "Close-up",
        "Mara's hand closes around a brass key.",
        "Mara: It was never locked.",
        "A bell buoy",
        3.5,
    ),
    (
        "INT. LIGHTHOUSE - NIGHT",
        "Low angle",
        "The stair winds up into the dark, step by step lit.",
        "",
        "Footsteps on iron",
        5.0,
    ),
    (
        "INT. LAMP ROOM - NIGHT",
        "Over the shoulder",
        "Jonas turns from the lens, not surprised.",
        "Jonas: You are late.",
        "Hum of the lamp",
        4.0,
    ),
    ("EXT. SEA - NIGHT", "Aerial", "The beam sweeps over the water and finds a boat.", "", "Surf, a distant horn", 7.5),
)

SYNOPSIS = (
    "When the lamp of an abandoned lighthouse burns again, Mara returns to the island she left as a child. On the pier"
    " she finds the keeper's key, and at the top of the stair a man who has waited for her for eleven years."
    " Through one night of storm the two must keep the light alive for a boat that nobody else believes in."
    " By morning the sea is calm, the boat is home, and Mara knows why her father never came down."
)
LOGLINE = "A woman returns to the lighthouse of her childhood to keep its lamp burning through one last storm."
DIALOGUE = (
    "MARA\nIt was never locked.\n\nJONAS\nNo. You only had to come.\n\nMARA\nAnd the light?\n\nJONAS\nIt needs two."
)
PARAGRAPH = (
    "Neon rain falls on the quiet street. A door opens, a strip of warm light crosses the wet stones, and somebody"
    " laughs inside. The camera waits a moment longer than it should, then turns away."
)
REASONING = "The user wants a film text. Keep it short, concrete and visual."

_FIELDS: dict[str, int] = {
    "scene": 0,
    "location": 0,
    "shot": 1,
    "camera": 1,
    "angle": 1,
    "framing": 1,
    "description": 2,
}
_FIELDS |= {"action": 2, "visual": 2, "dialogue": 3, "line": 3, "sound": 4, "audio": 4, "duration": 5, "seconds": 5}
_WORDS = {
    "title": "The Last Lamp",
    "logline": LOGLINE,
    "synopsis": SYNOPSIS,
    "mood": "uneasy calm",
    "style": "film noir",
}
_WORDS |= {"character": "Mara", "name": "Mara", "genre": "drama", "colour": "teal", "lens": "35 mm"}
_SCHEMA_MARK = "JSON Schema:"
_DEEP = 12


def text_for(prompt: str) -> Iterator[str]:
    """Yield an answer to the prompt word by word, spaces included; a feature-length text never ends."""
    wanted = prompt.lower()
    if "feature-length" in wanted:
        words = re.findall(r"\S+\s*", SYNOPSIS + "\n\n")
        return itertools.chain.from_iterable(itertools.repeat(words))
    for key, text in (
        ("shot list", shot_list()),
        ("synopsis", SYNOPSIS),
        ("logline", LOGLINE),
        ("dialogue", DIALOGUE),
        ("sum up", "Mara has come back to the lighthouse; Jonas waits in the lamp room."),
    ):
        if key in wanted:
            return iter(re.findall(r"\S+\s*", text))
    return iter(re.findall(r"\S+\s*", PARAGRAPH))


def shot_list() -> str:
    """Return the shots as numbered lines."""
    return "\n".join(
        f"{number}. {scene} - {shot}: {description} ({seconds:g} s)"
        for number, (scene, shot, description, _, _, seconds) in enumerate(SHOTS, 1)
    )


def schema_in(body: Mapping[str, Any]) -> Any:
    """Return the schema of a request: from its response_format or its messages; None if there is none."""
    wanted = body.get("response_format")
    if isinstance(wanted, Mapping) and wanted.get("type") == "json_schema":
        return wanted["json_schema"]["schema"]
    for message in body["messages"]:
        content = message.get("content")
        after = content.partition(_SCHEMA_MARK)[2] if isinstance(content, str) else ""
        if after:
            return json.JSONDecoder().raw_decode(after.strip())[0]
    return {"type": "object", "properties": {"title": {}}} if wanted == {"type": "json_object"} else None


def value_for(schema: Mapping[str, Any]) -> Any:
    """Make a value that satisfies the schema, with film texts for names that are known."""
    return _Filler(schema).value(schema, "", 0, 0)


class _Filler:
    """Fills one schema; ``row`` is the number of the shot that the texts come from."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def value(self, schema: Any, name: str, row: int, depth: int) -> Any:
        if "$ref" in schema:
            return self.value(self._target(schema["$ref"]), name, row, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][row % len(schema["enum"])]
        for choice in ("anyOf", "oneOf"):
            if choice in schema:
                return self.value(self._branch(schema[choice], depth), name, row, depth)
        kind = schema.get("type") or ("object" if "properties" in schema else "string")
        kind = next(each for each in kind if each != "null") if isinstance(kind, list) else kind
        filled: Any = getattr(self, f"_{kind}")(schema, name, row, depth)
        return filled

    def _target(self, ref: str) -> Any:
        found: Any = self._root
        for step in ref.lstrip("#/").split("/") if ref != "#" else ():
            found = found[step]
        return found

    def _branch(self, branches: list[Any], depth: int) -> Any:
        null = [each for each in branches if each == {"type": "null"}]
        return null[0] if null and depth > _DEEP else next(each for each in branches if each not in null)

    def _object(self, schema: Mapping[str, Any], name: str, row: int, depth: int) -> dict[str, Any]:
        wanted = schema.get("required", ()) if depth > _DEEP else schema.get("properties", {})
        return {key: self.value(schema["properties"][key], key, row, depth + 1) for key in wanted}

    def _array(self, schema: Mapping[str, Any], name: str, row: int, depth: int) -> list[Any]:
        least = schema.get("minItems", 0)
        count = least if depth > _DEEP else min(max(least, 3), schema.get("maxItems", 1000))
        singular = name.removesuffix("s")
        return [self.value(schema.get("items", {}), singular, at, depth + 1) for at in range(count)]

    def _string(self, schema: Mapping[str, Any], name: str, row: int, depth: int) -> str:
        shot = SHOTS[row % len(SHOTS)]
        column = _FIELDS.get(name)
        text = str(shot[column]) if column is not None else _WORDS.get(name, name or "text")
        return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength", 10_000)]

    def _number(self, schema: Mapping[str, Any], name: str, row: int, depth: int) -> float:
        value = float(SHOTS[row % len(SHOTS)][5])
        return float(_within(schema, value))

    def _integer(self, schema: Mapping[str, Any], name: str, row: int, depth: int) -> int:
        return int(_within(schema, row + 1))

    def _boolean(self, schema: Mapping[str, Any], name: str, row: int, depth: int) -> bool:
        return row % 2 == 0

    def _null(self, schema: Mapping[str, Any], name: str, row: int, depth: int) -> None:
        return None


def _within(schema: Mapping[str, Any], value: float) -> Any:
    return max(schema.get("minimum", -math.inf), min(value, schema.get("maximum", math.inf)))
