"""Draw the state machines of the clients for docs/, out of the tables that they run on; ``write_docs`` puts them in."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any

Tables = Mapping[str, Mapping[Any, Mapping[Any, Any]]]
"""The tables of a machine's regions by their names."""


def comfyui_tables() -> Tables:
    """Return the tables of a ComfyUI run."""
    from movie_director.clients.comfyui.run import run_machine

    return {"run": run_machine.RUN_TABLE, "server": run_machine.SERVER_TABLE, "websocket": run_machine.SOCKET_TABLE}


def gradio_tables() -> Tables:
    """Return the table of the event stream of a Gradio session."""
    from movie_director.clients.gradio.stream_machine import STREAM_TABLE

    return {"stream": STREAM_TABLE}


def diagram(tables: Tables, region: str) -> str:
    """Return the drawing of one region: an edge for each pair of states, with the events that lead from one to the
    other. It begins with the first state.
    """
    table = tables[region]
    edges: dict[tuple[str, str], list[str]] = {}
    for state, row in table.items():
        for kind, outcome in row.items():
            if outcome.to not in (None, state):
                edges.setdefault((state.name, outcome.to.name), []).append(kind.name)
    lines = [f"    {start} --> {end}: {', '.join(kinds)}" for (start, end), kinds in edges.items()]
    first = next(iter(table)).name
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {first}", *lines, "```"])


def states_table(tables: Tables, region: str) -> str:
    """Return the states of one region with their meanings."""
    lines = [f"| {region} | meaning |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| `{state.name}` | {state.value} |" for state in tables[region])])


def events_table(tables: Tables) -> str:
    """Return all events with their meanings and their outcomes, region by region."""
    kinds = {kind for table in tables.values() for row in table.values() for kind in row}
    lines = ["| event | what has happened | outcome |", "| --- | --- | --- |"]
    lines += [f"| `{kind.name}` | {kind.value} | {_outcomes(tables, kind)} |" for kind in _in_order(kinds)]
    return "\n".join(lines)


def _in_order(kinds: Iterable[enum.Enum]) -> list[enum.Enum]:
    wanted = set(kinds)
    return [kind for kind in type(next(iter(wanted))) if kind in wanted]


def _outcomes(tables: Tables, kind: enum.Enum) -> str:
    """Return the outcomes of an event in words; states of a region with the same outcome stand together."""
    together: dict[tuple[str, str], list[str]] = {}
    for region, table in tables.items():
        for state, row in table.items():
            outcome = row.get(kind)
            if outcome is not None and (outcome.to is not None or outcome.do is not None):
                to = f" → {outcome.to.name}" if outcome.to is not None else ""
                together.setdefault((region, to + _action(outcome.do)), []).append(state.name)
    names = {region: f"{region}: " if len(tables) > 1 else "" for region in tables}
    return "<br>".join(f"{names[region]}{', '.join(states)}{rest}" for (region, rest), states in together.items())


def _action(do: Any) -> str:
    return "" if do is None else f" ({do.__name__.strip('_').replace('_', ' ')})"
