"""Named values for the endpoints of Gradio apps, kept for each app in a file of this user.

The file is read with the first use. One that can't be read counts as empty, and is not written over.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from ...clients.core.errors import StorageError
from ...clients.files.storage_errors import prepare_folder, storage_errors

_log = logging.getLogger(__name__)

Values = dict[str, Any]


class Presets:
    """The presets in one file: ``app`` and ``endpoint`` are names, as the app has them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._readable = True
        self._kept: dict[str, dict[str, dict[str, Values]]] = self._read()

    def names(self, app: str, endpoint: str) -> list[str]:
        """Return the names of an endpoint's presets, sorted."""
        return sorted(self._kept.get(app, {}).get(endpoint, {}), key=str.casefold)

    def get(self, app: str, endpoint: str, name: str) -> Values:
        """Return a preset's values; {} if there is none of that name."""
        return self._kept.get(app, {}).get(endpoint, {}).get(name, {})

    def save(self, app: str, endpoint: str, name: str, values: Values) -> None:
        """Keep values under a name, in place of those that it had; raises ``StorageError``."""
        self._kept.setdefault(app, {}).setdefault(endpoint, {})[name] = values
        self._write()

    def remove(self, app: str, endpoint: str, name: str) -> None:
        """Drop a preset, if it is there; raises ``StorageError``."""
        if self._kept.get(app, {}).get(endpoint, {}).pop(name, None) is not None:
            self._write()

    def _read(self) -> dict[str, Any]:
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            _log.warning("The presets in %s can't be read", self.path, exc_info=True)
            self._readable = False
            return {}
        return kept if isinstance(kept, dict) else {}

    def _write(self) -> None:
        if not self._readable:
            raise StorageError(
                f"The presets in {self.path} can't be read, so they are not written over.",
                code="unreadable",
                hint="Delete or rename that file.",
            )
        prepare_folder(self.path.parent)
        part = self.path.with_name(f".{self.path.name}.part")
        with storage_errors(self.path.parent):
            part.write_text(json.dumps(self._kept, indent=1, ensure_ascii=False), encoding="utf-8")
            part.replace(self.path)


_presets: Presets | None = None


def presets() -> Presets:
    """Return the presets of this user."""
    global _presets
    from .settings import own_folder

    path = own_folder("presets") / "gradio.json"
    if _presets is None or _presets.path != path:
        _presets = Presets(path)
    return _presets
