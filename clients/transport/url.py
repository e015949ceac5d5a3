"""The address of a server, as people type it and as the clients need it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ..errors import ValidationError

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_OTHER_SCHEME = re.compile(r"^(file|mailto|javascript|data):", re.IGNORECASE)
_HOST_LABELS = re.compile(r"^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?$")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SECURE_FORM = {"ws": "http", "wss": "https"}


@dataclass(frozen=True)
class ServerURL:
    """A server's base address: ``host`` without brackets, ``path`` a prefix without trailing slash (often empty)."""

    scheme: str
    host: str
    port: int
    path: str = ""
    query: str = ""

    @property
    def origin(self) -> str:
        """Scheme, host and, if not the scheme's own, port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the address is this machine's own."""
        if self.host.rstrip(".").lower() == "localhost" or self.host.lower().endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_private(self) -> bool:
        """Whether the address is this machine's or a private network's, as far as the name tells."""
        if self.is_loopback:
            return True
        try:
            return ipaddress.ip_address(self.host).is_private
        except ValueError:
            return "." not in self.host.rstrip(".") or self.host.lower().endswith(".local")

    def join(self, path: str) -> str:
        """Return the URL of ``path`` (which starts with a slash) below the prefix."""
        return f"{self.origin}{self.path}{path}{self._query_for(path)}"

    def websocket(self, path: str) -> str:
        """Return the websocket URL of ``path`` below the prefix."""
        return "ws" + self.join(path).removeprefix("http")

    def _query_for(self, path: str) -> str:
        if not self.query:
            return ""
        return ("&" if "?" in path else "?") + self.query

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


def parse_server_url(text: str) -> ServerURL:
    """Read an address as a user types it, forgivingly: scheme optional, ``0.0.0.0`` meant as this machine, slashes
    trimmed.

    Raises ``ValidationError`` with code ``invalid_url`` for what can't be a server: other schemes, no host, a bad
    port, a password in the address (it would end in logs; there is a field for keys).
    """
    if not isinstance(text, str) or not text.strip():
        raise _invalid(text, "it is empty")
    typed = text.strip()
    if any(ord(each) <= 32 or ord(each) == 127 for each in typed):
        raise _invalid(typed, "it has a space or control character in it")
    if _OTHER_SCHEME.match(typed):
        raise _invalid(typed, "only http:// and https:// addresses can be used")
    if not _SCHEME.match(typed):
        typed = f"http://{typed.lstrip('/')}"
    return _from_parts(typed)


def _from_parts(typed: str) -> ServerURL:
    try:
        parts = urlsplit(typed)
        port = parts.port
    except ValueError as error:
        raise _invalid(typed, str(error)[:1].lower() + str(error)[1:]) from error
    scheme = _SECURE_FORM.get(parts.scheme, parts.scheme)
    if scheme not in _DEFAULT_PORTS:
        raise _invalid(typed, "only http:// and https:// addresses can be used")
    if parts.username is not None or parts.password is not None:
        raise _invalid(parts.hostname or "", "a name or password must not stand in it; use the key or header fields")
    if port == 0:
        raise _invalid(typed, "port 0 is no port")
    host = _host(parts.hostname or "", typed)
    path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=-._~")
    return ServerURL(scheme, host, port or _DEFAULT_PORTS[scheme], path, parts.query)


def _host(host: str, typed: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - read, not bound: what a server prints when it listens everywhere
        return "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    if ":" in host:
        return host
    try:
        ascii_host = host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise _invalid(typed, "the host name is not valid") from error
    if not _HOST_LABELS.match(ascii_host):
        raise _invalid(typed, "the host name is missing or not valid")
    return ascii_host


def _invalid(text: object, reason: str) -> ValidationError:
    return ValidationError(
        f"{text!r} is not a server address: {reason}.",
        code="invalid_url",
        problems=(reason,),
        hint="Write it like http://127.0.0.1:8188 or https://example.org/comfy.",
    )
