"""Checks that keep a mock server to this machine: no web page may drive it, and it calls no other host."""

from __future__ import annotations

import ipaddress
import urllib.parse
from collections.abc import Mapping


def is_loopback(host: str | None) -> bool:
    """Return True for ``localhost`` and for loopback addresses."""
    if not host or host.lower() == "localhost":
        return bool(host)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Return True for a request that a web page from elsewhere may have sent.

    A browser names the page's site in Origin, or sends ``cross-site`` in Sec-Fetch-Site. A Host other than this machine
    shows that the page resolved its own name to this machine (DNS rebinding).
    """
    host, origin = headers.get("Host"), headers.get("Origin")
    if host is not None and not is_loopback(_hostname(f"//{host}")):
        return True
    if origin is not None:
        return not is_loopback(_hostname(origin))
    return headers.get("Sec-Fetch-Site") == "cross-site"


def _hostname(url: str) -> str | None:
    try:
        return urllib.parse.urlsplit(url).hostname
    except ValueError:
        return None
