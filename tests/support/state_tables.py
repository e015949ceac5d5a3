"""Reading the expected next states of a state machine from a matrix: one row an event, one column a state."""

from __future__ import annotations


def read_matrix(text, states, kinds):
    """Return {(state, kind): next state} of a matrix; ``.`` is the same state.

    Raises KeyError for a name that is no state or event, ValueError for a row with a cell too many or too few.
    """
    head, *rows = [line.split() for line in text.strip().splitlines()]
    found = {}
    for kind, *cells in rows:
        for column, cell in zip(head, cells, strict=True):
            found[states[column], kinds[kind]] = states[column if cell == "." else cell]
    return found
