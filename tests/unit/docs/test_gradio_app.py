"""The page about any Gradio app: its codes are those of the package."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "backends" / "gradio-app.md").read_text(encoding="utf-8")


def test_the_codes_of_the_page_are_those_of_the_package():
    rows = re.findall(r"^\| (`[a-z_`, ]+) \|", PAGE.partition("## What the messages mean")[2], re.MULTILINE)
    named = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "clients/gradio_app").glob("*.py"))
    raised = set(re.findall(r'code ?= ?"([a-z_]+)"', source)) | {
        "outcome_unknown"
    }  # of the shared error for lost calls
    assert named == raised
