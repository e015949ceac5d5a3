"""Computes the progress of a run from the server's messages. Pure: no I/O, no threads; times come from the caller's
clock.

Facts: there are two styles of message. From 0.3.45 on ``progress_state`` lists all nodes that have begun; before, a
node is done at the next ``executing``. Cached nodes are listed once and take no time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...core.json_fields import as_list, as_number, as_object
from ..workflow.loading import is_link, title_of

HEAVY = 10.0
"""How much a sampler, or a node with steps of its own, counts beside a node without."""

ETA_FROM_FRACTION = 0.05
ETA_AFTER_S = 2.0


@dataclass(frozen=True)
class Snapshot:
    """The arguments of ``JobContext.progress``."""

    fraction: float
    step: int | None
    total_steps: int | None
    stage: str
    eta_s: float | None


@dataclass
class _Node:
    weight: float
    done: float = 0.0
    step: int | None = None
    total_steps: int | None = None


class ProgressTracker:
    """Computes the fraction of one run from its messages; it never falls."""

    def __init__(
        self,
        prompt: Mapping[str, Mapping[str, Any]],
        outputs: Iterable[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prompt = prompt
        self._clock = clock
        self._began: float | None = None
        self._nodes = {node_id: _Node(_get_weight(prompt[node_id])) for node_id in _reachable(prompt, outputs)}
        self._current: str | None = None
        self._has_states = False
        self._best = 0.0
        self._base = (0.0, 0.0)

    def take(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Handle a message; return True if it changed the progress."""
        if kind == "execution_cached":
            self._count_cached(data.get("nodes"))
        elif kind == "executing":
            self._executing(data)
        elif kind == "progress":
            self._progress(data)
        elif kind == "progress_state":
            self._states(data.get("nodes"))
        else:
            return False
        if self._began is None:
            self._began = self._clock()
        return True

    def snapshot(self) -> Snapshot:
        """Return the current progress."""
        total = sum(node.weight for node in self._nodes.values())
        done = sum(node.weight * node.done for node in self._nodes.values())
        self._best = self._fraction(min(done / total, 1.0) if total else float(bool(self._prompt)))
        node = self._nodes.get(self._current or "")
        return Snapshot(
            self._best,
            node.step if node else None,
            node.total_steps if node else None,
            title_of(self._prompt, self._current) if self._current else "",
            self._eta_s(),
        )

    def _fraction(self, share: float) -> float:
        """Return the fraction for the finished share of the known work.

        New work (steps of a node, nodes made in mid-run) lowers the share: the remaining work then counts for the rest
        of the bar, which so keeps moving and never goes back.
        """
        base, base_share = self._base
        rest = 1.0 - base_share
        fraction = base + (1.0 - base) * (share - base_share) / rest if rest > 0.0 else self._best
        if fraction < self._best:
            self._base = self._best, share
            return self._best
        return min(fraction, 1.0)

    def _count_cached(self, nodes: Any) -> None:
        for node_id in as_list(nodes):
            self._nodes.pop(str(node_id), None)

    def _executing(self, data: Mapping[str, Any]) -> None:
        before = self._nodes.get(self._current or "")
        self._current = self._visible(data.get("node"), data.get("display_node"))
        if self._current is not None:
            self._node(self._current)
        if before is not None and not self._has_states and before is not self._nodes.get(self._current or ""):
            before.done = 1.0

    def _progress(self, data: Mapping[str, Any]) -> None:
        node_id = self._visible(data.get("node"), None) or self._current
        if node_id is None:
            return
        self._current = self._current or node_id
        self._advance(self._node(node_id), data.get("value"), data.get("max"))

    def _states(self, states: Any) -> None:
        self._has_states = True
        children: dict[str, list[float]] = {}
        for key, state in as_object(states).items():
            if not isinstance(state, Mapping):
                continue
            node_id = self._visible(key, state.get("display_node_id")) or str(key)
            fraction = 1.0 if state.get("state") == "finished" else _ratio(state.get("value"), state.get("max"))
            if node_id == str(key):
                self._own_state(node_id, state, fraction)
            else:
                children.setdefault(node_id, []).append(fraction)
        for node_id, fractions in children.items():
            node = self._node(node_id)
            node.done = max(node.done, sum(fractions) / len(fractions))

    def _own_state(self, node_id: str, state: Mapping[str, Any], fraction: float) -> None:
        node = self._node(node_id)
        if state.get("state") == "finished":
            node.done = 1.0
        elif state.get("state") == "running":
            self._current = self._current or node_id
            if _number(state.get("max")) > 1:
                self._advance(node, state.get("value"), state.get("max"))

    def _advance(self, node: _Node, value: Any, most: Any) -> None:
        if _number(most) > 1:
            node.weight = max(node.weight, HEAVY)
            node.total_steps = int(_number(most))
            node.step = int(min(_number(value), node.total_steps))
        node.done = max(node.done, _ratio(value, most))

    def _node(self, node_id: str) -> _Node:
        """Return the node's entry; an unexpected node is added, because it runs."""
        if node_id not in self._nodes:
            self._nodes[node_id] = _Node(_get_weight(self._prompt.get(node_id, {})))
        return self._nodes[node_id]

    def _visible(self, node_id: Any, display: Any) -> str | None:
        """Return the id of the node in the user's workflow, which may stand for nodes made in mid-run."""
        shown = display if isinstance(display, str) and display else node_id
        if not isinstance(shown, (str, int)) or isinstance(shown, bool):
            return None
        text = str(shown)
        return text if text in self._prompt else text.partition(".")[0]

    def _eta_s(self) -> float | None:
        if self._began is None or self._best < ETA_FROM_FRACTION:
            return None
        elapsed_s = self._clock() - self._began
        return elapsed_s * (1.0 - self._best) / self._best if elapsed_s >= ETA_AFTER_S else None


def _reachable(prompt: Mapping[str, Mapping[str, Any]], outputs: Iterable[str] | None) -> list[str]:
    """Return the nodes for the outputs, in the prompt's order. Unknown outputs: the nodes that feed no other."""
    feeds = {node_id: _sources(node) for node_id, node in prompt.items()}
    fed = {source for sources in feeds.values() for source in sources}
    waiting = [node_id for node_id in prompt if node_id not in fed] if outputs is None else list(outputs)
    needed: set[str] = set()
    while waiting:
        node_id = waiting.pop()
        if node_id not in needed and node_id in prompt:
            needed.add(node_id)
            waiting += feeds[node_id]
    return [node_id for node_id in prompt if node_id in needed]


def _sources(node: Mapping[str, Any]) -> list[str]:
    return [value[0] for value in node["inputs"].values() if is_link(value)]


def _get_weight(node: Mapping[str, Any]) -> float:
    return HEAVY if "Sampler" in str(node.get("class_type", "")) else 1.0


def _number(value: Any) -> float:
    """Parse a server's number; invalid, negative and infinite ones count as 0."""
    return max(0.0, float(as_number(value) or 0.0))


def _ratio(value: Any, most: Any) -> float:
    limit = _number(most)
    return min(_number(value) / limit, 1.0) if limit else 0.0
