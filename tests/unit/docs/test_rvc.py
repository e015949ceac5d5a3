"""The examples in docs/backends/rvc.md run."""

from __future__ import annotations

import re
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from movie_director.clients import RVCClient

PAGE = Path(__file__).resolve().parents[3] / "docs" / "backends" / "rvc.md"
SAID = (
    ("rvc-python", "line_demo-voice.wav 48000", "spoken by rvc-server"),
    ("my-hero is trained", "====> Epoch: 4", "'my-hero'"),
)


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_run(number, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(RVCClient, "default_options", replace(RVCClient.default_options, output_dir=tmp_path / "out"))
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == len(SAID)
    (tmp_path / "example.py").write_text(examples[number], encoding="utf-8")
    runpy.run_path("example.py")
    printed = capsys.readouterr().out
    for text in SAID[number]:
        assert text in printed
