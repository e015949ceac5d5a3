"""Parses the texts of RVC-WebUI's one-click training: stage, epoch, log lines and end.

Facts: the main branch rewrites one text (title, status, finished stages with a tick each, the current stage, the last
40 lines of its log), in the language of the server. 2.2 extends one text, only between its steps. Epochs are in lines
with ``====>``, in all languages.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

STAGES = ("Slicing the samples", "Extracting pitch and features", "Training the model", "Making the index")
MODEL_STAGE = 2
_BEGINS = (0.0, 0.05, 0.15, 0.95, 1.0)
_MOST_OVERLAP = 1000
"""Lines; the programs show some twenty."""

_TICK = re.compile(r"^✓", re.MULTILINE)
_EPOCH = re.compile(r"====>\D{0,40}(\d{1,9})")
_OF = re.compile(r"(\d{1,9})\s{0,9}/\s{0,9}(\d{1,9})\s*$")
_STEP = re.compile(r"^step\s*(\d)", re.MULTILINE | re.IGNORECASE)
_STATUS = re.compile(r"^Status\s*[：:]\s*(.+)$", re.MULTILINE)


class Wording(enum.Enum):
    """The generation that a text comes from."""

    MAIN = "main"
    OF_2023 = "2.2"


@dataclass(frozen=True)
class View:
    """One parsed text. ``stage`` counts from 0 and is the last one at the end; ``done`` is the number of finished
    stages, ``epoch`` the last finished one, 0 for none; ``status`` is empty in other languages.
    """

    status: str
    stage: int
    done: int
    epoch: int
    part: float
    log: tuple[str, ...]
    fresh: bool

    def fraction(self, epochs: int) -> float:
        """Return the progress of the training, from the usual share of each stage in the time."""
        part = min(1.0, self.epoch / epochs) if self.stage == MODEL_STAGE else self.part
        begins = _BEGINS[self.stage]
        return begins + (_BEGINS[self.stage + 1] - begins) * part


def parse_text(text: str, wording: Wording) -> View:
    """Parse one text."""
    return _parse_main(text) if wording is Wording.MAIN else _parse_2023(text)


def _parse_main(text: str) -> View:
    sections = text.strip().split("\n\n")
    done = len(_TICK.findall(text))
    status = _STATUS.search(sections[0])
    stage_at = next((at for at, each in enumerate(sections) if at and "✓" not in each), 0)
    log = tuple("\n".join(sections[stage_at + 1 :]).splitlines()) if stage_at else ()
    return View(
        status=status[1].strip() if status else "",
        stage=min(done, len(STAGES) - 1),
        done=done,
        epoch=_parse_last_epoch(log),
        part=_parse_part(log),
        log=log,
        fresh=len(sections) == 1,
    )


def _parse_2023(text: str) -> View:
    steps = [int(each) for each in _STEP.findall(text)]
    lines = tuple(line for line in text.splitlines() if line.strip())
    stage = min(max(steps, default=1), len(STAGES)) - 1
    return View("", stage, 0, _parse_last_epoch(lines), 0.0, lines, fresh=len(lines) == 1)


def _parse_last_epoch(lines: tuple[str, ...]) -> int:
    found = [int(match[1]) for match in map(_EPOCH.search, lines) if match]
    return found[-1] if found else 0


def _parse_part(lines: tuple[str, ...]) -> float:
    match = _OF.search(lines[-1]) if lines else None
    if match is None or not int(match[2]):
        return 0.0
    return min(1.0, int(match[1]) / int(match[2]))


def new_lines(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    """Return the new lines of a log that shows only its last lines, found by their overlap."""
    for kept in range(min(len(before), len(now), _MOST_OVERLAP), 0, -1):
        if before[-kept:] == now[:kept]:
            return now[kept:]
    return now
