"""GET /config and GET /info of a mock Gradio server, as generations 4, 5 and 6 write them."""

import hashlib
from typing import TYPE_CHECKING, Any

from .app import App, Component, Dependency
from .messages import Dialect

if TYPE_CHECKING:
    from .server import MockGradio

SILENT = ("state", "button", "row", "column", "form", "tabs", "tabitem", "group", "accordion")
"""Types of component that no endpoint shows."""

FILE = {"type": "filepath"}
KINDS: dict[str, tuple[dict[str, Any], str, Any]] = {
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


def config(server: "MockGradio") -> dict[str, Any]:
    """The whole of GET /config."""
    dialect, app = server.dialect, server.app
    generation = dialect.generation
    empty = "" if generation == 5 else None
    layout = {"id": 0, "children": [{"id": each} for each in app.components]}
    told: dict[str, Any] = {"version": dialect.version}
    if generation > 4:
        told["api_prefix"] = dialect.prefix
    told |= {"mode": "blocks", "app_id": server.app_id, "dev_mode": False}
    if generation == 6:
        told["vibe_mode"] = False
    told |= {
        "analytics_enabled": False,
        "components": [component(each, dialect) for each in app.components.values()],
        "css": empty,
        "connect_heartbeat": True,
        "js": empty,
        "head": empty,
        "title": app.title,
        "space_id": None,
        "enable_queue": True,
        "show_error": server.show_error,
    }
    told |= {"footer_links": [], "run_history": True} if generation == 6 else {"show_api": True}
    told |= {
        "is_colab": False,
        "max_file_size": server.max_file_size,
        "stylesheets": [],
        "theme": "default",
        "protocol": "sse_v3",
        "body_css": {"body_background_fill": "white", "body_text_color": "#1f2937"},
        "fill_height": False,
        "fill_width": False,
        "theme_hash": hashlib.sha256(dialect.version.encode()).hexdigest(),
    }
    dependencies = [dependency(each, dialect) for each in app.dependencies.values()]
    username = server.login[0] if server.login is not None else None
    if generation == 4:
        return told | {"layout": layout, "dependencies": dependencies, "root": server.url, "username": username}
    told |= {"pwa": False, "pages": [["", "Home"]], "page": {"": {"layout": layout}}}
    if generation == 5:
        return told | {"dependencies": dependencies, "layout": layout, "root": server.url, "username": username}
    told |= {"mcp_server": False, "i18n_translations": None, "dependencies": dependencies, "layout": layout}
    return told | {"username": username, "root": server.url}


def component(part: Component, dialect: Dialect) -> dict[str, Any]:
    """One entry of ``components``."""
    value = part.props.get("value")
    props = {**part.props, "label": part.label, "name": part.type, "_selectable": False}
    if callable(value):
        props["value"] = None
    silent = part.type in SILENT
    told: dict[str, Any] = {
        "id": part.id,
        "type": part.type,
        "props": props,
        "skip_api": silent,
        "component_class_id": hashlib.sha256(part.type.encode()).hexdigest(),
        "key": None,
    }
    if not silent:
        schema, _, example = kind_of(part)
        told["api_info"] = schema
        if dialect.generation > 4:
            told |= {"api_info_as_input": schema, "api_info_as_output": schema}
        told["example_inputs"] = example
    return told


def dependency(wired: Dependency, dialect: Dialect) -> dict[str, Any]:
    """One entry of ``dependencies``."""
    told: dict[str, Any] = {
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
        told["show_progress_on"] = None
    told |= {
        "batch": False,
        "max_batch_size": 4,
        "cancels": [],
        "types": {"generator": wired.generator, "cancel": False},
        "collects_event_data": False,
        "trigger_after": wired.trigger_after,
        "trigger_only_on_success": False,
        "trigger_mode": "once",
    }
    told |= {"api_visibility": "public"} if dialect.generation == 6 else {"show_api": wired.api_name is not None}
    if dialect.generation == 4:
        return told | {"zerogpu": False, "rendered_in": None} | dict(wired.extra)
    told |= {"rendered_in": None, "render_id": None, "connection": "sse", "time_limit": None, "stream_every": 0.5}
    if dialect.generation == 5:
        told["like_user_message"] = False
    return told | {"event_specific_args": None, "js_implementation": None} | dict(wired.extra)


def info(app: App, dialect: Dialect, url: str) -> dict[str, Any]:
    """The whole of GET /info."""
    shown = {
        f"/{each.api_name}": endpoint(each, app, dialect, url) for each in app.dependencies.values() if named(each)
    }
    return {"named_endpoints": shown, "unnamed_endpoints": {}}


def named(wired: Dependency) -> bool:
    return wired.api_name is not None and wired.function is not None and wired.extra.get("show_api") is not False


def endpoint(wired: Dependency, app: App, dialect: Dialect, url: str) -> dict[str, Any]:
    """One endpoint of GET /info."""
    names = [*wired.parameters, *(f"param_{at}" for at in range(len(wired.parameters), len(wired.inputs)))]
    pairs = [(app.components.get(each), name) for each, name in zip(wired.inputs, names, strict=True)]
    told: dict[str, Any] = {
        "parameters": [parameter(part, name) for part, name in pairs if part is not None and part.type not in SILENT],
        "returns": [
            described(app.components[each])
            for each in wired.outputs
            if each in app.components and app.components[each].type not in SILENT
        ],
    }
    if dialect.generation < 6:
        return {**told, "show_api": True}
    call = f'client.predict(api_name="/{wired.api_name}")'
    snippets = {"python": call, "javascript": call, "bash": f"curl -X POST {url}", "cli": "", "agent_skill": ""}
    return {**told, "api_visibility": "public", "description": "", "code_snippets": snippets}


def parameter(part: Component, name: str) -> dict[str, Any]:
    value = part.props.get("value")
    value = None if callable(value) else value
    told = described(part)
    return {
        "label": told.pop("label"),
        "parameter_name": name,
        "parameter_has_default": value is not None,
        "parameter_default": value,
        **told,
        "example_input": kind_of(part)[2],
    }


def described(part: Component) -> dict[str, Any]:
    schema, python, _ = kind_of(part)
    python_type = {"type": python, "description": schema.get("description", "")}
    return {"label": part.label, "type": schema, "python_type": python_type, "component": part.type.capitalize()}


def kind_of(part: Component) -> tuple[dict[str, Any], str, Any]:
    """Schema, Python type and example of a component."""
    schema, python, example = KINDS.get(part.type, (FILE, "filepath", {"path": "https://example.com/file"}))
    choices = part.props.get("choices")
    if choices:
        known = [each[1] if isinstance(each, (list, tuple)) else each for each in choices]
        return {**schema, "enum": known}, f"Literal[{', '.join(map(repr, known))}]", known[0]
    return schema, python, example
