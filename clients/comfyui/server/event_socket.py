"""The client's one websocket: kept open by a thread of its own, its messages given to the jobs that they are about.

Facts: messages go to the socket whose client id came with the prompt. After a reconnect under the same id they go on,
but what came in between is lost: jobs are told, and ask. Of two sockets with one id the server forgets the newer when
the older one closes (its defect 16010): the old one is closed, and a pause made, before the new one is opened.
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
    """What is needed of an open websocket."""

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
    """Posted to the jobs: it is not, and why; ``was_up`` if it had been, else it could not be opened."""

    error: BackendError
    was_up: bool


Inbox = Callable[[Any], None]


class EventSocket:
    """One persistent websocket under one client id. Thread-safe; the thread starts with the first ``start``.

    While no job is subscribed a lost connection is left lost; a job that comes while it is lost has it opened soon.
    ``on_change`` is called, on that thread, when the websocket is lost and when it is open again: it may be another
    server process by then.
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
        """Whether the websocket is open now."""
        return self._socket is not None

    def start(self, client_id: str = "") -> bool:
        """Have the connection kept open from now on, under ``client_id`` if that can still be chosen; returns whether
        it goes under that id.
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
        """Have the prompt's frames, and ``Up`` and ``Down``, put into ``inbox`` while the block runs: ``Up`` at once
        if the websocket is open.
        """
        self.subscribe(prompt_id, inbox)
        try:
            yield
        finally:
            with self._changed:
                for known in [each for each, other in self._inboxes.items() if other == inbox]:
                    del self._inboxes[known]

    def subscribe(self, prompt_id: str, inbox: Inbox) -> None:
        """Add a prompt id to an inbox, which gets what has come for it since its ``posting`` began."""
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
        """Return whether a job of this client waits for the prompt's messages."""
        with self._changed:
            return prompt_id in self._inboxes

    @contextmanager
    def posting(self) -> Iterator[None]:
        """While the block runs, frames of unknown prompts are kept: one of them may be the prompt that is being sent,
        under an id that only the answer will say.
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
        """Close the websocket and open it again: the server sends nothing on it any more."""
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
        """Open the websocket and hand out its messages until it ends: why it did, and whether it had been good."""
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
                    self._hand_out(raw)
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
            self._tell(Up())
        if closed:
            socket.close()

    def _set_down(self, error: BackendError) -> None:
        was_up = self._socket is not None
        if was_up:
            self._on_change()
        with self._changed:
            self._socket, self._tried = None, True
            self._tell(Down(error, was_up))

    def _tell(self, news: Up | Down | Message) -> None:
        for inbox in set(self._inboxes.values()):
            inbox(news)

    def _pause(self, seconds: float) -> None:
        """Wait; a job that is new waits for the base pause only, which the server needs to see the old one gone."""
        base_s = self._timings.reconnect_base_s
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed, base_s):
                self._changed.wait_for(lambda: self._closed or self._wanted, max(0.0, seconds - base_s))

    def _hand_out(self, raw: str | bytes) -> None:
        frame = parse_frame(raw)
        if frame is None:
            return
        with self._changed:
            if isinstance(frame, Message):
                if frame.kind == "status":
                    self._tell(frame)
                    return
                self._note_running(frame)
            prompt_id = frame.prompt_id or self._running
            if not prompt_id and isinstance(frame, Message):
                # The bare `executing` of a reconnect in mid-job: whose it is, each job knows for itself.
                self._tell(frame)
                return
            inbox = self._inboxes.get(prompt_id)
            if inbox is not None:
                inbox(frame)
            elif prompt_id and self._open_posts and self._early_count < MAX_EARLY_FRAMES:
                self._early[prompt_id].append(frame)
                self._early_count += 1

    def _note_running(self, message: Message) -> None:
        """Remember whose messages come, for frames that do not say."""
        ended = message.kind in _END_KINDS or (message.kind == "executing" and message.data.get("node") is None)
        if ended and message.prompt_id == self._running:
            self._running = ""
        elif not ended and message.prompt_id and message.kind in _RUN_KINDS:
            self._running = message.prompt_id
