"""The client's websocket: who gets which message, what happens when it ends, and that its thread ends too."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from queue import SimpleQueue
from types import SimpleNamespace

import pytest
from support.comfyui import QUICK
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients.comfyui.server.event_socket import Down, EventSocket, Up
from movie_director.clients.comfyui.server.messages import FEATURE_FLAGS, Message, Preview
from movie_director.clients.comfyui.server.timings import Timings
from movie_director.clients.errors import AuthenticationError, ConnectionFailed, ConnectionLost, PermissionDenied

PNG = b"\x89PNG\r\n\x1a\n"
CUT = ConnectionLost("cut")


class Socket:
    """An open websocket whose messages the test gives."""

    def __init__(self):
        self.given = SimpleQueue()
        self.sent = []
        self.closed = threading.Event()

    def receive(self):
        item = self.given.get(timeout=HANG_GUARD_S)
        if isinstance(item, Exception):
            raise item
        return item

    def send_text(self, text):
        self.sent.append(text)

    def close(self):
        if not self.closed.is_set():
            self.closed.set()
            self.given.put(CUT)

    def say(self, kind, prompt_id=None, **data):
        self.given.put(json.dumps({"type": kind, "data": data | ({"prompt_id": prompt_id} if prompt_id else {})}))


class Server:
    """Opens sockets for a connection: ``refusals`` come first, then a new socket each time."""

    def __init__(self, *refusals):
        self.refusals = list(refusals)
        self.sockets = []
        self.ids = []
        self.changes = []
        self.opened = threading.Semaphore(0)

    def open(self, client_id):
        self.ids.append(client_id)
        if self.refusals:
            self.opened.release()
            raise self.refusals.pop(0)
        self.sockets.append(Socket())
        self.opened.release()
        return self.sockets[-1]

    def wait(self):
        assert self.opened.acquire(timeout=HANG_GUARD_S)


@pytest.fixture
def connect():
    """Make connections that are closed at the end."""
    made = []

    def make(*refusals, timings=QUICK):
        server = Server(*refusals)
        connection = EventSocket(server.open, timings, lambda: server.changes.append(True))
        made.append(connection)
        return connection, server

    yield make
    for connection in made:
        connection.close(HANG_GUARD_S)
        assert connection._thread is None or not connection._thread.is_alive()


class Inbox:
    """Collects what a job would get."""

    def __init__(self):
        self.items = SimpleQueue()

    def __call__(self, item):
        self.items.put(item)

    def next(self):
        return self.items.get(timeout=HANG_GUARD_S)

    def kinds(self, count):
        return [getattr(item, "kind", type(item).__name__) for item in (self.next() for _ in range(count))]


def opened(connect, inbox, prompt_id="p"):
    """Return a connection that is up, with a job subscribed, and its socket."""
    connection, server = connect()
    connection.subscribe(prompt_id, inbox)
    connection.start()
    assert isinstance(inbox.next(), Up)
    return connection, server


def test_nothing_is_opened_before_it_is_wanted(connect):
    connection, server = connect()
    assert server.ids == []
    assert not connection.live


def test_the_flags_are_the_first_text(connect):
    connection, server = opened(connect, Inbox())
    assert server.sockets[0].sent == [FEATURE_FLAGS]
    assert connection.live
    assert server.ids == [connection.client_id]


def test_messages_go_to_the_job_that_they_name(connect):
    mine, other = Inbox(), Inbox()
    connection, server = opened(connect, mine)
    with connection.subscribed("q", other):
        assert other.next() == Up()
        server.sockets[0].say("executing", "q", node="1")
        server.sockets[0].say("executing", "unknown", node="1")
        server.sockets[0].say("progress", "p", value=1)
        assert other.next() == Message("executing", {"node": "1", "prompt_id": "q"}, "q")
        assert mine.next() == Message("progress", {"value": 1, "prompt_id": "p"}, "p")
    server.sockets[0].say("executed", "q", node="1")
    server.sockets[0].say("executed", "p", node="1")
    assert mine.next().kind == "executed"
    assert other.items.empty(), "nothing comes after the subscription"


def test_status_and_what_names_no_prompt_go_to_all(connect):
    mine, other = Inbox(), Inbox()
    connection, server = opened(connect, mine)
    connection.subscribe("q", other)
    server.sockets[0].say("status", status={})
    server.sockets[0].say("executing", node="2")
    assert mine.kinds(2) == ["status", "executing"]
    assert other.kinds(3) == ["Up", "status", "executing"]


def test_previews_without_a_name_are_of_the_prompt_that_runs(connect):
    mine, other = Inbox(), Inbox()
    connection, server = opened(connect, mine)
    connection.subscribe("q", other)
    preview = (1).to_bytes(4, "big") + (2).to_bytes(4, "big") + PNG
    socket = server.sockets[0]
    socket.given.put(preview)
    socket.say("executing", "q", node="1")
    socket.given.put(preview)
    socket.say("executing", "foreign", node="1")
    socket.given.put(preview)
    socket.say("execution_start", "p")
    socket.given.put(preview)
    socket.say("executing", "p", node=None)
    socket.given.put(preview)
    socket.say("status")
    assert other.kinds(4) == ["Up", "executing", "Preview", "status"]
    assert mine.kinds(4) == ["execution_start", "Preview", "executing", "status"]


def test_an_end_of_another_prompt_does_not_end_the_running_one(connect):
    mine = Inbox()
    _connection, server = opened(connect, mine)
    socket = server.sockets[0]
    socket.say("executing", "p", node="1")
    socket.say("execution_success", "earlier")
    socket.given.put((1).to_bytes(4, "big") + bytes(4) + PNG)
    assert mine.next().kind == "executing"
    assert isinstance(mine.next(), Preview)


def test_what_comes_before_the_answer_is_kept_for_the_id_that_the_answer_says(connect):
    mine, late = Inbox(), Inbox()
    connection, server = opened(connect, mine)
    socket = server.sockets[0]
    with connection.posting():
        socket.say("execution_start", "minted")
        socket.say("executing", "minted", node="1")
        socket.say("executing", "p", node="1")
        assert mine.next().kind == "executing"
        connection.subscribe("minted", late)
    assert late.kinds(3) == ["Up", "execution_start", "executing"]


def test_what_is_kept_is_bounded_and_dropped_with_the_last_answer(connect, monkeypatch):
    monkeypatch.setattr("movie_director.clients.comfyui.server.event_socket.MAX_EARLY_FRAMES", 2)
    mine, late = Inbox(), Inbox()
    connection, server = opened(connect, mine)
    with connection.posting():
        with connection.posting():
            for _ in range(3):
                server.sockets[0].say("executing", "minted", node="1")
        server.sockets[0].say("progress", "p")
        mine.next()
        assert sum(map(len, connection._early.values())) == 2
    connection.subscribe("minted", late)
    server.sockets[0].say("progress", "minted")
    assert late.kinds(2) == ["Up", "progress"]


def test_a_cut_is_told_and_mended_under_the_same_id(connect):
    mine = Inbox()
    connection, server = opened(connect, mine)
    server.sockets[0].given.put(CUT)
    assert mine.next() == Down(CUT, was_up=True)
    assert isinstance(mine.next(), Up)
    assert server.ids == [connection.client_id] * 2
    assert server.sockets[0].closed.is_set(), "the old one is closed before the new one is opened"
    assert server.sockets[1].sent == [FEATURE_FLAGS]


def test_a_loss_and_what_comes_after_it_are_told_to_who_keeps_what_the_server_said(connect):
    mine = Inbox()
    _connection, server = opened(connect, mine)
    assert server.changes == [], "the first one is no change"
    server.sockets[0].given.put(CUT)
    assert isinstance(mine.next(), Down)
    assert isinstance(mine.next(), Up)
    assert len(server.changes) == 2


def test_what_could_never_be_opened_changes_nothing(connect):
    connection, server = connect(ConnectionFailed("nobody there"), ConnectionFailed("nobody there"))
    mine = Inbox()
    connection.subscribe("p", mine)
    connection.start()
    assert [type(mine.next()) for _ in range(3)] == [Down, Down, Up]
    assert len(server.changes) == 1, "the server may have been started anew since"


def test_a_close_in_good_order_is_mended_too(connect):
    mine = Inbox()
    _connection, server = opened(connect, mine)
    server.sockets[0].given.put(None)
    assert isinstance(mine.next(), Down)
    assert isinstance(mine.next(), Up)


def test_a_failure_of_our_own_does_not_end_the_thread(connect, caplog):
    mine = Inbox()
    _connection, server = opened(connect, mine)
    server.sockets[0].given.put(RuntimeError("surprise"))
    down = mine.next()
    assert isinstance(down, Down)
    assert "surprise" in down.error.message
    assert isinstance(mine.next(), Up)
    assert "failed unexpectedly" in caplog.text


def test_a_refusal_is_told_and_tried_again(connect):
    refused = ConnectionFailed("nobody there")
    connection, server = connect(refused, refused)
    mine = Inbox()
    connection.subscribe("p", mine)
    connection.start()
    assert mine.next() == Down(refused, was_up=False)
    assert mine.next() == Down(refused, was_up=False)
    assert isinstance(mine.next(), Up)
    assert len(server.ids) == 3


@pytest.mark.parametrize("kind", [AuthenticationError, PermissionDenied])
def test_a_refused_key_is_not_tried_in_a_hurry(kind, connect):
    connection, server = connect(kind("no"), timings=replace(QUICK, reconnect_max_s=600.0))
    mine = Inbox()
    connection.subscribe("p", mine)
    connection.start()
    assert isinstance(mine.next(), Down)
    server.wait()
    assert not server.opened.acquire(timeout=0.2)
    connection.close(HANG_GUARD_S)
    assert len(server.ids) == 1


def test_a_new_job_does_not_wait_for_a_pause_that_has_grown(connect):
    refused = ConnectionFailed("nobody there")
    connection, _server = connect(refused)
    connection._timings = SimpleNamespace(reconnect_base_s=0.02, reconnect_pause_s=lambda _failures: 600.0)
    first, second = Inbox(), Inbox()
    connection.subscribe("p", first)
    connection.start()
    assert first.next() == Down(refused, was_up=False)
    connection.subscribe("q", second)
    assert second.next() == Up()


def test_an_inbox_hears_once_that_it_is_open(connect):
    mine = Inbox()
    connection, server = opened(connect, mine)
    connection.subscribe("another id of the same job", mine)
    server.sockets[0].say("status")
    assert mine.next().kind == "status"


def test_while_no_job_is_there_a_lost_connection_is_left_lost(connect):
    mine = Inbox()
    connection, server = opened(connect, mine)
    server.wait()
    with connection.subscribed("p", mine):
        pass
    server.sockets[0].given.put(CUT)
    wait_for(lambda: not connection.live)
    assert not server.opened.acquire(timeout=0.2)
    connection.subscribe("q", mine)
    server.wait()
    assert len(server.ids) == 2


def test_renewing_closes_the_socket_and_opens_another(connect):
    mine = Inbox()
    connection, server = opened(connect, mine)
    connection.renew()
    assert isinstance(mine.next(), Down)
    assert isinstance(mine.next(), Up)
    assert len(server.sockets) == 2


def test_renewing_what_is_not_open_does_nothing(connect):
    connection, server = connect()
    connection.renew()
    assert server.ids == []


def test_an_id_can_be_chosen_until_the_first_connection(connect):
    connection, server = connect()
    assert connection.start("record") is True
    server.wait()
    assert server.ids == ["record"]
    assert connection.start("record") is True
    assert connection.start() is True
    assert connection.start("another") is False


def test_closing_ends_a_connection_that_is_up(connect):
    connection, server = opened(connect, Inbox())
    connection.close(HANG_GUARD_S)
    assert server.sockets[0].closed.is_set()
    assert connection.start() is True
    assert len(server.ids) == 1, "it is not opened again"


def test_closing_while_the_connection_is_being_opened(connect):
    connection, server = connect()
    held, real = threading.Event(), server.open

    def slow_open(client_id):
        socket = real(client_id)
        assert held.wait(HANG_GUARD_S)
        return socket

    connection._open_socket = slow_open
    connection.start()
    server.wait()
    connection.close(0.05)
    held.set()
    connection.close(HANG_GUARD_S)
    assert server.sockets[0].closed.is_set()
    assert not connection._thread.is_alive()


def test_closing_what_was_never_used(connect):
    connection, server = connect()
    connection.close(HANG_GUARD_S)
    assert connection.start() is True
    assert server.ids == []


def test_the_pauses_between_tries_grow_within_bounds_and_never_below_the_base():
    timings = Timings()
    pauses = [timings.reconnect_pause_s(failures) for failures in range(40)]
    assert min(pauses) >= timings.reconnect_base_s
    assert max(pauses) <= timings.reconnect_max_s
    assert max(pauses[10:]) > 6.0
    assert pauses[0] == timings.reconnect_base_s
