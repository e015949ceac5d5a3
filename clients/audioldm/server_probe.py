"""Identifies a Cog server and its inputs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.errors import ConnectionFailed, ProtocolError
from ..core.json_fields import as_text, get_member, parse_version
from .cog.api import LOADING, Health, parse_health, setup_failed
from .cog.schema import UNDECLARED, parse_fields
from .input_mapping import PROMPT, index_by_role
from .server_profile import COG, COG_OLD, UNKNOWN_VERSION, Profile

if TYPE_CHECKING:
    from ..core.scope import Scope
    from ..http.session import HTTPSession

_ERRORS = range(400, 600)
_STATES_BEFORE_INPUTS = (0, 17)
"""From this version on a Cog server looks a run's id up before it checks the input."""


def fetch_cog_profile(http: HTTPSession, scope: Scope | None, *, first_byte_s: float) -> Profile | None:
    """Return the profile of a Cog server, None for another server; seconds at most, unless an older one is busy.

    Raises the typed errors of the requests, and ``setup_failed`` for a model that failed to load.
    """
    asking = ServerProbe(http, scope, first_byte_s)
    started = time.monotonic()
    try:
        health = parse_health(asking.json("/health-check"), http.redact)
    except ConnectionFailed as error:
        if error.code == "refused":
            error.hint = "Start AudioLDM2 (python app.py, port 7860) or a Cog container of a sound model (port 5000)."
        raise
    latency_s = time.monotonic() - started
    if health is not None:
        return asking.cog(health, latency_s)
    return None


class ServerProbe:
    """One round of requests to identify a server."""

    def __init__(self, http: HTTPSession, scope: Scope | None, first_byte_s: float) -> None:
        from ..http.transport import Timeouts

        self._http = http
        self._scope = scope
        limits = http.timeouts
        self._timeouts = Timeouts(limits.connect_s, min(first_byte_s, limits.first_byte_s), limits.read_s)

    def json(self, path: str) -> Any:
        """Return the JSON of a small response, None for an error status or other content; raises authentication
        errors.
        """
        with self._http.request(
            "GET", path, scope=self._scope, expect=_ERRORS, repeatable=False, timeouts=self._timeouts
        ) as response:
            if response.status in (401, 403):
                raise self._http.error_of(response)
            try:
                return self._http.json_of(response) if response.status < 400 else None
            except ProtocolError:
                return None

    def cog(self, health: Health, latency_s: float) -> Profile:
        if health.broken:
            raise setup_failed(health)
        index = self.json("/")
        version = as_text(get_member(index, "cog_version"), UNKNOWN_VERSION)
        dialect = COG if version != UNKNOWN_VERSION else COG_OLD
        details = {"status": health.status}
        if health.status in LOADING:
            return Profile(dialect, version, latency_s=latency_s, details=details)
        document = self.json("/openapi.json")
        declared = isinstance(document, Mapping) and "components" in document
        fields = parse_fields(document) if declared else UNDECLARED
        prompt = index_by_role(fields)[PROMPT]
        observable = dialect == COG and prompt.required and parse_version(version)[:2] >= _STATES_BEFORE_INPUTS
        return Profile(dialect, version, fields, declared, observable, latency_s, details)
