"""What the texts of RVC-WebUI's one-click training say: the stage, the epoch, the lines of the log, the end.

Facts: the main branch rewrites one text (title, status, stages done with a tick each, the stage at work, the last 40
lines of its log), in the language of the server. 2.2 lets one text grow, at the borders of its steps only. Epochs stand
in lines with ``====>``, also in other languages.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

STAGES = ("Slicing the samples", "Extracting pitch and features", "Training the model", "Making the index")
MODEL_STAGE = 2
_BEGINS = (0.0, 0.05, 0.15, 0.95, 1.0)
_TICK = re.compile(r"^✓", re.MULTILINE)
_EPOCH = re.compile(r"====>\D*(\d+)")
_OF = re.compile(r"(\d+)\s*/\s*(\d+)\s*$")
_STEP = re.compile(r"^step\s*(\d)", re.MULTILINE | re.IGNORECASE)
_STATUS = re.compile(r"^Status\s*[：:]\s*(.+)$", re.MULTILINE)


class Wording(enum.Enum):
    """Whose texts they are."""

    MAIN = "main"
    OF_2023 = "2.2"


@dataclass(frozen=True)
class View:
    """What one text says. ``stage`` counts from 0 and is that of the index when all is done; ``done`` is how many
    stages were ticked off, ``epoch`` the last that ended, 0 for none; ``status`` is empty in other languages.
    """

    status: str
    stage: int
    done: int
    epoch: int
    part: float
    log: tuple[str, ...]
    fresh: bool

    def fraction(self, epochs: int) -> float:
        """Return how far the training is, by the stages' usual share of the time."""
        part = min(1.0, self.epoch / epochs) if self.stage == MODEL_STAGE else self.part
        begins = _BEGINS[self.stage]
        return begins + (_BEGINS[self.stage + 1] - begins) * part


def read_text(text: str, wording: Wording) -> View:
    """Read one text."""
    return _of_main(text) if wording is Wording.MAIN else _of_2023(text)


def _of_main(text: str) -> View:
    sections = text.strip().split("\n\n")
    done = len(_TICK.findall(text))
    status = _STATUS.search(sections[0])
    stage_at = next((at for at, each in enumerate(sections) if at and "✓" not in each), 0)
    log = tuple("\n".join(sections[stage_at + 1 :]).splitlines()) if stage_at else ()
    return View(
        status=status[1].strip() if status else "",
        stage=min(done, len(STAGES) - 1),
        done=done,
        epoch=_last_epoch(log),
        part=_part_of(log),
        log=log,
        fresh=len(sections) == 1,
    )


def _of_2023(text: str) -> View:
    steps = [int(each) for each in _STEP.findall(text)]
    lines = tuple(line for line in text.splitlines() if line.strip())
    stage = min(max(steps, default=1), len(STAGES)) - 1
    return View("", stage, 0, _last_epoch(lines), 0.0, lines, fresh=len(lines) == 1)


def _last_epoch(lines: tuple[str, ...]) -> int:
    found = [int(match[1]) for match in map(_EPOCH.search, lines) if match]
    return found[-1] if found else 0


def _part_of(lines: tuple[str, ...]) -> float:
    match = _OF.search(lines[-1]) if lines else None
    if match is None or not int(match[2]):
        return 0.0
    return min(1.0, int(match[1]) / int(match[2]))


def new_lines(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    """Return the lines that have come since: a log shows only its last lines, so they may overlap by less than all."""
    for kept in range(min(len(before), len(now)), 0, -1):
        if before[-kept:] == now[:kept]:
            return now[kept:]
    return now
