"""The example in docs/backends/audioldm.md runs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "backends" / "audioldm.md"


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    runpy.run_path("example.py")
    printed = capsys.readouterr().out
    assert "heavy rain on a tin roof.wav 7 -" in printed
    assert "duration: 7.5 instead of 6.0" in printed
    assert "Progressed" in printed
