"""Faults that a mock backend commits on request.

A ``Fault`` names what goes wrong, on which request, message or node, and how often. The table ``FAULT_KINDS``
is the documentation of every kind; ``docs/`` is generated from it. A ``FaultBook`` belongs to one mock server and
is safe to use from any thread.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

HTTP_REFUSE = "http-refuse"
HTTP_SPOIL = "http-spoil"
SOCKET = "socket"
ENGINE = "engine"
ANSWER = "answer"
SOUND = "sound"
GRADIO = "gradio"
WANGP = "wangp"


@dataclass(frozen=True)
class FaultKind:
    """One kind of fault: its effect, its place, and the meaning of ``Fault.on`` and ``Fault.value``."""

    point: str
    text: str


FAULT_KINDS: dict[str, FaultKind] = {
    # Any backend. `on` is a path ("/prompt"), a path with a method ("POST /prompt") or a glob ("/api/*"); a path also
    # matches all paths below. The request is read whole and logged, but not carried out.
    "status": FaultKind(
        HTTP_REFUSE, "answers with the status in `value` (`status:503`); `retry_after` adds the header"
    ),
    "reset": FaultKind(HTTP_REFUSE, "resets the TCP connection (RST) instead of answering"),
    "close_before_answer": FaultKind(HTTP_REFUSE, "closes the connection in the normal way, without an answer"),
    "stall": FaultKind(HTTP_REFUSE, "reads the request and sends nothing until the client or the server gives up"),
    "html_login_page": FaultKind(HTTP_REFUSE, "answers 200 with the HTML of a login page, as a proxy does"),
    "redirect": FaultKind(HTTP_REFUSE, "answers 302 to the URL in `value` (default: another origin)"),
    "huge_body": FaultKind(HTTP_REFUSE, "200 with `value` bytes (default 1 GiB) of JSON that is never closed"),
    # Any backend. The request is carried out; the answer is damaged.
    "lost_answer": FaultKind(HTTP_SPOIL, "carries the request out, then resets the connection before the answer"),
    "cut_body": FaultKind(HTTP_SPOIL, "sends the headers and half of the body, then closes"),
    "slow_body": FaultKind(HTTP_SPOIL, "sends the body in ten pieces, `value` seconds apart (default 0.1)"),
    "bad_json": FaultKind(HTTP_SPOIL, "answers with JSON cut in the middle under a matching Content-Length"),
    "wrong_length": FaultKind(
        HTTP_SPOIL, "declares a Content-Length that is `value` bytes too long (default 10), then closes"
    ),
    # ComfyUI websocket. `on` is a message type ("progress", "executed", "preview" ...); none: any message.
    "ws_drop": FaultKind(SOCKET, "closes the websocket with a close frame (code `value`, default 1001)"),
    "ws_cut": FaultKind(SOCKET, "cuts the TCP connection of the websocket without a close frame"),
    "ws_deaf": FaultKind(SOCKET, "keeps the websocket open, answers pings, never sends a message again"),
    "ws_refuse": FaultKind(SOCKET, "refuses the websocket handshake with the status in `value` (`ws_refuse:403`)"),
    "foreign_messages": FaultKind(SOCKET, "sends noise first: other prompts, unknown types and frames, odd data"),
    "huge_message": FaultKind(SOCKET, "sends a text of a custom node first, of `value` MiB (default 8)"),
    # ComfyUI files.
    "view_404": FaultKind(HTTP_REFUSE, "GET /view answers 404 with an empty body"),
    "view_truncated": FaultKind(HTTP_SPOIL, "GET /view sends half of the file and closes"),
    # ComfyUI execution. `on` is a node class, a node id or a glob of either.
    "oom": FaultKind(ENGINE, "execution_error with torch.OutOfMemoryError at the node (default: a sampler)"),
    "node_error": FaultKind(ENGINE, "execution_error with a ValueError at the node (text in `value`)"),
    "vanish": FaultKind(
        ENGINE,
        "at that node or message type the server 'restarts': queue, history, cache and temporary"
        " files gone, sockets cut, HTTP refused for `value` seconds (default 0)",
    ),
    "worker_dead": FaultKind(ENGINE, "the next prompt kills the worker thread: HTTP is still served, but nothing runs"),
    "ignore_interrupt": FaultKind(ENGINE, "an interrupt or a cancel is answered as usual and has no effect"),
    "slow_node": FaultKind(ENGINE, "the node waits `value` seconds (default 1) before it is named as executing"),
    "slow_preview": FaultKind(ENGINE, "the node's next preview takes `value` seconds (default 0.5) to make"),
    "minted_id": FaultKind(ENGINE, "the prompt gets an id of the server's own, as in the oldest release"),
    "lost_history": FaultKind(ENGINE, "the history is emptied when the job is in it, before its last message"),
    "slow_history": FaultKind(ENGINE, "the history is written `value` seconds (default 0.5) after the end message"),
    # Gradio apps (WanGP's web UI, Applio). `on` is a function's name or a message's type ("progress"); none: any.
    "queue_full": FaultKind(GRADIO, "503 on joining the queue: it has `value` events (default 1), as many as it may"),
    "function_error": FaultKind(GRADIO, "the function fails: with the text in `value`, or without a text"),
    "sse_cut": FaultKind(GRADIO, "resets the event stream at that message, and treats that as the client's leaving"),
    "sse_silent": FaultKind(GRADIO, "sends nothing more on the event stream, not even heartbeats"),
    "sse_noise": FaultKind(GRADIO, "sends a comment, an unknown message and a nameless event before that message"),
    "sse_bad_json": FaultKind(GRADIO, "sends cut JSON in the place of that message"),
    "session_lost": FaultKind(GRADIO, "the event stream says that the server does not know the session any more"),
    # WanGP. `on` is a model's id, a glob or the prompt; none: any.
    "out_of_memory": FaultKind(WANGP, "the generation ends with 'CUDA out of memory ...' (text in `value`)"),
    "model_file_missing": FaultKind(WANGP, "the generation ends because a file of the model could not be downloaded"),
    "generation_fails": FaultKind(WANGP, "the generation ends with the text in `value`; the queue is emptied"),
    "load_refused": FaultKind(WANGP, "the queue file is refused with a warning: 'Failed to load queue: `value`'"),
    "load_ignored": FaultKind(WANGP, "the queue file is ignored: null, and no message, as without `trigger_id`"),
    "slow_load": FaultKind(WANGP, "the model takes `value` seconds (default 5) to load"),
    "late_abort": FaultKind(WANGP, "an abort takes effect only `value` seconds (default 3) after the next step"),
    "no_output": FaultKind(WANGP, "the generation succeeds without an output file"),
    "status_slot_taken": FaultKind(WANGP, "another session has the only place of the status function, and keeps it"),
    "restart": FaultKind(WANGP, "the program crashes in the middle of the task, and is back after a second"),
    "not_wangp": FaultKind(WANGP, "/config is that of another Gradio program"),
    "no_chain": FaultKind(WANGP, "/config lacks the function that loads queue files, as versions before 4 do"),
    "mcp_busy": FaultKind(WANGP, "the MCP server refuses a job, as if another one ran"),
    # LiteLLM and similar servers. `on` is a model's name or a glob; none: any. First: errors before the answer.
    "wrong_key": FaultKind(ANSWER, "400 'No connected db.', LiteLLM's answer to a wrong key where it has no database"),
    "unknown_model": FaultKind(ANSWER, "400 'There are no healthy deployments for this model'"),
    "upstream_404": FaultKind(ANSWER, "404 'not found, try pulling it first', as Ollama says of a model it lacks"),
    "upstream_key": FaultKind(ANSWER, "401 of the provider behind LiteLLM: its key is wrong, not the client's"),
    "rate_limit": FaultKind(ANSWER, "429; the wait is `value` seconds (default 1) in `llm_provider-retry-after`"),
    "context_overflow": FaultKind(
        ANSWER, "400 whose message alone names the cause: a window of `value` tokens (default 4096)"
    ),
    "content_policy": FaultKind(ANSWER, "400 with ContentPolicyViolationError"),
    "upstream_timeout": FaultKind(ANSWER, "408 after LiteLLM's time limit for the model"),
    "upstream_500": FaultKind(ANSWER, "500 of the provider"),
    "upstream_html": FaultKind(ANSWER, "502 with a proxy's HTML page pasted into the message"),
    "loading": FaultKind(ANSWER, "503 while the model is loading"),
    "upstream_down": FaultKind(ANSWER, "500 'Connection error.': nothing runs the model"),
    # Then: faults of the stream; `value` is the number of text pieces before the fault (default 3).
    "stream_error": FaultKind(ANSWER, "an error chunk in mid-stream, 'CUDA out of memory'"),
    "stream_drop": FaultKind(ANSWER, "an error chunk in mid-stream: LiteLLM has lost the provider"),
    "stream_timeout": FaultKind(ANSWER, "an error chunk in mid-stream: the provider timed out"),
    "stream_cut": FaultKind(ANSWER, "resets the connection in mid-stream"),
    "stream_stall": FaultKind(ANSWER, "sends nothing more until the client or the server gives up"),
    "stream_ends": FaultKind(
        ANSWER, "the stream ends in the normal way in mid-answer, without finish_reason and [DONE]"
    ),
    "stream_bad_json": FaultKind(ANSWER, "a chunk that is not JSON"),
    "no_done": FaultKind(ANSWER, "the stream ends without `[DONE]`"),
    "no_finish": FaultKind(ANSWER, "no chunk has a finish_reason"),
    "noisy_stream": FaultKind(ANSWER, "BOM, CR LF, comments and other fields around the same chunks"),
    "sliced_stream": FaultKind(ANSWER, "the stream arrives in slices of `value` bytes (default 7), not in events"),
    # Last: faults of the answer's content.
    "empty_answer": FaultKind(ANSWER, "a stream without any text"),
    "cut_at_length": FaultKind(ANSWER, "half of the text, and finish_reason length"),
    "filtered": FaultKind(ANSWER, "half of the text, and finish_reason content_filter"),
    "thinks": FaultKind(ANSWER, "`reasoning_content` before the text"),
    "think_tags": FaultKind(ANSWER, "thoughts in `<think>` tags before the text"),
    "fenced_json": FaultKind(ANSWER, "a structured answer in a code fence, with chatter around it"),
    "wrong_json": FaultKind(ANSWER, "a structured answer that is JSON, but does not fit the schema"),
    "prose_for_json": FaultKind(ANSWER, "prose instead of a structured answer"),
    # Sound effects over Cog. `on` is a prompt or a glob of it (`model` for the first three); none: any. `oom` too.
    "model_loading": FaultKind(SOUND, "the health check says STARTING"),
    "setup_failed": FaultKind(SOUND, "the health check says SETUP_FAILED: the model could not be loaded"),
    "unhealthy": FaultKind(SOUND, "the health check says UNHEALTHY"),
    "busy": FaultKind(SOUND, "409: another client's prediction is running"),
    "run_error": FaultKind(SOUND, "the prediction fails without an error text"),
    "cancelled_elsewhere": FaultKind(SOUND, "the prediction ends as cancelled, though the client did not cancel it"),
    "ignore_cancel": FaultKind(SOUND, "a cancel is answered as usual and has no effect"),
    "mute_log": FaultKind(SOUND, "the log has no progress"),
    "no_sound": FaultKind(SOUND, "the prediction succeeds without an output"),
    "bad_sound": FaultKind(SOUND, "the output is a web page"),
    "broken_sound": FaultKind(SOUND, "the output is a WAV without samples"),
    "flac_sound": FaultKind(SOUND, "the output is FLAC"),
    # RVC. `on` is a voice's name or a glob; none: any.
    "voice_broken": FaultKind(ANSWER, "the voice's file can't be read: loading it fails"),
    "conversion_failed": FaultKind(
        ANSWER, "the conversion fails with the text that the real server has for every cause"
    ),
    "conversion_oom": FaultKind(ANSWER, "the conversion fails for lack of GPU memory"),
    "silent_conversion": FaultKind(ANSWER, "the converted sound is silence"),
    "training_failed": FaultKind(ANSWER, "the training of that voice fails; the answer's status is 200 all the same"),
}

SAMPLERS = ("KSampler", "ProbeSlow")
"""Node classes that stand for 'the sampler' where a fault names no node."""


@dataclass(frozen=True)
class Fault:
    """One fault to commit.

    ``kind`` is a key of ``FAULT_KINDS``; ``"status:503"`` is short for ``kind="status", value=503``. ``on`` is the
    place (see the table; None: anywhere), ``after`` skips the first N matching places, ``times`` is the number of times
    that the fault is committed (None: always). ``retry_after`` is the Retry-After header of ``status``, in seconds.

    An unknown kind (the message names the nearest one) or an impossible count raises ``ValueError``.
    """

    kind: str
    on: str | None = None
    after: int = 0
    times: int | None = 1
    value: str | int | float | None = None
    retry_after: float | None = None

    def __post_init__(self) -> None:
        kind, colon, value = self.kind.partition(":")
        if kind not in FAULT_KINDS:
            near = difflib.get_close_matches(kind, FAULT_KINDS, n=1, cutoff=0.0)
            raise ValueError(f"unknown fault kind {self.kind!r}: did you mean {near[0]!r}?")
        if self.after < 0 or (self.times is not None and self.times < 1):
            raise ValueError("a fault needs after >= 0 and times >= 1 (or None for always)")
        object.__setattr__(self, "kind", kind)
        if colon:
            object.__setattr__(self, "value", int(value) if value.isdecimal() else value)

    def seconds(self, default: float) -> float:
        """Return ``value`` as a number, or ``default`` if the fault has none."""
        return default if self.value is None else float(self.value)


class FaultBook:
    """The faults that one server has yet to commit. Safe from any thread."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._open: list[_Open] = [_Open(fault) for fault in faults]

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._open.append(_Open(fault))

    def clear(self) -> None:
        with self._lock:
            self._open.clear()

    def take_request(self, point: str, method: str, path: str) -> Fault | None:
        """Return the fault to commit on this request at ``point`` and count it as committed; None: no fault."""
        return self._take(lambda fault: FAULT_KINDS[fault.kind].point == point and _fits_request(fault, method, path))

    def take(self, kind: str, *subjects: str, default: tuple[str, ...] = ()) -> Fault | None:
        """Return the fault of ``kind`` whose ``on`` fits one of ``subjects`` and count it as committed; None: no fault.

        ``default`` are the globs for a fault without ``on``; empty: such a fault fits every subject.
        """

        def fits(fault: Fault) -> bool:
            if fault.kind != kind:
                return False
            globs = (fault.on,) if fault.on is not None else default
            return not globs or any(fnmatchcase(subject, glob) for subject in subjects for glob in globs)

        return self._take(fits)

    def _take(self, fits: Callable[[Fault], bool]) -> Fault | None:
        with self._lock:
            for entry in self._open:
                if not fits(entry.fault):
                    continue
                entry.seen += 1
                if entry.seen <= entry.fault.after:
                    continue
                if entry.fault.times is not None and entry.seen >= entry.fault.after + entry.fault.times:
                    self._open.remove(entry)
                return entry.fault
        return None


class _Open:
    __slots__ = ("fault", "seen")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen = 0


def _fits_request(fault: Fault, method: str, path: str) -> bool:
    if fault.kind in ("view_404", "view_truncated"):
        return path == "/view"
    if fault.on is None:
        return True
    wanted_method, space, wanted = fault.on.rpartition(" ")
    if space and wanted_method != method:
        return False
    return path == wanted or path.startswith(wanted.rstrip("/") + "/") or fnmatchcase(path, wanted)
