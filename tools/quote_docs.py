"""Quote code in docs/: a block of Python after ``<!-- quote: FILE NAMES -->`` is the code of these names in that file.

``tools/write_docs.py`` puts the code in, and ``tests/unit/docs/test_pages.py`` compares, so that no quotation gets out
of date. A method is named ``Class.method``; without names the whole file is quoted.
"""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

_QUOTATION = re.compile(r"<!-- quote: (\S+) ?([^\n]*?) ?-->\n(?:\n```python\n.*?```\n)?", re.DOTALL)


def quote(text: str, root: Path) -> str:
    """Return the text of a page with all its quotations as the files below ``root`` have them.

    Raises ``LookupError`` for a name that a file has not.
    """

    def block(match: re.Match[str]) -> str:
        source = (root / match[1]).read_text(encoding="utf-8")
        names = match[2].split()
        code = "\n\n\n".join(code_of(source, name) for name in names) if names else source.strip()
        return f"<!-- quote: {' '.join([match[1], *names])} -->\n\n```python\n{code}\n```\n"

    return _QUOTATION.sub(block, text)


def code_of(source: str, name: str) -> str:
    """Return the code of a function, a class, a method or a module's variable, moved to the left edge."""
    body = ast.parse(source).body
    for part in name.split("."):
        node = _find(body, part)
        body = getattr(node, "body", [])
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    lines = source.splitlines()[first - 1 : node.end_lineno]
    return textwrap.dedent("\n".join(lines))


def _find(body: list[ast.stmt], name: str) -> ast.stmt:
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if getattr(node, "name", None) == name or any(getattr(each, "id", None) == name for each in targets):
            return node
    raise LookupError(f"there is no {name} to quote")
