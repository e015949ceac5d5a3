"""What a client signs in with."""

from __future__ import annotations

from movie_director.clients import RVCClient


def test_a_key_that_signs_in_is_no_bearer_token():
    with RVCClient("http://127.0.0.1:9", api_key="mara:lens cap") as client:
        assert "Authorization" not in client.auth_headers()
    with RVCClient("http://127.0.0.1:9", api_key="sk-1") as client:
        assert client.auth_headers() == {"Authorization": "Bearer sk-1"}
    own = {"Authorization": "Basic abc"}
    with RVCClient("http://127.0.0.1:9", api_key="mara:lens cap", headers=own) as client:
        assert client.auth_headers() == own
