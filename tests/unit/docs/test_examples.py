"""The examples in the pages of the backends run, and print what the pages say."""

from __future__ import annotations

import re
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from movie_director.clients import RVCClient

PAGES = Path(__file__).resolve().parents[3] / "docs" / "backends"
# what each example of a page prints, as patterns
PRINTED = {
    "audioldm": [(r"heavy rain on a tin roof\.wav 7 -", r"duration: 7\.5 instead of 6\.0", "Progressed")],
    "comfyui": [
        (
            r"^Sampler 0\.\d+$",
            r"^7 \S+\.png$",
            r"^True \d+$",
            r"(output/movie_director/image_.*){3}",
            "seed seed 0 18446744073709551615 0",
            "^model choice None None ",
            r"^\[\]\n\[\]\n\Z",
        )
    ],
    "gradio-app": [
        (
            r"^/generate_music \['description', 'style'",
            "stage='Composing'",
            r"\n\.wav orchestral, 4 s, seed 42\n\Z",
        )
    ],
    "litellm": [(r"EXT\. PIER - DUSK 6\.0", "MARA")],
    "rvc": [
        ("rvc-python", r"line_demo-voice\.wav 48000", "spoken by rvc-server"),
        ("my-hero is trained", "====> Epoch: 4", "'my-hero'"),
    ],
    "wan2gp": [
        (
            r"a_paper_boat_on_a_rainy_street_42\.mp4 video/mp4 42",
            r"Wan2\.2 Image2video 14B 16\.0",
            "did you mean num_inference_steps",
        )
    ],
}
EXAMPLES = [(page, number) for page, examples in PRINTED.items() for number in range(len(examples))]


@pytest.mark.parametrize(("page", "number"), EXAMPLES)
def test_the_example_runs(page, number, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(RVCClient, "default_options", replace(RVCClient.default_options, output_dir=tmp_path / "out"))
    examples = re.findall(r"```python\n(.*?)```", (PAGES / f"{page}.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == len(PRINTED[page])
    (tmp_path / "example.py").write_text(examples[number], encoding="utf-8")
    runpy.run_path("example.py")
    printed = capsys.readouterr().out
    for pattern in PRINTED[page][number]:
        assert re.search(pattern, printed, re.MULTILINE), pattern
    assert page != "litellm" or (tmp_path / "chat.json").exists()
