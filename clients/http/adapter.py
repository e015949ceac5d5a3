"""The ``requests.Session`` under our HTTP layer: its adapter sends over pools that another thread can interrupt.

Facts: requests 2.27 (Blender 4.2) finds a pool by ``get_connection`` and puts its TLS settings in by ``cert_verify``;
from 2.32 on it asks ``build_connection_pool_key_attributes``. With ``allow_redirects=False`` it still prepares the next
request of a redirect, for which it reads the whole body; ``get_redirect_target`` stops that.
"""

from __future__ import annotations

import ssl
import threading
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests  # noqa: TID251 - clients/http is where requests is used
from requests.adapters import HTTPAdapter  # noqa: TID251
from urllib3.util import Retry

from .interruptible_pool import POOL_CLASSES, Call, current_call

MAX_HOSTS = 16
"""Servers whose idle connections one session keeps."""


class InterruptibleAdapter(HTTPAdapter):
    """Sends each request as a ``Call``; ``tls`` are the settings of all secured connections, None if there are none."""

    def __init__(self, pool_size: int, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._lock = threading.Lock()
        super().__init__(MAX_HOSTS, pool_size, max_retries=Retry(False))  # False: raise what was raised

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the manager of the pools, which are ours."""
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOL_CLASSES

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        """Return the manager of a proxy's pools, made once."""
        with self._lock:
            manager = super().proxy_manager_for(proxy, ssl_context=self._tls, proxy_ssl_context=self._tls, **kwargs)
            manager.pool_classes_by_scheme = POOL_CLASSES
        return manager

    def proxy_headers(self, proxy: Any) -> dict[str, str]:
        """Return the headers that sign in to the proxy; they are not in its address, which gets into errors."""
        return current_call().proxy_headers

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Return which host to connect to, and no TLS settings: the manager has them."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        if ":" in host["host"]:
            host["host"] = f"[{host['host']}]"  # so that urllib3 looks for an IPv6 address, which may have a zone
        return host, {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the pool's TLS settings as they are."""

    def close(self) -> None:
        """Close the pools; urllib3 2 would only forget them, and whatever refers to one keeps its connections open."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in list(manager.pools.keys()):
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        super().close()

    def send(self, request: requests.PreparedRequest, *args: Any, call: Call, **kwargs: Any) -> requests.Response:  # type: ignore[override]  # with `call`
        """Send a request as ``call``, whose interrupter can break it off."""
        with call.under_way():
            return super().send(request, *args, **kwargs)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Say that there is none: ``HTTPSession`` decides about redirects."""


def make_session(pool_size: int, tls: ssl.SSLContext | None) -> requests.Session:
    """Return a session without cookies or settings of the environment; ``tls`` as in ``InterruptibleAdapter``."""
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    adapter = InterruptibleAdapter(pool_size, tls)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    return session


def make_request(method: str, url: str, headers: dict[str, str], body: Any) -> requests.PreparedRequest:
    """Return a request for exactly this address, header lines and body; requests' own preparing would rewrite them."""
    request = requests.PreparedRequest()
    request.method, request.url, request.body = method, url, body
    request.headers = requests.structures.CaseInsensitiveDict(headers)
    return request
