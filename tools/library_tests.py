"""Which test modules reach a library: on other versions of the libraries only these can end otherwise.

A module reaches a library if an import in it, in a function or not, names one, or names a module of the product or of
tests/support that reaches one. Imports for the type checker do not count, and of a package only what makes the imported
name. Used by run_tests.py.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import checkout

ROOT = checkout.ROOT
LIBRARIES = {
    *("certifi", "fastjsonschema", "filelock", "gradio_client", "httpx", "requests", "responses", "urllib3"),
    *("websocket", "wsproto"),
    # what the libraries work on
    *("http", "socket", "socketserver", "ssl"),
    # what may import any of them
    *("importlib", "runpy"),
}


def without_libraries(folder: Path) -> list[Path]:
    """Return the test modules in a folder that reach no library."""
    return [path for path in sorted(folder.rglob("test_*.py")) if not reaches_library(path)]


def reaches_library(path: Path) -> bool:
    """Tell whether the module's imports lead to a library."""
    return bool(_reached(path) & LIBRARIES)


def _reached(path: Path) -> set[str]:
    """Return the top names of all that the module's imports lead to."""
    seen: set[tuple[Path, str]] = set()
    waiting = [(path, "")]
    tops = set()
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        file, wanted = here
        for name, bound in _imports(file):
            tops.add(name.partition(".")[0])
            # a name that a package makes in a function (``__getattr__``) counts with all that the package imports
            if not wanted or bound == wanted or wanted not in {each for _, each in _imports(file)}:
                waiting += _files(name)
    return tops


@cache
def _imports(path: Path) -> list[tuple[str, str]]:
    """Return the full dotted name of each thing that is imported, and the name it is bound to."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [pair for node in _run(tree) for pair in _names(node, path)]


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is run of a tree: not what stands under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _run(child)


def _names(node: ast.AST, path: Path) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        yield from ((each.name, each.asname or each.name) for each in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = [node.module] if node.module else []
        if node.level:
            module = ["movie_director", *path.relative_to(ROOT).with_suffix("").parts[: -node.level], *module]
        yield from ((".".join([*module, each.name]), each.asname or each.name) for each in node.names)


def _files(name: str) -> list[tuple[Path, str]]:
    """Return the file of the product or of the tests that a dotted name stands for, with what is wanted of it."""
    top, *parts = name.split(".")
    if top == "movie_director":
        base = ROOT
    elif (ROOT / "tests" / top).is_dir() or (ROOT / "tests" / f"{top}.py").is_file():
        base, parts = ROOT / "tests", [top, *parts]
    else:
        return []
    for count in (len(parts), len(parts) - 1):
        path, wanted = base.joinpath(*parts[:count]), "".join(parts[count:])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return [(file, wanted if file.name == "__init__.py" else "")]
    return []
