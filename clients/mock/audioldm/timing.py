"""The duration of the mock's generations, in steps."""

from __future__ import annotations

STEP_S = 0.2
STEPS, SLOW_STEPS, ENDLESS_STEPS = 5, 40, 100_000


def count_steps(prompt: str) -> int:
    """Return a sound's number of steps: few, more for ``slow`` prompts, no end of them for ``endless`` ones."""
    if "endless" in prompt:
        return ENDLESS_STEPS
    return SLOW_STEPS if "slow" in prompt else STEPS
