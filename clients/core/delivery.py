"""At most once: whether the server may have taken a request that ended in an error.

``DELIVERY`` is the one table. Every submit asks ``may_have_arrived`` before it sends a request again: the same request
twice would run twice. The first row that fits an error decides; where a reason needs to know how far the exchange had
come and the error does not say it, the request counts as taken.
"""

from __future__ import annotations

from typing import NamedTuple

from .errors import (
    APIError,
    BackendError,
    ConnectionFailed,
    ConnectionLost,
    GenerationError,
    JobLost,
    MissingResource,
    NetworkError,
    NetworkTimeout,
    OfflineRefused,
    Overloaded,
    ProtocolError,
    ServerError,
    TLSError,
    ValidationError,
)


class Delivery(NamedTuple):
    """One row: after an error of this class, with one of these codes (any code if there are none), the request may or
    can't ``have_arrived``, for this ``reason``. With ``told``, the row applies only to errors whose ``context`` has one
    of these values under that name.
    """

    error: type[BackendError]
    codes: tuple[str, ...]
    have_arrived: bool
    reason: str
    told: tuple[str, tuple[object, ...]] | None = None

    def fits(self, error: BackendError) -> bool:
        """Return True if the row applies to this error."""
        if not isinstance(error, self.error) or (self.codes and error.code not in self.codes):
            return False
        return self.told is None or error.context.get(self.told[0]) in self.told[1]


DELIVERY: tuple[Delivery, ...] = (
    # The way to the server
    Delivery(OfflineRefused, (), False, "Nothing is sent to other machines while online access is off."),
    Delivery(ConnectionFailed, (), False, "There was no connection to send anything over."),
    Delivery(NetworkTimeout, ("connect",), False, "The connection was not made in time: there was none to send over."),
    Delivery(NetworkTimeout, (), True, "A server that is slow to answer may be at work on the request."),
    Delivery(ConnectionLost, (), True, "The request may have been read whole before the connection ended."),
    Delivery(TLSError, ("certificate",), False, "The certificate is checked before anything is sent."),
    Delivery(TLSError, (), False, "The TLS handshake comes before anything is sent.", ("sent", (False,))),
    Delivery(TLSError, (), True, "TLS can also fail after the request was sent, while the answer is read."),
    Delivery(
        NetworkError, (), True, "A proxy may have passed it on: urllib3 1.26 calls any lost connection ``proxy``."
    ),
    # Answers that did not come from the server
    Delivery(ProtocolError, ("not_https",), False, "It showed in the handshake of TLS.", ("sent", (False,))),
    Delivery(
        ProtocolError,
        ("redirected",),
        False,
        "Who redirects a request with 307 or 308 leaves it to another address.",
        ("status", (307, 308)),
    ),
    Delivery(ProtocolError, ("redirected",), True, "A server may take a job and redirect to its page: 303, or 302."),
    Delivery(ProtocolError, ("redirects",), False, "Only requests that submit nothing are redirected on and on."),
    Delivery(ProtocolError, ("web_page",), False, "A login page before the server answered in its place."),
    # Answers from the server
    Delivery(ProtocolError, ("no_reason",), False, "A refusal without a reason (ComfyUI, status 400) is a refusal."),
    Delivery(ProtocolError, ("rpc_error",), False, "An MCP server answers so if it gives the call to no tool."),
    Delivery(ProtocolError, (), True, "A damaged answer follows a request that was read."),
    Delivery(Overloaded, ("queue_full",), False, "Gradio says so before it takes a call into its queue."),
    Delivery(Overloaded, (), True, "Proxies also answer 503 when they lose a server that has the request already."),
    Delivery(ServerError, (), True, "It may have failed after it took the request; a 502 or 504 comes from a proxy."),
    Delivery(APIError, (), False, "Any other error status, a 429 among them, is a refusal before anything was done."),
    Delivery(ValidationError, (), False, "The request was refused, here or by the server."),
    Delivery(MissingResource, (), False, "The request was refused for what the server lacks."),
    Delivery(GenerationError, (), True, "The server ran the request."),
    # The rest
    Delivery(BackendError, ("client_closed",), False, "A closed client sends nothing."),
    Delivery(BackendError, ("tool_failed",), False, "An MCP tool that fails has not taken the job."),
    Delivery(BackendError, (), True, "An error that is not in this table says nothing about the request."),
)


def may_have_arrived(error: BackendError, *, from_server: bool = False) -> bool:
    """Return True if the server may have accepted the request that ended in ``error``, and may work on it.

    ``from_server`` is True if the error status came with the server's own message and not from a proxy: the server has
    then ended the request, whatever the status.
    """
    if from_server and isinstance(error, APIError):
        return False
    return find_delivery(error).have_arrived


def find_delivery(error: BackendError) -> Delivery:
    """Return the first row of the table that applies to this error."""
    return next(row for row in DELIVERY if row.fits(error))


def outcome_unknown(message: str, hint: str, backend: str | None = None) -> JobLost:
    """Return the error of a job that may or may not have arrived, and that the server can't look up."""
    return JobLost(message, code="outcome_unknown", hint=hint, backend=backend)
