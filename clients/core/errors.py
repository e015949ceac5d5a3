"""Every error a client can raise, in one tree.

    BackendError
        NetworkError: ConnectionFailed, ConnectionLost, NetworkTimeout, TLSError, StreamInterrupted
        APIError: AuthenticationError, PermissionDenied, NotFound, RateLimited, ServerError, Overloaded
        ValidationError
        MissingResource
        ProtocolError
        GenerationError: NodeError, OutOfMemory, ContextWindowExceeded, InvalidOutput
        JobLost, StorageError, OfflineRefused
        JobCancelled, JobDetached, JobNotFound, WaitTimeout (also a TimeoutError)

All of them survive pickling and copying, their ``__cause__`` included.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .model import Result


class BackendError(Exception):
    """An error of a backend or a job, in terms a film maker can act on.

    ``code`` is stable snake_case, ``message`` describes the problem, ``hint`` the user's remedy, ``backend``
    is the registry's name of the backend, ``context`` holds details without secrets, ``retryable`` says that the same
    request may succeed later, and ``partial`` is what had arrived.
    """

    default_code: ClassVar[str] = "backend_error"
    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        hint: str = "",
        backend: str | None = None,
        context: Mapping[str, Any] | None = None,
        retryable: bool | None = None,
        partial: Result | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.backend = backend
        self.context: dict[str, Any] = dict(context or {})
        self.retryable = self.default_retryable if retryable is None else retryable
        self.partial = partial

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, code={self.code!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(self.__dict__), _picklable(self.__cause__))

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON-ready data: type, code, message, hint, backend, context and retryable."""
        return {
            "type": type(self).__name__,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "backend": self.backend,
            "context": self.context,
            "retryable": self.retryable,
        }


def _rebuild(cls: type[BackendError], state: dict[str, Any], cause: BaseException | None) -> BackendError:
    error = cls.__new__(cls)
    error.args = (state["message"],)
    error.__dict__.update(state)
    error.__cause__ = cause
    return error


def _picklable(cause: BaseException | None) -> BaseException | None:
    """Return the cause if it can travel, else its text: an unpicklable cause must not make the whole error
    unpicklable.
    """
    try:
        pickle.loads(pickle.dumps(cause))  # noqa: S301 - our own bytes, made one call earlier
    except Exception as error:  # noqa: BLE001 - pickling calls foreign code
        return Exception(f"{type(cause).__name__}: {cause} (not picklable: {type(error).__name__})")
    return cause


class NetworkError(BackendError):
    """The way to the server or back failed. Codes of its own: ``network_error``, ``proxy``."""

    default_code = "network_error"
    default_retryable = True


class ConnectionFailed(NetworkError):
    """No connection could be made, so nothing was sent. Codes: ``refused``, ``dns_failed``, ``unreachable``."""

    default_code = "refused"


class ConnectionLost(NetworkError):
    """The connection ended in the middle of an exchange: the server may or may not have acted on the request.

    Codes: ``connection_lost``, ``interrupted`` (the client aborted the exchange).
    """

    default_code = "connection_lost"


class NetworkTimeout(NetworkError):
    """Silence for too long. Codes by phase: ``connect``, ``first_byte``, ``read``, ``stream_idle``, ``job_timeout``."""

    default_code = "read"


class TLSError(NetworkError):
    """The server's certificate or TLS set-up was refused. Codes: ``certificate``, ``tls``."""

    default_code = "tls"
    default_retryable = False


class StreamInterrupted(NetworkError):
    """A stream ended before its end mark; ``partial`` holds what had arrived."""

    default_code = "stream_interrupted"


class APIError(BackendError):
    """The server answered with an error status that has no class of its own."""

    default_code = "api_error"

    def __init__(self, message: str = "", *, status: int = 0, **details: Any) -> None:
        super().__init__(message, **details)
        self.status = status


class AuthenticationError(APIError):
    """The server needs a key, or another one (401)."""

    default_code = "authentication"


class PermissionDenied(APIError):
    """The key is known but may not do this (403)."""

    default_code = "permission_denied"


class NotFound(APIError):
    """The server has no such path or thing (404)."""

    default_code = "not_found"


class RateLimited(APIError):
    """Too many requests (429).

    ``retry_after_s`` is the pause in seconds that the server asks for, None if it names none.
    """

    default_code = "rate_limited"
    default_retryable = True

    def __init__(self, message: str = "", *, retry_after_s: float | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after_s = retry_after_s


class ServerError(APIError):
    """The server failed on its side (5xx)."""

    default_code = "server_error"
    default_retryable = True


class Overloaded(APIError):
    """The server is up but takes no more work now (503, or a full queue)."""

    default_code = "overloaded"
    default_retryable = True


class ValidationError(BackendError):
    """The request is wrong, found here or by the backend; ``problems`` keeps the backend's text for each field."""

    default_code = "invalid_request"

    def __init__(self, message: str = "", *, problems: Sequence[str] = (), **details: Any) -> None:
        super().__init__(message, **details)
        self.problems = tuple(problems)


class MissingResource(BackendError):
    """The server lacks a node, model or voice called ``name``; ``nearest`` are the names most like it."""

    default_code = "missing_resource"

    def __init__(
        self, message: str = "", *, kind: str = "", name: str = "", nearest: Sequence[str] = (), **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.kind = kind
        self.name = name
        self.nearest = tuple(nearest)


class ProtocolError(BackendError):
    """The answer is malformed, from another kind of server, or of a version not understood."""

    default_code = "protocol_error"


class GenerationError(BackendError):
    """The backend took the request, ran it, and failed."""

    default_code = "generation_failed"


class NodeError(GenerationError):
    """A ComfyUI node failed; ``node_id`` and ``node_type`` say which."""

    default_code = "node_failed"

    def __init__(self, message: str = "", *, node_id: str = "", node_type: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.node_id = node_id
        self.node_type = node_type


class OutOfMemory(GenerationError):
    """The server's GPU or main memory was too small for the request."""

    default_code = "out_of_memory"


class ContextWindowExceeded(GenerationError):
    """The conversation is longer than the model's window."""

    default_code = "context_window_exceeded"


class InvalidOutput(GenerationError):
    """The model's answer does not fit the schema; ``text`` is the answer, ``problems`` list its faults."""

    default_code = "invalid_output"

    def __init__(self, message: str = "", *, text: str = "", problems: Sequence[str] = (), **details: Any) -> None:
        super().__init__(message, **details)
        self.text = text
        self.problems = tuple(problems)


class JobLost(BackendError):
    """The backend no longer knows the job, or (code ``outcome_unknown``) its acceptance is unknown."""

    default_code = "job_lost"


class StorageError(BackendError):
    """A file can't be written or read. Codes: ``disk_full``, ``no_permission``, ``unsafe_name``, ``storage``."""

    default_code = "storage"


class OfflineRefused(BackendError):
    """Online access is off in Blender and the address is not this machine's own."""

    default_code = "offline"


class JobCancelled(BackendError):
    """The job was cancelled here."""

    default_code = "cancelled"


class JobDetached(BackendError):
    """This client let go of the job and left it running on the server; its record can be resumed."""

    default_code = "detached"
    default_retryable = True


class JobNotFound(BackendError):
    """This client knows no job of that id, or has forgotten it."""

    default_code = "job_not_found"


class WaitTimeout(BackendError, TimeoutError):
    """The wait was over before the job was; the job goes on."""

    default_code = "wait_timeout"
    default_retryable = True
