"""The user name and password of a Gradio server, which users write into the field for the key."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode


@dataclass(frozen=True)
class SignIn:
    """A user name and password; the password is in no ``repr``."""

    user: str
    password: str = field(repr=False)

    def form(self) -> bytes:
        """Return them as the body of a form."""
        return urlencode({"username": self.user, "password": self.password}).encode()


def sign_in_of(api_key: str | None) -> SignIn | None:
    """Read a key of the form ``NAME:PASSWORD``; None for any other, which is a bearer token for a proxy.

    A client whose key is one sends no ``Authorization`` header with it.
    """
    user, colon, password = (api_key or "").partition(":")
    return SignIn(user, password) if user and colon and password else None
