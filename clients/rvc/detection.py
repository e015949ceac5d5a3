"""Detects the kind of RVC server at an address with small GETs, Gradio's configuration first."""

from __future__ import annotations

from ..core.errors import ProtocolError
from ..core.scope import Scope
from ..gradio.config import read_config
from ..gradio.http import GradioHTTP
from ..gradio.login import SignIn
from ..http.session import HTTPSession
from .applio import make_applio
from .dialect import Dialect
from .errors import not_rvc
from .http import RVCHTTP
from .rvc_python import RVCPython
from .webui.dialect import make_webui

_OTHERS = ("not_gradio", "not_blocks")


def detect(http: HTTPSession, scope: Scope, sign_in: SignIn | None = None) -> Dialect:
    """Return the dialect of the server; ``ProtocolError`` (code ``not_rvc`` or ``web_page``) for an unknown server."""
    access, exchange = GradioHTTP(http, sign_in), RVCHTTP(http, scope)
    try:
        config = read_config(access, scope=scope)
    except ProtocolError as error:
        if error.code not in _OTHERS:
            raise
    else:
        dialect: Dialect | None = make_applio(access, config, scope) or make_webui(access, config, exchange)
        if dialect is None:
            raise not_rvc(str(http.url))
        return dialect
    paths = exchange.routes()
    if {"/convert", "/models/{model_name}"} <= paths:
        return RVCPython(http, paths)
    raise not_rvc(str(http.url))
