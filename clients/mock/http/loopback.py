"""Checks that a mock server talks to this machine only."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str | None) -> bool:
    """Return True for ``localhost`` and for loopback addresses."""
    if not host or host.lower() == "localhost":
        return bool(host)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
