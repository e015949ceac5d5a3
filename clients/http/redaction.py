"""Keeping keys out of everything that people or files get to see."""

from __future__ import annotations

import dataclasses
import html
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from ..core.errors import BackendError
from ..core.model import Artifact, Result

REDACTED = "[redacted]"
MOST_LEVELS = 20
"""What a server says of an error nests a few levels; what lies deeper is left out."""

Redact = Callable[[str], str]
ErrorT = TypeVar("ErrorT", bound=BackendError)
_SHORTEST = 6
"""Shorter values are words such as ``true``: replacing those would garble the text and hide nothing."""
_SCHEMES = frozenset({"bearer", "basic", "digest"})
_OUR_OWN = frozenset({"code", "backend"})
"""Texts of an error that no server has a part in."""

_MOST_CHARS = 1_000_000
"""A foreign exception that keeps more text than this is not searched but dropped."""


class Redactor:
    """Replaces the secrets it was given, wherever they stand in a text: as they are, or quoted as servers do."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets: list[str] = []
        self._lock = threading.Lock()
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Replace these from now on too."""
        forms = {form for secret in secrets for form in _forms(secret)}
        with self._lock:  # two jobs may sign in at once
            self._secrets = sorted({*self._secrets, *forms}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text


def _forms(secret: str) -> Iterator[str]:
    for part in (secret, *secret.split()):
        if len(part) >= _SHORTEST and part.lower() not in _SCHEMES:
            yield from (
                part,
                quote(part),
                quote(part, safe=""),
                html.escape(part),
                json.dumps(part)[1:-1],
                repr(part)[1:-1],
            )


def redact_json(data: Any, redact: Redact, levels: int = MOST_LEVELS) -> Any:
    """Return a copy of decoded JSON with every text in it redacted."""
    if isinstance(data, str):
        return redact(data)
    if not isinstance(data, (Mapping, list, tuple)):
        return data
    if not levels:
        return None
    if isinstance(data, Mapping):
        return {redact(str(key)): redact_json(value, redact, levels - 1) for key, value in data.items()}
    cleaned = [redact_json(each, redact, levels - 1) for each in data]
    return cleaned if isinstance(data, list) else tuple(cleaned)


def redact_error(error: ErrorT, redact: Redact, backend: str | None = None) -> ErrorT:
    """Take the secrets out of an error, in place, and return it; name the ``backend`` in it if one is given.

    Every text is redacted: the message, the hint, the context, the problems and names, and what had arrived
    (``partial``); so are the errors that caused it. A foreign exception among those that holds a secret is dropped.
    """
    if backend is not None:
        error.backend = backend
    _Cleaner(redact).clean(error)
    return error


class _Cleaner:
    """Cleans one error and all that hangs on it; remembers which exceptions it has seen, and which are to go."""

    def __init__(self, redact: Redact) -> None:
        self._redact = redact
        self._holds_secret: dict[int, bool] = {}

    def clean(self, error: BackendError) -> None:
        self._holds_secret[id(error)] = False
        for name, value in list(vars(error).items()):
            if name not in _OUR_OWN:
                setattr(error, name, self._cleaned(value))
        error.args = (error.message,)
        self._clean_links(error)

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, Result):
            return self._cleaned_result(value)
        return redact_json(value, self._redact)

    def _cleaned_result(self, result: Result) -> Result:
        for problem in result.problems:
            self._is_to_go(problem)
        return dataclasses.replace(
            result,
            artifacts=tuple(map(self._cleaned_artifact, result.artifacts)),
            **{name: self._cleaned(getattr(result, name)) for name in ("text", "data", "usage", "metadata")},
        )

    def _cleaned_artifact(self, artifact: Artifact) -> Artifact:
        return dataclasses.replace(artifact, source=self._redact(artifact.source))

    def _clean_links(self, error: BaseException) -> None:
        for name in ("__cause__", "__context__"):
            linked = getattr(error, name)
            if linked is not None and self._is_to_go(linked):
                setattr(error, name, None)

    def _is_to_go(self, error: BaseException) -> bool:
        """Clean an error of ours; return True for a foreign one that holds a secret, itself or in what it wraps."""
        known = self._holds_secret.get(id(error))
        if known is not None:
            return known
        if isinstance(error, BackendError):
            self.clean(error)
            return False
        self._holds_secret[id(error)] = False
        self._clean_links(error)
        wrapped = [each for each in (*error.args, getattr(error, "reason", None)) if isinstance(each, BaseException)]
        found = any(self._is_to_go(each) for each in wrapped) or self._shows_secret(error)
        self._holds_secret[id(error)] = found
        return found

    def _shows_secret(self, error: BaseException) -> bool:
        texts = (*error.args, *vars(error).values())
        if any(isinstance(each, (str, bytes)) and len(each) > _MOST_CHARS for each in texts):
            return True
        try:
            shown = f"{error!r} {error} {vars(error)!r}"
        except Exception:  # noqa: BLE001 - it is foreign code; what can't be searched goes
            return True
        return self._redact(shown) != shown
