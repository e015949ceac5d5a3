"""Echo for the registry, and for the contract suite."""

from __future__ import annotations

from driver import Driver

from movie_director.clients import BackendInfo

from .client import EchoClient
from .mock import MockEcho
from .request import EchoRequest

INFO = BackendInfo(
    EchoClient,
    EchoClient.request_types,
    MockEcho,
    "http://127.0.0.1:8190",
    uses_gpu=False,
    label="Echo",
    purpose="Texts said again",
    demo_label="test echoes",
)

DRIVER = Driver(
    "echo",
    quick=lambda: EchoRequest("Anybody there?"),
    slow=lambda: EchoRequest("Anybody there?", times=10_000),
    wrong=EchoRequest("", times=0),
)
