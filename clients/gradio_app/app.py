"""Reads the app of a server, its configuration and its endpoints; reads the endpoints again only for a changed app.

Facts: each start of the app has a new random ``app_id``. ``gradio_client``'s ``view_api`` returns ``/info``.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import MissingResource, ProtocolError, ServerError
from ..core.request import nearest_names
from ..core.scope import Scope
from ..gradio.config import GradioConfig, check_config, read_info, request_config
from ..gradio.http import GradioHTTP
from .endpoints import Endpoint, parse_endpoints

OLDEST = 4
NEAREST = 5


@dataclass(frozen=True)
class App:
    """An app with at least one endpoint. ``raw_config`` and ``info`` are the server's unchanged responses."""

    config: GradioConfig
    raw_config: Mapping[str, Any] = field(repr=False)
    info: Mapping[str, Any] = field(repr=False)
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def can_cancel(self) -> bool:
        """True if the server has a route for cancels (from 4.29 on)."""
        numbers = [int(each) for each in self.config.version.split(".")[:2] if each.isdigit()]
        return numbers >= [4, 29]

    def find(self, name: str) -> Endpoint:
        """Return the endpoint of that name, with or without its slash; ``MissingResource`` if there is none."""
        wanted = f"/{name.strip().removeprefix('/')}"
        for each in self.endpoints:
            if each.name == wanted:
                return each
        names = [each.name for each in self.endpoints]
        near = nearest_names(wanted, names) or tuple(names[:NEAREST])
        raise MissingResource(
            f"The app {self.config.title} has no endpoint {wanted}.".replace("  ", " "),
            kind="endpoint",
            name=wanted,
            nearest=near,
            hint=f"It has {', '.join(near)}.",
        )


class AppReader:
    """Reads the app of one server. Thread-safe; keeps the last app read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._app: App | None = None

    def read(self, access: GradioHTTP, scope: Scope | None = None) -> App:
        """Request the app from the server, and sign in if the server requires a login.

        Raises the errors of ``gradio.config.request_config`` and ``check_config``, and ``ProtocolError`` with code
        ``gradio_version`` (a Gradio before 4), ``no_endpoint`` (no function has a name) or ``state_only`` (the named
        functions take and return nothing but State); ``ServerError`` with code ``no_description`` (``/info`` fails).
        """
        raw = request_config(access, scope=scope)
        config = check_config(access, raw)
        _check_generation(access, config)
        with self._lock:
            known = self._app
        if known is not None and config.app_id and known.config == config:
            return known
        info = _read_info(access, config, scope)
        app = App(config, raw, info, parse_endpoints(raw, info))
        _check_endpoints(access, app)
        with self._lock:
            self._app = app
        return app


def _read_info(access: GradioHTTP, config: GradioConfig, scope: Scope | None) -> Mapping[str, Any]:
    try:
        return read_info(access, config, scope=scope)
    except ServerError as error:
        error.code = "no_description"
        error.hint = (
            "The app can't describe its endpoints. Gradio 4 and early 5 do so with pydantic 2.11 and newer: "
            "update Gradio, or install pydantic 2.10 for it."
        )
        raise


def _check_generation(access: GradioHTTP, config: GradioConfig) -> None:
    if config.generation >= OLDEST and config.protocol.startswith("sse_v"):
        return
    raise access.http.clean(
        ProtocolError(
            f"{access.server} runs Gradio {config.version}; endpoints can be called only from version 4 on.",
            code="gradio_version",
            hint="Update the program or its Gradio. For the web apps of RVC and AudioLDM, use their own backends.",
        )
    )


def _check_endpoints(access: GradioHTTP, app: App) -> None:
    name = app.config.title or "The app"
    if not app.endpoints:
        raise access.http.clean(
            ProtocolError(
                f"{name} at {access.server} has no named endpoint: none of its functions can be called from outside.",
                code="no_endpoint",
                hint="In the app's source, give the function an api_name, and do not hide it; or use another program.",
            )
        )
    if not any(each.fields or each.outputs for each in app.endpoints):
        raise access.http.clean(
            ProtocolError(
                f"The endpoints of {name} at {access.server} work only on the state of its page: they take and "
                "return no values.",
                code="state_only",
                hint="The app can be used only in a browser, unless its author adds an endpoint that takes and "
                "returns values.",
            )
        )
