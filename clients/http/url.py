"""The address of a server, as people type it and as the clients need it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import SplitResult, quote, urlsplit

from ..core.errors import ValidationError

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_SLASH_LOST = re.compile(r"^(https?|wss?):/?(?=[^/]|$)", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"^(file|mailto|javascript|data|ftp):", re.IGNORECASE)
_HOST_LABELS = re.compile(r"^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?$")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SECURE_FORM = {"ws": "http", "wss": "https"}
_INVISIBLE = r"[\s\u00ad\u200b-\u200f\u2060\ufeff]+"
"""What addresses that are copied from web pages and chats have around them."""
_AROUND = re.compile(f"^{_INVISIBLE}|{_INVISIBLE}$")
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound: what servers print that listen on all
_LOCAL_NAMES = (".local", ".localhost", ".lan", ".home.arpa", ".internal")
_SAFE_IN_PATH = "/%:@!$&'()*+,;=-._~"


@dataclass(frozen=True)
class ServerURL:
    """A server's base address: ``host`` without brackets, ``path`` a prefix without trailing slash (often empty).

    ``query`` goes with every request; it may hold a token, so it is in neither ``str`` nor ``repr``.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    query: str = field(default="", repr=False)

    @property
    def origin(self) -> str:
        """Scheme, host and, if not the scheme's own, port."""
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self._bracketed}{port}"

    @property
    def authority(self) -> str:
        """Host and port, the port always."""
        return f"{self._bracketed}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """True if the address is this machine's own."""
        name = self.host.rstrip(".").lower()
        address = _address(self.host)
        return address.is_loopback if address else name == "localhost" or name.endswith(".localhost")

    @property
    def is_private(self) -> bool:
        """True if the address is this machine's or a private network's, as far as the name shows."""
        name = self.host.rstrip(".").lower()
        address = _address(self.host)
        return not address.is_global if address else "." not in name or name.endswith(_LOCAL_NAMES)

    def join(self, path: str) -> str:
        """Return the URL of ``path`` (which starts with a slash) below the prefix."""
        query = f"{'&' if '?' in path else '?'}{self.query}" if self.query else ""
        return f"{self.origin}{self.path}{path}{query}"

    def websocket(self, path: str) -> str:
        """Return the websocket URL of ``path`` below the prefix."""
        return "ws" + self.join(path).removeprefix("http")

    @property
    def _bracketed(self) -> str:
        return f"[{self.host.replace('%', '%25')}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


def parse_server_url(text: str) -> ServerURL:
    """Read an address as a user types or pastes it, forgivingly: scheme optional, ``0.0.0.0`` meant as this machine,
    slashes and invisible characters around it trimmed.

    Raises ``ValidationError`` with code ``invalid_url`` for what can't be a server: other schemes, no host, a bad
    port, a password in the address (it would end in logs; there is a field for keys).
    """
    typed = _AROUND.sub("", text) if isinstance(text, str) else ""
    if not typed:
        raise _invalid(text, "it is empty")
    if any(ord(each) <= 32 or ord(each) == 127 for each in typed):
        raise _invalid(typed, "it contains a space or control character")
    if _OTHER_SCHEME.match(typed):
        raise _invalid(typed, "only http:// and https:// addresses can be used")
    if isinstance(_address(typed), ipaddress.IPv6Address):
        typed = f"[{typed}]"
    if not _SCHEME.match(typed):
        typed = _SLASH_LOST.sub(r"\1://", typed)
    if not _SCHEME.match(typed):
        typed = f"http://{typed.lstrip('/')}"
    return _from_parts(typed)


def _from_parts(typed: str) -> ServerURL:
    parts, port = _split(typed)
    if parts is None:
        raise _invalid(typed, "its host or port is not valid")
    scheme = _SECURE_FORM.get(parts.scheme, parts.scheme)
    if scheme not in _DEFAULT_PORTS:
        raise _invalid(typed, "only http:// and https:// addresses can be used")
    if "@" in parts.netloc:
        raise _invalid(typed, "it must not contain a name or password; use the key or header fields")
    if port == 0:
        raise _invalid(typed, "port 0 is not valid")
    path = quote(parts.path.rstrip("/"), safe=_SAFE_IN_PATH)
    query = quote(parts.query, safe=_SAFE_IN_PATH + "?")
    return ServerURL(scheme, _host(parts.hostname or "", typed), port or _DEFAULT_PORTS[scheme], path, query)


def _split(typed: str) -> tuple[SplitResult | None, int | None]:
    try:
        parts = urlsplit(typed)
        return parts, parts.port
    except ValueError:  # its words could be a part of a password
        return None, None


def _host(written: str, typed: str) -> str:
    host = written.replace("%25", "%") if ":" in written else written
    if ":" in host and _address(host) is None:
        raise _invalid(typed, "the IPv6 address is not valid")
    if host in _EVERYWHERE or ":" in host:
        return _EVERYWHERE.get(host, host)
    try:
        ascii_host = host.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_host = ""
    if not _HOST_LABELS.match(ascii_host) or ascii_host.isdigit():
        raise _invalid(typed, "the host name is missing or not valid")
    return ascii_host


@lru_cache(maxsize=64)
def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the host as an IP address, None if it is a name; IPv4 within IPv6 as IPv4."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _invalid(text: object, reason: str) -> ValidationError:
    shown = str(text)
    if "@" in shown:  # whatever stands before it may be a password, however mistyped the rest is
        shown = f"...@{shown.rpartition('@')[2]}"
    return ValidationError(
        f"{shown.partition('?')[0][:200]!r} is not a server address: {reason}.",
        code="invalid_url",
        problems=(reason,),
        hint="Write it like http://127.0.0.1:8188 or https://example.org/comfy.",
    )
