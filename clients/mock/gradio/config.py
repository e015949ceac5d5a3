"""GET /config and GET /info of a mock Gradio server, as generations 4, 5 and 6 write them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from .app import App, Component, Dependency
from .messages import Dialect

_SILENT = ("state", "button", "row", "column", "form", "tabs", "tabitem", "group", "accordion")
"""Types of component that no endpoint shows."""

_FILE = {"type": "filepath"}
_KINDS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "textbox": ({"type": "string"}, "str", "Hello!!"),
    "markdown": ({"type": "string"}, "str", "# Hello!"),
    "html": ({"type": "string"}, "str", "<p>Hello</p>"),
    "number": ({"type": "number"}, "float", 3),
    "slider": ({"type": "number"}, "float", 1),
    "checkbox": ({"type": "boolean"}, "bool", True),
    "dropdown": ({"type": "string"}, "str", "a"),
    "radio": ({"type": "string"}, "str", "a"),
    "json": ({"type": {}, "description": "any valid json"}, "str | float | bool | list | dict", {"foo": "bar"}),
}
"""Type of component -> JSON schema, Python type, example. The rest are files."""


@dataclass(frozen=True)
class ServerFacts:
    """The server's own settings in GET /config. ``username``: the only user, None without a login."""

    dialect: Dialect
    url: str
    app_id: int
    show_error: bool
    max_file_size: int | None
    username: str | None


def make_config(app: App, facts: ServerFacts) -> dict[str, Any]:
    """Make the response of GET /config."""
    dialect = facts.dialect
    generation = dialect.generation
    empty = "" if generation == 5 else None
    layout = {"id": 0, "children": [{"id": each} for each in app.components]}
    config: dict[str, Any] = {"version": dialect.version}
    if generation > 4:
        config["api_prefix"] = dialect.prefix
    config |= {"mode": "blocks", "app_id": facts.app_id, "dev_mode": False}
    if generation == 6:
        config["vibe_mode"] = False
    config |= {
        "analytics_enabled": False,
        "components": [describe_component(each, dialect) for each in app.components.values()],
        "css": empty,
        "connect_heartbeat": True,
        "js": empty,
        "head": empty,
        "title": app.title,
        "space_id": None,
        "enable_queue": True,
        "show_error": facts.show_error,
    }
    config |= {"footer_links": [], "run_history": True} if generation == 6 else {"show_api": True}
    config |= {
        "is_colab": False,
        "max_file_size": facts.max_file_size,
        "stylesheets": [],
        "theme": "default",
        "protocol": "sse_v3",
        "body_css": {"body_background_fill": "white", "body_text_color": "#1f2937"},
        "fill_height": False,
        "fill_width": False,
        "theme_hash": hashlib.sha256(dialect.version.encode()).hexdigest(),
    }
    dependencies = [describe_dependency(each, dialect) for each in app.dependencies.values()]
    if generation == 4:
        return config | {"layout": layout, "dependencies": dependencies, "root": facts.url, "username": facts.username}
    config |= {"pwa": False, "pages": [["", "Home"]], "page": {"": {"layout": layout}}}
    if generation == 5:
        return config | {"dependencies": dependencies, "layout": layout, "root": facts.url, "username": facts.username}
    config |= {"mcp_server": False, "i18n_translations": None, "dependencies": dependencies, "layout": layout}
    return config | {"username": facts.username, "root": facts.url}


def describe_component(part: Component, dialect: Dialect) -> dict[str, Any]:
    """Make an entry of ``components``."""
    value = part.props.get("value")
    props = {**part.props, "label": part.label, "name": part.type, "_selectable": False}
    if callable(value):
        props["value"] = None
    silent = part.type in _SILENT
    entry: dict[str, Any] = {
        "id": part.id,
        "type": part.type,
        "props": props,
        "skip_api": silent,
        "component_class_id": hashlib.sha256(part.type.encode()).hexdigest(),
        "key": None,
    }
    if not silent:
        schema, _, example = _kind(part)
        entry["api_info"] = schema
        if dialect.generation > 4:
            entry |= {"api_info_as_input": schema, "api_info_as_output": schema}
        entry["example_inputs"] = example
    return entry


def describe_dependency(wired: Dependency, dialect: Dialect) -> dict[str, Any]:
    """Make an entry of ``dependencies``."""
    entry: dict[str, Any] = {
        "id": wired.id,
        "targets": [list(each) for each in wired.targets],
        "inputs": list(wired.inputs),
        "outputs": list(wired.outputs),
        "backend_fn": wired.function is not None,
        "js": None,
        "queue": wired.queue,
        "api_name": wired.api_name if wired.api_name is not None else False,
        "scroll_to_output": False,
        "show_progress": "full",
    }
    if dialect.generation > 4:
        entry["show_progress_on"] = None
    entry |= {
        "batch": False,
        "max_batch_size": 4,
        "cancels": [],
        "types": {"generator": wired.generator, "cancel": False},
        "collects_event_data": False,
        "trigger_after": wired.trigger_after,
        "trigger_only_on_success": False,
        "trigger_mode": "once",
    }
    entry |= {"api_visibility": "public"} if dialect.generation == 6 else {"show_api": wired.api_name is not None}
    if dialect.generation == 4:
        return entry | {"zerogpu": False, "rendered_in": None} | dict(wired.extra)
    entry |= {"rendered_in": None, "render_id": None, "connection": "sse", "time_limit": None, "stream_every": 0.5}
    if dialect.generation == 5:
        entry["like_user_message"] = False
    return entry | {"event_specific_args": None, "js_implementation": None} | dict(wired.extra)


def make_info(app: App, dialect: Dialect, url: str) -> dict[str, Any]:
    """Make the response of GET /info."""
    shown = {
        f"/{each.api_name}": _endpoint(each, app, dialect, url) for each in app.dependencies.values() if _is_named(each)
    }
    return {"named_endpoints": shown, "unnamed_endpoints": {}}


def _is_named(wired: Dependency) -> bool:
    return wired.api_name is not None and wired.function is not None and wired.extra.get("show_api") is not False


def _endpoint(wired: Dependency, app: App, dialect: Dialect, url: str) -> dict[str, Any]:
    """Make an endpoint of GET /info."""
    names = [*wired.parameters, *(f"param_{at}" for at in range(len(wired.parameters), len(wired.inputs)))]
    pairs = [(app.components.get(each), name) for each, name in zip(wired.inputs, names, strict=True)]
    entry: dict[str, Any] = {
        "parameters": [
            _parameter(part, name, optional=name in wired.optional)
            for part, name in pairs
            if part is not None and part.type not in _SILENT
        ],
        "returns": [
            _describe(app.components[each])
            for each in wired.outputs
            if each in app.components and app.components[each].type not in _SILENT
        ],
    }
    if dialect.generation < 6:
        return {**entry, "show_api": True}
    call = f'client.predict(api_name="/{wired.api_name}")'
    snippets = {"python": call, "javascript": call, "bash": f"curl -X POST {url}", "cli": "", "agent_skill": ""}
    return {**entry, "api_visibility": "public", "description": "", "code_snippets": snippets}


def _parameter(part: Component, name: str, *, optional: bool = False) -> dict[str, Any]:
    value = part.props.get("value")
    value = None if callable(value) else value
    described = _describe(part)
    return {
        "label": described.pop("label"),
        "parameter_name": name,
        "parameter_has_default": value is not None or optional,
        "parameter_default": value,
        **described,
        "example_input": _kind(part)[2],
    }


def _describe(part: Component) -> dict[str, Any]:
    schema, python, _ = _kind(part)
    python_type = {"type": python, "description": schema.get("description", "")}
    return {"label": part.label, "type": schema, "python_type": python_type, "component": part.type.capitalize()}


def _kind(part: Component) -> tuple[dict[str, Any], str, Any]:
    """Return the schema, Python type and example of a component."""
    schema, python, example = _KINDS.get(part.type, (_FILE, "filepath", {"path": "https://example.com/file"}))
    choices = part.props.get("choices")
    if choices:
        known = [each[1] if isinstance(each, (list, tuple)) else each for each in choices]
        return {**schema, "enum": known}, f"Literal[{', '.join(map(repr, known))}]", known[0]
    return schema, python, example
