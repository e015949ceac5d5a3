"""The states of a ComfyUI run, one enum for each region of ``RunMachine``; each value is the state's meaning."""

from __future__ import annotations

import enum


class RunState(enum.Enum):
    """The progress of the job."""

    CONNECTING = "waits for the websocket before it is sent, or monitored again"
    QUEUED = "the server has it and has not begun"
    UNHEARD = "the server answers that it runs, but no message of it has come"
    STARTED = "messages say that it has begun; no node runs yet"
    RUNNING = "nodes run"
    ENDING = "its last message has come; the history does not have it yet"
    COLLECTING = "the server answers that it has ended; its last messages may still be on their way"
    ENDED = "nothing more is expected"


class ServerState(enum.Enum):
    """The state of the server by the last look-up."""

    FOUND = "knew the job when it was last asked"
    UNSURE = "the websocket was lost since: the server may have been restarted"
    AWAY = "does not answer"
    MISSING = "did not know the job; it is asked once more"
    RESTARTED = "did not know the job after the contact was lost; it is asked once more"
    GONE = "has lost the job for good"


class SocketState(enum.Enum):
    """The state of the websocket, and whether messages of this run may have been missed."""

    CONNECTING = "not open yet; the prompt waits for it"
    READY = "open; the prompt is not sent yet"
    LATE = "was not open in time; the prompt was sent without it"
    REFUSED = "could not be opened; that was logged"
    OPEN = "open since before the prompt was sent: no message was missed"
    LOST = "lost; it is being opened again"
    RENEWING = "silent for too long; closed by the client, to be opened again"
    REOPENED = "open; messages may have been missed"
