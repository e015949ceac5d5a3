"""Embedded mock backends: the real protocols, served on loopback, with faults on request.

Demo mode runs on them, and so do the tests. Each is a real HTTP (and websocket) server in threads of this process::

    with MockBackends(only=["comfyui"]) as mocks:
        client = ComfyUIClient(mocks.comfyui.url)
        mocks.comfyui.inject(Fault("status:503", on="/prompt", retry_after=1))

Importing this module is cheap: servers are imported when ``MockBackends`` makes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..registry import BACKENDS
from .http.faults import FAULT_KINDS, Fault

if TYPE_CHECKING:
    from .audioldm import MockAudioLDM
    from .comfyui import MockComfyUI
    from .gradio_app import MockGradioApp
    from .http.server import MockServer
    from .litellm import MockLiteLLM
    from .rvc import MockRVC
    from .wan2gp import MockWan2GP

__all__ = ["FAULT_KINDS", "Fault", "MockBackends"]


class MockBackends:
    """The mock servers of several backends, started and stopped together; each is an attribute by its backend's name.

    Every backend of ``BACKENDS`` can be served, one that was registered at run time too. A backend that was not asked
    for has no attribute. Thread-safe; ``start`` and ``stop`` may be called twice, and ``stop`` ends within a second.
    """

    # For type checkers and editors; any other name of BACKENDS works too.
    comfyui: MockComfyUI
    wan2gp: MockWan2GP
    litellm: MockLiteLLM
    rvc: MockRVC
    audioldm: MockAudioLDM
    gradio: MockGradioApp

    def __init__(
        self,
        faults: Mapping[str, Iterable[Fault]] | None = None,
        speed: float = 1.0,
        only: Iterable[str] | None = None,
        *,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Make the servers without starting them.

        - ``faults``: the faults that a backend's server begins with, by the backend's name.
        - ``speed``: 2.0 is twice as fast, infinity leaves out every delay.
        - ``only``: the names of the backends to serve; None: all.
        - ``options``: further keyword arguments of a backend's server, such as
          ``{"comfyui": {"version": "0.3.40", "prefix": "/comfy"}}``.

        An unknown name raises ``ValueError``.
        """
        names = list(BACKENDS) if only is None else list(only)
        faults, options = faults or {}, options or {}
        unknown = {*names, *faults, *options} - set(BACKENDS)
        if unknown:
            raise ValueError(f"no such mock backend: {', '.join(sorted(unknown))}; there are {', '.join(BACKENDS)}")
        self.servers: dict[str, MockServer] = {
            name: BACKENDS[name].mock.make(**{"faults": faults.get(name, ()), "speed": speed, **options.get(name, {})})
            for name in names
        }

    def start(self) -> Self:
        """Start every server; stop all again if one cannot start (``OSError``)."""
        try:
            for server in self.servers.values():
                server.start()
        except OSError:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop every server, close their sockets and join their threads."""
        for server in self.servers.values():
            server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __getattr__(self, name: str) -> MockServer:
        servers: dict[str, MockServer] = self.__dict__.get("servers", {})
        if name not in servers:
            raise AttributeError(f"this MockBackends serves no {name} (only: {', '.join(servers)})")
        return servers[name]
