"""A backend whose protocol comes later keeps the contract, and says so."""

from __future__ import annotations

from support.scripted import ScriptedRequest

from movie_director.clients.jobs import BackendCancel
from movie_director.clients.unfinished import UnfinishedClient

HANG_GUARD_S = 20.0


class LaterClient(UnfinishedClient):
    """A client that is not built yet."""

    name = "later"
    request_types = (ScriptedRequest,)


def test_what_was_sent_and_what_was_not_both_end_with_the_reason():
    with LaterClient("http://127.0.0.1:9") as client:
        job = client.submit({"prompt": "hello"})
        assert job.exception(HANG_GUARD_S).code == "not_implemented"
        sent = client.resume({**job.record(), "id": "1", "stage": "sent"})
        assert sent.exception(HANG_GUARD_S).code == "not_implemented"
        assert client.cancel_on_backend(None) is BackendCancel.CONFIRMED
