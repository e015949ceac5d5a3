"""A session with a Gradio server of generation 4, 5 or 6: calls of its functions, over one event stream.

Facts: the server keeps State by the ``session_hash``, which the client chooses. A call is one POST to ``queue/join``;
its messages arrive over ``queue/data``, one stream for all calls of the session. ``trigger_id`` is the component whose
event has supposedly fired: a function that uses it takes another branch without.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

from ..core.delivery import may_have_arrived
from ..core.errors import BackendError, ProtocolError
from ..core.json_fields import as_text, get_member
from ..core.scope import Scope
from ..http.transport import Timeouts
from .any_session import AnySession, OnMessage, check_count
from .config import Dependency, GradioConfig
from .errors import REFUSALS, read_call_error
from .event_stream import EventStream
from .http import GradioHTTP
from .messages import Failed, Message
from .queue_call import GradioCall
from .run_endpoint import run_endpoint

IDLE_TIMEOUT_S = 300.0
"""Time-out of the stream, on which the server sends a heartbeat every 15 s: its event loop can stall for minutes
while a model loads, and giving up would cancel the running calls.
"""


class GradioSession(AnySession):
    """One ``session_hash``, its State and its stream; thread-safe, a context manager.

    A given ``session_hash`` is that of an earlier session, closed or of another process, unless ``lost`` is False:
    then it is new, and only chosen by the caller. The stream is read by a thread of its own, which runs only during
    calls, so that the end of a job does not drop it: a dropped stream cancels all calls of the session. ``close``
    drops it.

    Methods that block take their ``scope`` (a job, or a cancel): they raise the errors of its ``check``, at once when
    its interrupter fires. Raises ``ProtocolError`` (code ``gradio_version``) for unsupported generations or protocols.
    """

    def __init__(
        self,
        access: GradioHTTP,
        config: GradioConfig,
        session_hash: str | None = None,
        *,
        lost: bool | None = None,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
    ) -> None:
        _check_protocol(access, config)
        super().__init__(access, config, session_hash)
        resumed = session_hash is not None if lost is None else lost
        self._stream = EventStream(access, config, self.session_hash, idle_timeout_s=idle_timeout_s, resumed=resumed)
        self._cancelled: set[str] = set()
        self._lock = threading.Lock()

    # Calls

    def join(
        self,
        target: Dependency | str | int,
        data: Sequence[Any],
        *,
        scope: Scope,
        trigger_id: int | None = None,
        event_data: Any = None,
    ) -> GradioCall:
        """Send a call, at most once, and return it as soon as the server has accepted it.

        ``target`` is a function, its name or its id; ``data`` has one value for each of its inputs, None for State.
        Raises ``ValidationError`` for a wrong number of values or a rejected call, ``Overloaded`` (code
        ``queue_full``), and network errors. After ``ConnectionLost`` the server may still have the call.
        """
        dependency = self.dependency(target)
        check_count(dependency, data)
        payload = {**self._payload(dependency, data), "event_data": event_data}
        if trigger_id is not None:
            payload["trigger_id"] = trigger_id
        with self._stream.joining(scope):
            event_id = self._send(payload, dependency, scope)
            return self._stream.add(GradioCall(self.access, dependency, event_id, self._stream.changed))

    def call(
        self,
        target: Dependency | str | int,
        data: Sequence[Any],
        *,
        scope: Scope,
        trigger_id: int | None = None,
        on_message: OnMessage | None = None,
    ) -> list[Any]:
        """Call a function and return its final values (see ``GradioCall.result``); its messages go to
        ``on_message``.
        """
        call = self.join(target, data, scope=scope, trigger_id=trigger_id)
        for message in call.messages(scope):
            if on_message is not None:
                on_message(message)
        return call.result(scope)

    def iterate(self, target: Dependency | str | int, data: Sequence[Any], *, scope: Scope) -> Iterator[Message]:
        """Call a function and yield its messages; ``Failed`` is raised instead."""
        for message in self.join(target, data, scope=scope).messages(scope):
            if isinstance(message, Failed):
                raise message.error
            yield message

    def run(
        self, target: Dependency | str | int, data: Sequence[Any], *, scope: Scope, timeout_s: float | None = None
    ) -> list[Any]:
        """Call a short function without queue and stream, in one request; return its values.

        Errors are those of ``GradioCall.result``. After a lost response the function may have run.
        """
        dependency = self.dependency(target)
        check_count(dependency, data)
        connect_s = self.access.http.timeouts.connect_s
        timeouts = None if timeout_s is None else Timeouts(connect_s, timeout_s, timeout_s)
        return run_endpoint(self.access, self.config, dependency, data, self.session_hash, scope, timeouts).data

    def send(self, target: Dependency | str | int, data: Sequence[Any], *, scope: Scope) -> None:
        """Send a call whose messages nobody reads: no stream is opened for it."""
        dependency = self.dependency(target)
        check_count(dependency, data)
        self._send(self._payload(dependency, data), dependency, scope)

    def follow(self, *calls: GradioCall, scope: Scope) -> Iterator[tuple[GradioCall, Message]]:
        """Yield the messages of several calls as they arrive, until all of them have ended."""
        return self._stream.follow(calls, scope)

    def cancel(self, call: GradioCall, *, scope: Scope) -> bool:
        """Have the server cancel a call, once (repeats do nothing, unless the request could not be sent); return True
        if the server confirms it.

        The call then ends with ``Completed`` whose ``cancelled`` is true. A function that is not a generator still
        runs to its end, unseen: a program with its own cancel function needs that one called instead.
        """
        with self._lock:
            if call.ended or call.event_id in self._cancelled:
                return False
            self._cancelled.add(call.event_id)
        payload = {"session_hash": self.session_hash, "fn_index": call.dependency.id, "event_id": call.event_id}
        try:
            with self.access.post_json(self.config.path("/cancel"), payload, scope=scope) as response:
                answer = self.access.http.json_of(response)
        except BackendError as error:
            if not may_have_arrived(error):
                with self._lock:
                    self._cancelled.discard(call.event_id)
            raise
        return isinstance(answer, dict) and answer.get("success") is True

    # State and close

    @property
    def streaming(self) -> bool:
        """True if the stream is open or being opened."""
        return self._stream.open

    @property
    def silent_s(self) -> float:
        """For how many seconds the stream has brought nothing, not even a heartbeat (every 15 s); 0 without one."""
        return self._stream.silent_s

    def close(self, timeout_s: float = 2.0) -> None:
        """Drop the stream, which cancels the session's calls, and end its thread within ``timeout_s``."""
        self._stream.close(timeout_s)

    def _payload(self, dependency: Dependency, data: Sequence[Any]) -> dict[str, Any]:
        return {"data": list(data), "fn_index": dependency.id, "session_hash": self.session_hash, "event_data": None}

    def _send(self, payload: dict[str, Any], dependency: Dependency, scope: Scope) -> str:
        path = self.config.path("/queue/join")
        with self.access.post_json(path, payload, scope=scope, expect=REFUSALS) as response:
            if response.status >= 400:
                raise read_call_error(self.access, response, dependency.label)
            answer = self.access.http.json_of(response)
        event_id = as_text(get_member(answer, "event_id"))
        if not event_id:
            raise self.access.http.clean(
                ProtocolError(
                    f"{self.access.server} took the call of {dependency.label} but returned no id.",
                    code="no_event_id",
                    hint="Is this the address of the right server?",
                )
            )
        return event_id


def _check_protocol(access: GradioHTTP, config: GradioConfig) -> None:
    if config.generation >= 4 and config.protocol.startswith("sse_v"):
        return
    raise access.http.clean(
        ProtocolError(
            f"{access.server} runs Gradio {config.version} with the protocol "
            f"{config.protocol or 'of Gradio 3'}, which is not supported.",
            code="gradio_version",
            hint="Update the program on the server.",
        )
    )
