"""State machines as tables: the outcome of each event in each state, for the machine, its tests and its drawing alike.

A machine may have several regions, each with an enum of states and a table of its own; an event goes to every region
whose table has it. Pure: no I/O, no threads.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Action = Callable[[Any, Any], None]
"""A method of the machine, called with the event."""


@dataclass(frozen=True)
class Outcome:
    """The effect of an event in a state: enter ``to`` (None: stay), then call ``do``."""

    to: Any = None
    do: Action | None = None


State = TypeVar("State", bound=enum.Enum)
Row = dict[enum.Enum, Outcome]
Table = Mapping[State, Row]


def go(to: enum.Enum, do: Action | None = None) -> Outcome:
    """Return the outcome that enters another state."""
    return Outcome(to, do)


def stay(do: Action) -> Outcome:
    """Return the outcome that stays in the state."""
    return Outcome(None, do)


def each(kinds: Iterable[enum.Enum], outcome: Outcome) -> Row:
    """Return the part of a row for several kinds of events with one outcome."""
    return dict.fromkeys(kinds, outcome)


def ignore(*kinds: enum.Enum) -> Row:
    """Return the part of a row for the events that have no effect."""
    return each(kinds, Outcome())


class Region(Generic[State]):
    """One region of a machine: its table and the state that it is in."""

    def __init__(self, table: Table[State], state: State) -> None:
        self.state = state
        self._table = table

    def takes(self, kind: enum.Enum) -> bool:
        """Return whether the table has this kind of event."""
        return kind in self._table[self.state]

    def on(self, machine: Any, kind: enum.Enum, event: Any) -> None:
        """Let the event have its outcome: enter the next state, then call the machine's method."""
        outcome = self._table[self.state][kind]
        if outcome.to is not None:
            self.state = outcome.to
        if outcome.do is not None:
            outcome.do(machine, event)
