"""What our code builds on inside the libraries: each name is looked for, so that a new version fails here, in words."""

from __future__ import annotations

import http.client
import inspect

import pytest
import requests  # noqa: TID251 - what is looked into
import urllib3
import websocket
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool

URLLIB3 = f"urllib3 {urllib3.__version__}"
REQUESTS = f"requests {requests.__version__}"
POOL = "clients/http/interruptible_pool.py"
ADAPTER = "clients/http/adapter.py"
WEBSOCKET = f"websocket-client {websocket.__version__}"
WIRE = "clients/websocket/wire.py"


def require(owner, name, library, user):
    what = getattr(owner, "__name__", type(owner).__name__)
    assert hasattr(owner, name), (
        f"{library} has no {what}.{name} any more, on which {user} builds. Look up in its change log what took its "
        "place, and see that calls are still interrupted in every phase (tests/unit/clients/http/test_transport.py)."
    )


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (HTTPConnection, "_new_conn"),
        (HTTPConnection("h"), "_dns_host"),
        (HTTPConnection("h"), "_tunnel_host"),
        (HTTPConnection, "putrequest"),
        (HTTPConnection, "response_class"),
        (HTTPSConnection, "_connect_tls_proxy"),
        (HTTPSConnection("h"), "is_verified"),
        (HTTPConnectionPool, "ConnectionCls"),
        (HTTPConnectionPool, "_get_conn"),
        (HTTPConnectionPool, "_put_conn"),
        (urllib3.PoolManager(), "pool_classes_by_scheme"),
        (urllib3.PoolManager(), "pools"),
        (urllib3.HTTPResponse(), "_fp"),
        (urllib3.HTTPResponse, "release_conn"),
    ],
)
def test_urllib3_has_what_the_pools_build_on(owner, name):
    require(owner, name, URLLIB3, POOL)


def test_the_standard_library_has_what_the_responses_build_on():
    require(http.client.HTTPResponse, "_read_status", "Python's http.client", POOL)
    require(http.client.HTTPResponse, "begin", "Python's http.client", POOL)


@pytest.mark.parametrize("name", ["init_poolmanager", "proxy_manager_for", "proxy_headers", "cert_verify", "send"])
def test_requests_has_what_the_adapter_overrides(name):
    require(requests.adapters.HTTPAdapter, name, REQUESTS, ADAPTER)


def test_requests_asks_the_adapter_for_the_pool_in_a_known_way():
    source = inspect.getsource(requests.adapters.HTTPAdapter)
    assert "build_connection_pool_key_attributes" in source or "self.get_connection(request.url" in source, (
        f"{REQUESTS} finds its pools in a new way: {ADAPTER} must give it ours there."
    )
    assert "self.get_redirect_target(" in inspect.getsource(requests.Session.resolve_redirects), (
        f"{REQUESTS} looks for redirects in a new way: {ADAPTER} must stop it from reading their bodies."
    )


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        *((websocket.WebSocket(), name) for name in ("frame_buffer", "cont_frame", "recv_data_frame", "send_close")),
        *((websocket.frame_buffer(len, True), name) for name in ("recv_strict", "recv_length", "header", "length")),
        *((websocket.continuous_frame(False, True), name) for name in ("add", "cont_data")),
    ],
)
def test_websocket_client_has_what_the_wire_builds_on(owner, name):
    require(owner, name, WEBSOCKET, WIRE)


def test_websocket_client_reads_the_length_before_the_payload():
    """A frame is refused by its announced length; the header's parts are taken by their place."""
    source = inspect.getsource(websocket.frame_buffer.recv_frame)
    assert source.index("self.recv_length()") < source.index("self.recv_strict(length)"), WEBSOCKET
    assert "(fin, rsv1, rsv2, rsv3, opcode, has_mask, length_bits)" in inspect.getsource(
        websocket.frame_buffer.recv_header
    ), f"{WEBSOCKET} keeps a frame's header in another form: {WIRE} takes the opcode and the mask from it."


def test_a_missing_name_is_reported_with_what_to_do():
    with pytest.raises(AssertionError, match=r"urllib3 .* has no HTTPConnection._gone any more, on which clients/http"):
        require(HTTPConnection, "_gone", URLLIB3, POOL)
