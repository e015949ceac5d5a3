"""The TLS settings of a transport."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi

from ..core.errors import ValidationError
from .interruptible_pool import TLSContext


def tls_context(verify: bool | Path, kind: type[ssl.SSLContext] = TLSContext) -> ssl.SSLContext:
    """Return settings that trust the system's and certifi's certificates, and those of the user's file; or anyone.

    ``kind`` is the class of the settings: ours, whose sockets other threads can end, or the standard library's.
    ``ValidationError`` (code ``invalid_certificate_file``) for a file that is none.
    """
    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context.load_default_certs()
    # who names a file trusts what is in it, be it an authority or the server's own certificate
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    bundle = certifi.where() if verify is True else str(verify)
    try:
        context.load_verify_locations(bundle)
    except (OSError, ValueError) as error:
        raise ValidationError(
            f"The certificate file {bundle} can't be read: {error}.",
            code="invalid_certificate_file",
            hint="Choose a file of certificates in PEM format.",
        ) from error
    return context
