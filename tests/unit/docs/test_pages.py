"""The tables in docs/ that come from the code are what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import quote_docs
import write_docs

ROOT = Path(write_docs.__file__).resolve().parent.parent
PAGES = [
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")),
    "README.md",
    "CONTRIBUTING.md",
]


@pytest.mark.parametrize("page", write_docs.TABLES)
def test_the_table_is_the_code_s(page):
    assert (ROOT / page).read_text(encoding="utf-8") == write_docs.written(page), "run `python tools/write_docs.py`"
    assert "\n| " in write_docs.written(page)


@pytest.mark.parametrize("page", write_docs.QUOTING)
def test_the_quotations_are_the_code_s(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert text == write_docs.written(page), "run `python tools/write_docs.py`"
    assert text.count("```python") == text.count("<!-- quote: ") > 0


def test_a_quotation_is_put_right(tmp_path):
    (tmp_path / "code.py").write_text("X: int = 1\n\n\nclass A:\n    @property\n    def b(self):\n        return X\n")
    page = "Before.\n\n<!-- quote: code.py X A.b -->\n\n```python\nold\n```\n\nAfter.\n"
    right = page.replace("old", "X: int = 1\n\n\n@property\ndef b(self):\n    return X")
    assert quote_docs.quote(page, tmp_path) == right
    assert quote_docs.quote(page.replace("\n```python\nold\n```\n", ""), tmp_path) == right
    with pytest.raises(LookupError, match="no c to quote"):
        quote_docs.quote(page.replace("A.b", "A.c"), tmp_path)


@pytest.mark.parametrize("page", PAGES)
def test_links_and_named_files_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), target
    for name in re.findall(r"`((?:tests|tools|docs|clients|runtime)/[\w./]+\.(?:py|md|sh))`", text):
        assert (ROOT / name).exists() or "NAME" in name, name


def glossary_rows():
    """Return the rows of the glossary's tables: term, meaning, whose word, code."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| "]
    return [row for row in rows if row[0] not in ("term", "---")]


def test_the_glossary_has_each_term_once_with_meaning_and_source():
    rows = glossary_rows()
    terms = [row[0] for row in rows]
    assert len(terms) == len(set(terms)) > 60
    assert all(len(row) == 4 and row[1] and row[2] for row in rows)


def test_what_the_glossary_names_is_in_the_code():
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("clients", "runtime", "blender", "operators", "tests")
        for path in (ROOT / folder).rglob("*.py")
    )
    defined = set(re.findall(r"^(?:class |def |)([A-Za-z_]\w*)\b(?=[(:\s=])", sources, re.MULTILINE))
    named = [name for row in glossary_rows() for name in re.findall(r"`([^`]+)`", row[3])]
    assert len(named) > 60
    assert not [name for name in named if not ((ROOT / name).is_file() if "/" in name else name in defined)]
