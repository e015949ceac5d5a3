"""The tables in docs/ that come from the code are what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import write_docs

ROOT = Path(write_docs.__file__).resolve().parent.parent
PAGES = [*sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")), "README.md"]


@pytest.mark.parametrize("page", write_docs.TABLES)
def test_the_table_is_the_code_s(page):
    assert (ROOT / page).read_text(encoding="utf-8") == write_docs.written(page), "run `python tools/write_docs.py`"
    assert "\n| " in write_docs.written(page)


@pytest.mark.parametrize("page", PAGES)
def test_links_and_named_files_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), target
    for name in re.findall(r"`((?:tests|tools|docs|clients|runtime)/[\w./]+\.(?:py|md|sh))`", text):
        assert (ROOT / name).exists() or "NAME" in name, name
