"""Which kind of RVC server answers at an address: asked with small GETs, Gradio's configuration first."""

from __future__ import annotations

from ..errors import ProtocolError
from ..transport.gradio.access import GradioAccess
from ..transport.gradio.config import read_config
from ..transport.gradio.signin import SignIn
from ..transport.session import HTTPSession, Scope
from .applio import applio_of
from .dialect import Dialect
from .exchange import Exchange
from .failures import not_rvc
from .rest import RVCPython
from .webui import webui_of

_OTHERS = ("not_gradio", "not_blocks")


def detect(http: HTTPSession, scope: Scope, sign_in: SignIn | None = None) -> Dialect:
    """Return the dialect of the server; ``ProtocolError`` (code ``not_rvc`` or ``web_page``) if it is none of ours."""
    access, exchange = GradioAccess(http, sign_in), Exchange(http, scope)
    try:
        config = read_config(access, scope=scope)
    except ProtocolError as error:
        if error.code not in _OTHERS:
            raise
    else:
        dialect: Dialect | None = applio_of(access, config, scope) or webui_of(access, config, exchange)
        if dialect is None:
            raise not_rvc(str(http.url))
        return dialect
    paths = exchange.routes()
    if {"/convert", "/models/{model_name}"} <= paths:
        return RVCPython(http, paths)
    raise not_rvc(str(http.url))
