"""One conversion at a time on a server."""

from __future__ import annotations

import threading

import pytest
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.core.scope import SessionScope
from movie_director.clients.http.url import parse_server_url
from movie_director.clients.rvc.server_lock import get_locks


def test_turns_belong_to_a_server_and_come_one_after_another():
    server = get_locks(parse_server_url("http://127.0.0.1:5050"))
    for same in ("http://LOCALHOST:5050", "http://[::1]:5050/", "127.0.0.1:5050"):
        assert get_locks(parse_server_url(same)) is server
    for other in ("http://127.0.0.1:5051", "http://127.0.0.1:5050/rvc", "http://studio.lan:5050"):
        assert get_locks(parse_server_url(other)) is not server
    server_lock = server.conversions
    scope, waiting, order = SessionScope(), threading.Event(), []

    def another():
        waiting.set()
        with pytest.raises(errors.BackendError), server_lock.hold(scope):
            order.append("never")

    with server_lock.hold(SessionScope()):
        assert server_lock.locked
        thread = threading.Thread(target=another)
        thread.start()
        assert waiting.wait(HANG_GUARD_S)
        scope.interrupter.fire()
        thread.join(HANG_GUARD_S)
        assert not thread.is_alive()
    assert order == []
    assert not server_lock.locked
