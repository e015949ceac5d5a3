"""Which part of the program may import which; read from the source, so that no import has to be tried."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ["ui", "cli", "operators", "blender", "runtime", "clients"]
BPY_MODULES = {"bpy", "bmesh", "mathutils", "gpu", "aud", "bl_ext", "addon_utils", "bpy_extras"}
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
