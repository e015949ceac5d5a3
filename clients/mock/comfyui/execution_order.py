"""The order in which the mock ComfyUI runs the nodes of a prompt."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from .object_info import NODE_CLASSES


def is_link(value: Any) -> bool:
    """Return True for an input that takes another node's output: ``[node id, slot]``."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


class ExecutionOrder:
    """The nodes that have yet to run. Among the ready ones, output nodes come first, then nodes that feed one.

    A link to a missing node raises ``KeyError``, as in the real server.
    """

    def __init__(self, prompt: dict[str, Any], wanted: list[str], cached: Container[str]) -> None:
        self._prompt = prompt
        self._needs = self._needed(wanted, cached)

    def take_ready(self) -> str | None:
        """Remove and return the next ready node; None if no node is ready."""
        ready = [node_id for node_id, sources in self._needs.items() if not sources]
        if not ready:
            return None
        chosen = min(ready, key=lambda node_id: (self._distance(node_id), ready.index(node_id)))
        del self._needs[chosen]
        return chosen

    def mark_done(self, node_id: str) -> None:
        """Mark a node as finished: the nodes behind it no longer wait for it."""
        for sources in self._needs.values():
            sources.discard(node_id)

    def _needed(self, wanted: list[str], cached: Container[str]) -> dict[str, set[str]]:
        needs: dict[str, set[str]] = {}
        stack = list(reversed(wanted))
        while stack:
            node_id = stack.pop()
            if node_id in needs:
                continue
            sources = {value[0] for value in self._prompt[node_id]["inputs"].values() if is_link(value)}
            open_sources = [source for source in sources if self._prompt[source] and source not in cached]
            needs[node_id] = set(open_sources) if node_id not in cached else set()
            if node_id not in cached:
                stack += sorted(open_sources)
        return needs

    def _distance(self, node_id: str) -> int:
        if self._is_output(node_id):
            return 0
        followers = [each for each, sources in self._needs.items() if node_id in sources]
        return 1 if any(self._is_output(each) for each in followers) else 2

    def _is_output(self, node_id: str) -> bool:
        return NODE_CLASSES[self._prompt[node_id]["class_type"]].is_output
