"""The example in docs/backends/comfyui.md runs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "backends" / "comfyui.md"


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    runpy.run_path("example.py")
    printed = capsys.readouterr().out.splitlines()
    assert any(re.fullmatch(r"Sampler 0\.\d+", line) for line in printed)
    assert any(re.fullmatch(r"7 \S+\.png", line) for line in printed)
    assert any(re.fullmatch(r"True \d+", line) for line in printed)
    assert printed[-3].count("output/movie_director/image_") == 3
    assert "seed seed 0 18446744073709551615 0" in printed
    assert any(line.startswith("model choice None None ") for line in printed)
    assert printed[-2:] == ["[]", "[]"]
