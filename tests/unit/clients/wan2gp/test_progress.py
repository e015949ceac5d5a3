"""Status texts, and the share of the whole job."""

from __future__ import annotations

import pytest

from movie_director.clients.wan2gp.progress import Estimate, get_fraction, parse_phase


@pytest.mark.parametrize(
    ("text", "name", "done", "share", "eta"),
    [
        ("Denoising | 0.3s / 1.2s", "Denoising", 0.0, 1.0, pytest.approx(0.9)),
        ("Denoising | 0.0s", "Denoising", 0.0, 1.0, None),
        ("Prompt 2/2 - VAE Decoding", "VAE Decoding", 0.5, 0.5, None),
        ("Sample 2/4, Sliding Window 1/2 - Denoising First | 1m 5s / 1h 2m", "Denoising First", 0.25, 0.125, 3655.0),
        ("Sliding Window 5/4 - Denoising", "Denoising", 0.0, 1.0, None),
        ("Encoding Prompt", "Encoding Prompt", 0.0, 1.0, None),
        ("x | soon / later", "x", 0.0, 1.0, None),
        (f"x | 1s / {'9' * 400}h", "x", 0.0, 1.0, None),
        (f"x | 1s / {'9' * 5000}h", "x", 0.0, 1.0, None),
        (f"x | 1s / {'9' * 400}s", "x", 0.0, 1.0, None),
        ("", "", 0.0, 1.0, None),
    ],
)
def test_status_texts_are_read(text, name, done, share, eta):
    phase = parse_phase(text)
    assert (phase.name, phase.done, phase.share, phase.eta_s) == (name, done, share, eta)


def test_the_fraction_is_of_the_whole_job():
    def at(text, index=None, length=None):
        return get_fraction(parse_phase(text), index, length)

    course = [
        at("Sample 1/2 - Encoding Prompt"),
        at("Sample 1/2 - Denoising", 0, 10),
        at("Sample 1/2 - Denoising", 10, 10),
        at("Sample 1/2 - VAE Decoding"),
        at("Sample 2/2 - Denoising", 5, 10),
        at("Sample 2/2 - VAE Decoding", None, None),
        at("Sample 2/2 - Upsampling"),
    ]
    assert course == sorted(course)
    assert course[0] == 0.0
    assert 0.45 <= course[3] < 0.5
    assert course[-1] < 1.0
    assert at("Denoising", 50, 10) == at("Denoising", 10, 10)


def test_an_estimate_rises_and_never_says_done():
    now = [0.0]
    estimate = Estimate(100.0, lambda: now[0])
    seen = []
    for now[0] in (0.0, 10.0, 100.0, 1e6):
        seen.append(estimate.fraction())
    assert seen == sorted(seen)
    assert seen[0] == 0.0
    assert seen[-1] <= 0.9
