"""Which part of the program may import which; read from the source, so that no import has to be tried."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ["ui", "cli", "operators", "blender", "runtime", "clients"]

SHARED = {"core", "files", "http", "websocket", "gradio", "audio"}
"""The rooms of clients/ that every backend may use."""
BACKEND_ROOMS = {"comfyui", "wan2gp", "litellm", "rvc", "audioldm", "gradio_app"}
CLIENT_ROOMS: dict[str, set[str]] = {
    # core/client.py alone: it gives every client its HTTP session
    "core": {"http"},
    "files": {"core"},
    "http": {"core", "files"},
    "websocket": {"core", "files", "http"},
    "gradio": {"core", "files", "http"},
    "audio": {"core", "files", "http"},
    **dict.fromkeys(BACKEND_ROOMS, SHARED),
    # a mock shares plain data with its client, and no reading of a protocol
    "mock": {"core", "files", "audio", "wan2gp", "registry"},
}
"""Room of clients/ -> the rooms of clients/ that it may import. No backend imports another one."""
BLENDER_ROOMS = ["requests", "properties", "commands", "pump", "placing", "state", "platform"]
"""The rooms of blender/, from top to bottom: imports go down only."""
CONTRACT_PAIR = {"clients.core.errors", "clients.core.model"}
"""The one circle: ``BackendError.partial`` is a ``Result``, and ``Result.problems`` are errors. Types only."""

BPY_MODULES = {"bpy", "bmesh", "mathutils", "gpu", "aud", "bl_ext", "addon_utils", "bpy_extras"}
GRADIO_CLIENT = {"gradio_client", "httpx", "httpcore", "huggingface_hub", "fsspec"}
"""What one backend is built on, and what comes with it: importing it takes a quarter of a second."""

BUILT_ON_GRADIO_CLIENT = {f"clients/gradio_app/{name}.py" for name in ("call", "library", "run", "wire")}
SOCKET_MODULES = {"socket", "ssl", "http", "urllib", "urllib3", "websocket", "requests", "asyncio", "selectors"}

SOURCES = [
    ROOT / "__init__.py",
    ROOT / "preferences.py",
    *sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")),
]


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _layer(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[tuple[ast.stmt, int, str]]:
    """Yield (statement, level, dotted name) for each import of a file, names of ``from`` imports included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, 0, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node, node.level, f"{node.module}.{alias.name}" if node.module else alias.name


def _absolute(path: Path, level: int, name: str) -> str:
    """Return a relative import as a dotted path from the extension's root."""
    package = list(path.relative_to(ROOT).with_suffix("").parts)[:-level]
    return ".".join([*package, name])


def _own_imports(path: Path) -> Iterator[str]:
    for _, level, name in _imports(path):
        if level:
            yield _absolute(path, level, name)


def _imported_with(path: Path) -> Iterator[str]:
    """Yield what importing the file imports of the extension: not what stands in its functions."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            yield from (_absolute(path, node.level, f"{node.module}.{each.name}") for each in node.names)


def wrong_directions(layer: str, own_imports: Iterator[str]) -> list[str]:
    """Return the imports that go up: ``ui, cli -> operators -> blender -> runtime -> clients`` is the only way."""
    allowed = set(LAYERS[LAYERS.index(layer) :])
    return [name for name in own_imports if name.split(".")[0] not in allowed]


@pytest.mark.parametrize("path", SOURCES, ids=_id)
def test_imports_point_one_way(path: Path) -> None:
    layer = _layer(path)
    if layer not in LAYERS:
        pytest.skip("the root sees all layers")
    assert wrong_directions(layer, _own_imports(path)) == []


def test_an_import_that_goes_up_is_found() -> None:
    assert wrong_directions("runtime", iter(["clients.core.job", "blender.commands"])) == ["blender.commands"]
    assert wrong_directions("clients", iter(["runtime.event_channel"])) == ["runtime.event_channel"]
    assert wrong_directions("ui", iter(["operators.jobs", "preferences"])) == ["preferences"]


def test_preferences_are_imported_by_the_root_alone() -> None:
    importers = [_id(path) for path in SOURCES for name in _own_imports(path) if name.split(".")[0] == "preferences"]
    assert importers == []


@pytest.mark.parametrize("path", [path for path in SOURCES if _layer(path) in ("clients", "runtime")], ids=_id)
def test_no_blender_below_the_edge(path: Path) -> None:
    assert [name for _, level, name in _imports(path) if not level and name.split(".")[0] in BPY_MODULES] == []


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if _layer(path) in ("blender", "operators", "cli", "ui", "preferences")], ids=_id
)
def test_no_network_at_the_edge(path: Path) -> None:
    assert [name for _, level, name in _imports(path) if not level and name.split(".")[0] in SOCKET_MODULES] == []


@pytest.mark.parametrize("path", SOURCES, ids=_id)
def test_one_backend_alone_is_built_on_gradio_client(path: Path) -> None:
    found = {name for _, level, name in _imports(path) if not level and name.split(".")[0] in GRADIO_CLIENT}
    assert bool(found) is (_id(path) in BUILT_ON_GRADIO_CLIENT)


def test_the_modules_built_on_gradio_client_are_imported_by_functions_alone() -> None:
    """By no module when it is imported: a worker thread imports them with the first call."""
    early = [
        (_id(path), each)
        for path in SOURCES
        if _id(path) not in BUILT_ON_GRADIO_CLIENT
        for each in _imported_with(path)
        if each.startswith(("clients.gradio_app.call", "clients.gradio_app.library", "clients.gradio_app.wire"))
    ]
    assert early == []


@pytest.mark.parametrize("path", SOURCES, ids=_id)
def test_the_extension_never_names_itself(path: Path) -> None:
    own = {"movie_director", *LAYERS, "preferences"}
    assert [name for _, level, name in _imports(path) if not level and name.split(".")[0] in own] == []


@pytest.mark.parametrize("path", SOURCES, ids=_id)
def test_nobody_edits_the_module_path(path: Path) -> None:
    edits = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "sys"
        and node.attr in ("path", "meta_path", "path_hooks")
    ]
    assert edits == []


def test_the_root_imports_neither_blender_nor_its_own_layers() -> None:
    names = [name for _, _, name in _imports(ROOT / "__init__.py")]
    assert not [name for name in names if name.split(".")[0] in BPY_MODULES | set(LAYERS)]


def test_callbacks_of_properties_do_not_hold_bpy() -> None:
    """Blender never lets go of a property's callbacks; with ``bpy`` in their globals Blender 4.2 crashes at exit."""
    for module in ("state/secrets.py", "properties/search_choices.py"):
        imports = _imports(ROOT / "blender" / module)
        assert [name for _, level, name in imports if not level and name.startswith("bpy")] == []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in ("update", "get", "set", "poll", "search"):
                value = node.value.func if isinstance(node.value, ast.Call) else node.value
                assert ast.unparse(value).startswith(("secrets.", "search_choices.")), (
                    f"{_id(path)}:{node.value.lineno}"
                )


def room(module: str, layer: str) -> str:
    """Return the room of a layer that a dotted module is in, "" for another layer or the layer's own package."""
    parts = module.split(".")
    return parts[1] if parts[0] == layer and len(parts) > 1 else ""


def forbidden_in_clients(path_room: str, targets: Iterable[str]) -> list[str]:
    """Return the imports of a room of clients/ that its row of the table does not allow."""
    allowed = CLIENT_ROOMS[path_room] | {path_room}
    return [name for name in targets if room(name, "clients") and room(name, "clients") not in allowed]


def forbidden_in_blender(path_room: str, targets: Iterable[str]) -> list[str]:
    """Return the imports of a room of blender/ that go up."""
    allowed = BLENDER_ROOMS[BLENDER_ROOMS.index(path_room) :]
    return [name for name in targets if room(name, "blender") and room(name, "blender") not in allowed]


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported_modules(path: Path) -> set[str]:
    """Return the own modules that a file imports: ``from .a import b`` is ``a.b`` if that is a module, else ``a``."""
    found = set()
    for name in _own_imports(path):
        module = name if name in MODULES else name.rpartition(".")[0]
        if module in MODULES and module != _module(path):
            found.add(module)
    return found


MODULES = {_module(path): path for path in SOURCES}
FOLDERS = [path for path in SOURCES if room(_module(path), "clients") in CLIENT_ROOMS]


@pytest.mark.parametrize("path", FOLDERS, ids=_id)
def test_rooms_of_clients_import_what_they_may(path: Path) -> None:
    assert forbidden_in_clients(room(_module(path), "clients"), _imported_modules(path)) == []


def test_every_folder_of_clients_has_a_row() -> None:
    # only folders with code: a checkout of an earlier layout keeps empty ones
    folders = {path.parent.name for path in (ROOT / "clients").glob("*/__init__.py")}
    assert folders == set(CLIENT_ROOMS)


def test_only_the_base_client_leads_from_core_to_http() -> None:
    leading = {
        _id(path)
        for path in FOLDERS
        if room(_module(path), "clients") == "core"
        and any(room(name, "clients") == "http" for name in _imported_modules(path))
    }
    assert leading == {"clients/core/client.py"}


@pytest.mark.parametrize("path", [path for path in SOURCES if room(_module(path), "blender")], ids=_id)
def test_rooms_of_blender_import_downwards(path: Path) -> None:
    assert forbidden_in_blender(room(_module(path), "blender"), _imported_modules(path)) == []


def test_an_import_into_a_forbidden_room_is_found() -> None:
    assert forbidden_in_clients("rvc", ["clients.wan2gp.client", "clients.core.job"]) == ["clients.wan2gp.client"]
    assert forbidden_in_blender("state", ["blender.pump.pump", "blender.platform.paths"]) == ["blender.pump.pump"]


def circles(imports: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """Return the circles of a graph of modules: sets in which each module reaches each other."""
    reachable = {module: _reachable(module, imports) for module in imports}
    found = []
    for module, reached in reachable.items():
        circle = {other for other in reached if module in reachable[other]}
        if len(circle) > 1 and circle not in found:
            found.append(circle)
    return found


def _reachable(start: str, imports: Mapping[str, Iterable[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(imports[start])
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting.extend(imports[module])
    return reached


def test_no_two_files_import_each_other() -> None:
    """Imports for type checkers and within functions count: a reader has to hold them in the head too."""
    assert circles({module: _imported_modules(path) for module, path in MODULES.items()}) == [CONTRACT_PAIR]


def test_a_circle_is_found() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": []}) == [{"a", "b", "c"}]
