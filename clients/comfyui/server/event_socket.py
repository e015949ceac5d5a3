"""The client's one websocket: kept open by its own thread, its messages dispatched to their jobs.

Facts: messages go to the socket whose client id came with the prompt. After a reconnect under the same id they
continue, but messages in between are lost: jobs are notified, and poll. Of two sockets with one id the server forgets
the newer when the older one closes (its defect 16010): the old one is closed, and after a pause the new one is opened.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ...core.errors import AuthenticationError, BackendError, ConnectionLost, PermissionDenied
from .messages import FEATURE_FLAGS, Frame, Message, parse_frame
from .timings import Timings

_log = logging.getLogger(__name__)

MAX_EARLY_FRAMES = 1000
_END_KINDS = frozenset({"execution_success", "execution_error", "execution_interrupted"})
_RUN_KINDS = frozenset({"execution_start", "execution_cached", "executing", "progress", "progress_state", "executed"})


class Socket(Protocol):
    """The interface of an open websocket."""

    def receive(self) -> str | bytes | None:
        """Return the next message, None if the server has closed."""

    def send_text(self, text: str) -> None:
        """Send a text."""

    def close(self) -> None:
        """End the connection; also a ``receive`` on another thread."""


@dataclass(frozen=True)
class Up:
    """Posted to the jobs: the websocket is open."""


@dataclass(frozen=True)
class Down:
    """Posted to the jobs: the websocket is closed, with the error; ``was_up`` is False if it could not be opened."""

    error: BackendError
    was_up: bool


Inbox = Callable[[Any], None]


class EventSocket:
    """One persistent websocket under one client id. Thread-safe; the thread starts with the first ``start``.

    A lost connection stays closed while no job is subscribed; the next job has it opened soon. ``on_change`` is
    called, on that thread, when the websocket is lost and when it is open again: the server process may be another one
    by then.
    """

    def __init__(self, open_socket: Callable[[str], Socket], timings: Timings, on_change: Callable[[], None]) -> None:
        self.client_id = str(uuid.uuid4())
        self._open_socket = open_socket
        self._timings = timings
        self._on_change = on_change
        self._changed = threading.Condition()
        self._inboxes: dict[str, Inbox] = {}
        self._early: defaultdict[str, list[Frame]] = defaultdict(list)
        self._early_count = 0
        self._open_posts = 0
        self._running = ""
        self._socket: Socket | None = None
        self._tried = False
        self._wanted = False
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def live(self) -> bool:
        """True if the websocket is open."""
        return self._socket is not None

    def start(self, client_id: str = "") -> bool:
        """Keep the connection open from now on, under ``client_id`` if that can still be chosen; return True if it
        can.
        """
        with self._changed:
            if self._thread is None and not self._closed:
                self.client_id = client_id or self.client_id
                self._thread = threading.Thread(
                    target=self._keep_open, name="movie-director-comfyui-socket", daemon=True
                )
                self._thread.start()
            return client_id in ("", self.client_id)

    @contextmanager
    def subscribed(self, prompt_id: str, inbox: Inbox) -> Iterator[None]:
        """Put the prompt's frames, and ``Up`` and ``Down``, into ``inbox`` during the block: ``Up`` at once if the
        websocket is open.
        """
        self.subscribe(prompt_id, inbox)
        try:
            yield
        finally:
            with self._changed:
                for known in [each for each, other in self._inboxes.items() if other == inbox]:
                    del self._inboxes[known]

    def subscribe(self, prompt_id: str, inbox: Inbox) -> None:
        """Add a prompt id to an inbox, which gets its messages since ``posting`` began."""
        with self._changed:
            if inbox not in self._inboxes.values():
                self._wanted = True
                if self._socket is not None:
                    inbox(Up())
            self._inboxes[prompt_id] = inbox
            for frame in self._early.pop(prompt_id, ()):
                inbox(frame)
            self._changed.notify_all()

    def serves(self, prompt_id: str) -> bool:
        """Return True if a job of this client waits for the prompt's messages."""
        with self._changed:
            return prompt_id in self._inboxes

    @contextmanager
    def posting(self) -> Iterator[None]:
        """Keep the frames of unknown prompts during the block: one of them may be the prompt that is being sent, whose
        id is known only from the response.
        """
        with self._changed:
            self._open_posts += 1
        try:
            yield
        finally:
            with self._changed:
                self._open_posts -= 1
                if not self._open_posts:
                    self._early.clear()
                    self._early_count = 0

    def renew(self) -> None:
        """Close and reopen the websocket: the server no longer sends messages on it."""
        with self._changed:
            socket = self._socket
        if socket is not None:
            socket.close()

    def close(self, timeout_s: float) -> None:
        """End the connection and its thread, within ``timeout_s``."""
        with self._changed:
            self._closed = True
            socket, thread = self._socket, self._thread
            self._changed.notify_all()
        if socket is not None:
            socket.close()
        if thread is not None:
            thread.join(timeout_s)

    # On the connection's own thread

    def _keep_open(self) -> None:
        failures = 0
        while self._wait_until_wanted():
            error, served = self._serve()
            failures = 0 if served else failures + 1
            pause_s = self._timings.reconnect_pause_s(failures)
            if isinstance(error, (AuthenticationError, PermissionDenied)):
                pause_s = self._timings.reconnect_max_s
            self._pause(pause_s)

    def _wait_until_wanted(self) -> bool:
        with self._changed:
            while self._tried and not self._inboxes and not self._closed:
                self._changed.wait()
            return not self._closed

    def _serve(self) -> tuple[BackendError, bool]:
        """Open the websocket and dispatch its messages; return the error that ended it, and True if it was open."""
        served = False
        with self._changed:
            self._wanted = False
        try:
            socket = self._open_socket(self.client_id)
            try:
                socket.send_text(FEATURE_FLAGS)
                self._set_socket(socket)
                while (raw := socket.receive()) is not None:
                    served = True
                    self._dispatch(raw)
                error: BackendError = ConnectionLost("The server closed the websocket.")
            finally:
                socket.close()
        except BackendError as raised:
            error = raised
        except Exception as raised:  # noqa: BLE001 - the thread must outlive whatever a message does
            _log.exception("The websocket of ComfyUI failed unexpectedly")
            error = ConnectionLost(f"The websocket failed: {raised!r}.")
        self._set_down(error)
        return error, served

    def _set_socket(self, socket: Socket) -> None:
        if self._tried:
            self._on_change()
        with self._changed:
            self._socket, self._tried, self._running = socket, True, ""
            closed = self._closed
            self._notify(Up())
        if closed:
            socket.close()

    def _set_down(self, error: BackendError) -> None:
        was_up = self._socket is not None
        if was_up:
            self._on_change()
        with self._changed:
            self._socket, self._tried = None, True
            self._notify(Down(error, was_up))

    def _notify(self, event: Up | Down | Message) -> None:
        for inbox in set(self._inboxes.values()):
            inbox(event)

    def _pause(self, seconds: float) -> None:
        """Wait; a new job waits only for the base pause, in which the server notices the old connection's end."""
        base_s = self._timings.reconnect_base_s
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed, base_s):
                self._changed.wait_for(lambda: self._closed or self._wanted, max(0.0, seconds - base_s))

    def _dispatch(self, raw: str | bytes) -> None:
        frame = parse_frame(raw)
        if frame is None:
            return
        with self._changed:
            if isinstance(frame, Message):
                if frame.kind == "status":
                    self._notify(frame)
                    return
                self._note_running(frame)
            prompt_id = frame.prompt_id or self._running
            if not prompt_id and isinstance(frame, Message):
                # The bare `executing` of a reconnect in mid-job: each job knows if it is its own.
                self._notify(frame)
                return
            inbox = self._inboxes.get(prompt_id)
            if inbox is not None:
                inbox(frame)
            elif prompt_id and self._open_posts and self._early_count < MAX_EARLY_FRAMES:
                self._early[prompt_id].append(frame)
                self._early_count += 1

    def _note_running(self, message: Message) -> None:
        """Record the prompt of the current messages, for frames without a prompt id."""
        ended = message.kind in _END_KINDS or (message.kind == "executing" and message.data.get("node") is None)
        if ended and message.prompt_id == self._running:
            self._running = ""
        elif not ended and message.prompt_id and message.kind in _RUN_KINDS:
            self._running = message.prompt_id
