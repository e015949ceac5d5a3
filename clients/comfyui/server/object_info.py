"""Fetches and caches a server's node classes, class by class: the whole list has megabytes.

Fact: ``GET /object_info/CLASS`` returns ``{}`` for an unknown class. The choices of model inputs are those of the
moment; :meth:`DefinitionStore.renew` fetches them again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from ...core.errors import BackendError
from ...core.request import nearest_names
from ...core.scope import Scope
from ..validation_errors import missing_node
from .api import ComfyAPI

MOST_KEPT = 2000


class DefinitionStore:
    """The definitions of one server's node classes. Thread-safe."""

    def __init__(self, api: ComfyAPI) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._known: dict[str, Mapping[str, Any]] = {}

    def of(self, classes: Iterable[str], scope: Scope | None = None) -> dict[str, Mapping[str, Any]]:
        """Return the definitions of the classes that the server has; new ones are fetched."""
        found = {}
        for name in dict.fromkeys(classes):
            with self._lock:
                info = self._known.get(name)
            if info is None:
                info = self.renew(name, scope)
            if info is not None:
                found[name] = info
        return found

    def renew(self, name: str, scope: Scope | None = None) -> Mapping[str, Any] | None:
        """Fetch a class again and return its definition; None if the server does not have it."""
        info = self._api.object_info(name, scope).get(name)
        if not isinstance(info, Mapping):
            return None
        with self._lock:
            self._known.pop(name, None)
            self._known[name] = info
            while len(self._known) > MOST_KEPT:
                del self._known[next(iter(self._known))]
        return info

    def forget(self) -> None:
        """Drop the cache: the server may have other classes now."""
        with self._lock:
            self._known.clear()

    def missing(self, names: Iterable[str], scope: Scope | None = None) -> BackendError:
        """Return the error for classes that the server lacks, with names similar to the first of them.

        Similar names need the list of all classes: it is fetched now, and not kept.
        """
        first, *others = dict.fromkeys(names)
        try:
            known = list(self._api.object_info(scope=scope))
        except BackendError:
            if scope is not None:
                scope.check()
            known = []
        return missing_node(first, nearest_names(first, known), tuple(name for name in others if name not in known))
