"""The user name and password of a Gradio server, which users enter in the field for the key."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode


@dataclass(frozen=True)
class SignIn:
    """A user name and password; ``repr`` does not show the password."""

    user: str
    password: str = field(repr=False)

    def form(self) -> bytes:
        """Return them as a form body."""
        return urlencode({"username": self.user, "password": self.password}).encode()


def parse_sign_in(api_key: str | None) -> SignIn | None:
    """Parse a key of the form ``NAME:PASSWORD``; None for any other, which is a bearer token for a proxy.

    A client with such a key sends no ``Authorization`` header.
    """
    user, colon, password = (api_key or "").partition(":")
    return SignIn(user, password) if user and colon and password else None
