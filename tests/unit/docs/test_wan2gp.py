"""The example in docs/backends/wan2gp.md runs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "backends" / "wan2gp.md"


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    runpy.run_path("example.py")
    printed = capsys.readouterr().out
    assert "a_paper_boat_on_a_rainy_street_42.mp4 video/mp4 42" in printed
    assert "Wan2.2 Image2video 14B 16.0" in printed
    assert "did you mean num_inference_steps" in printed
