"""The page about Gradio: its example runs against the mock, and every code that it names is one that is raised."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.gradio_proto import VERSIONS, MockProto

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "gradio.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_example_runs(version, tmp_path, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    picture = tmp_path / "in.txt"
    picture.write_bytes(b"hello")
    with MockProto(version=version, speed=20.0) as mock:
        exec(code, {"url": mock.url, "picture": str(picture), "folder": str(tmp_path / "out")})
    printed = capsys.readouterr().out.split()
    assert printed[-2:] == ["Completed", "copy.txt"]


def test_the_codes_of_the_page_are_those_of_the_package():
    rows = re.findall(r"^\| (`[a-z_`, ()]+) \|", PAGE.partition("## Errors")[2].partition("## Why")[0], re.MULTILINE)
    named = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)} - {"kind", "function"}
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "clients/gradio").glob("*.py"))
    raised = set(re.findall(r'code="([a-z_]+)"', source)) | {"session_gone"}
    by_class = {"missing_resource", "generation_failed", "out_of_memory", "stream_interrupted"}
    assert named - by_class <= raised
    assert raised - named <= {"no_cookie", "no_event_id", "bad_answer", "bad_message", "bad_edit"}
