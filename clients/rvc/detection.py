"""Which kind of RVC server answers at an address: asked with small GETs, Gradio's configuration first."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import BackendError, ProtocolError
from ..transport.session import HTTPSession, Scope
from .dialect import Dialect
from .exchange import Exchange
from .failures import not_rvc
from .rest import RVCPython


def detect(http: HTTPSession, scope: Scope, patience_s: float | None = None) -> Dialect:
    """Return the dialect of the server; ``ProtocolError`` (code ``not_rvc`` or ``web_page``) if it is none of ours."""
    exchange = Exchange(http, scope, patience_s)
    page: ProtocolError | None = None
    try:
        config = exchange.get("/config")
        if config.status == 200 and isinstance(config.member("dependencies"), list):
            raise not_rvc(str(http.url))
    except ProtocolError as error:
        if error.code != "web_page":
            raise
        page = error
    paths = _paths(exchange)
    if {"/convert", "/models/{model_name}"} <= paths or ({"/models"} <= paths and _has_params(exchange)):
        return RVCPython(http, paths)
    raise page or not_rvc(str(http.url))


def _paths(exchange: Exchange) -> frozenset[str]:
    paths = exchange.get("/openapi.json").member("paths")
    return frozenset(str(each) for each in paths) if isinstance(paths, Mapping) else frozenset()


def _has_params(exchange: Exchange) -> bool:
    return isinstance(exchange.get("/params").member("f0method"), str)


def busy_error(error: BackendError) -> BackendError:
    """Say of a server that does not begin to answer that it may be at work: during a conversion it is mute."""
    error.hint = "It may be busy: RVC servers answer nothing while they convert. Ask again later."
    return error
