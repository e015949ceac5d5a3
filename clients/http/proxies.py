"""Which proxy, if any, the environment names for a server."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from urllib3.util import make_headers

from ..core.errors import NetworkError
from .url import ServerURL

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """A proxy; ``headers`` sign in to it."""

    scheme: str
    host: str
    port: int
    headers: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def proxy_for(url: ServerURL) -> Proxy | None:
    """Return the proxy that the environment names for this server, None for none; never one for this or a private
    network. ``NetworkError`` (code ``proxy``) for one that can't be used.
    """
    if url.is_private or urllib.request.proxy_bypass(url.authority):
        return None
    named = urllib.request.getproxies()
    text = named.get(url.scheme) or named.get("all") or ""
    return _parsed(text if "://" in text else f"http://{text}") if text else None


def _parsed(text: str) -> Proxy:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # its words could be a part of the password
        raise _unusable("its address is not valid") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _unusable(f"{parts.scheme}:// can't be used")
    headers = {}
    if parts.username:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = make_headers(proxy_basic_auth=login.encode().decode("latin-1"))  # which urllib3 makes bytes of: UTF-8
    return Proxy(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], headers)


def _unusable(reason: str) -> NetworkError:
    return NetworkError(
        f"The proxy in this machine's settings can't be used: {reason}.",
        code="proxy",
        hint="Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or put the server into NO_PROXY.",
    )
