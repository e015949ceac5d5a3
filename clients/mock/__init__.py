"""Embedded mock backends: the real protocols, served on loopback, with faults on request.

Demo mode runs on them, and so do the tests. Each is a real HTTP (and websocket) server in threads of this process::

    with MockBackends(only=["comfyui"]) as mocks:
        client = ComfyUIClient(mocks.comfyui.url)
        mocks.comfyui.inject(Fault("status:503", on="/prompt", retry_after=1))

Importing this module is cheap: servers and websockets are imported when a :class:`MockBackends` is made.
"""

import importlib
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from .http.faults import FAULT_KINDS, Fault

if TYPE_CHECKING:
    from .audioldm.server import MockAudioLDM
    from .comfyui.server import MockComfyUI
    from .http.server import MockServer
    from .litellm.server import MockLiteLLM
    from .rvc.server import MockRVC
    from .wan2gp.server import MockWan2GP

__all__ = ["FAULT_KINDS", "Fault", "MockBackends"]

SERVERS = {
    "comfyui": "MockComfyUI",
    "wan2gp": "MockWan2GP",
    "litellm": "MockLiteLLM",
    "rvc": "MockRVC",
    "audioldm": "MockAudioLDM",
}
"""Backend name (also the module here) -> class of its mock server."""

_APART = {("rvc", "applio"): ("rvc.applio", "MockApplio")}
"""Backend and dialect -> module and class, for a dialect that is another program in all."""


class MockBackends:
    """The mock servers of several backends, started and stopped together.

    ``faults`` maps a backend's name to the faults it begins with; ``speed`` 2.0 is twice as fast, infinity leaves out
    every delay; ``only`` names the backends wanted (default: all); ``options`` maps a name to further keyword
    arguments of its server, such as ``{"comfyui": {"version": "0.3.40", "prefix": "/comfy"}}``. A backend that was not
    asked for has no attribute. Unknown names raise ``ValueError``.

    Thread-safe. :meth:`start` and :meth:`stop` may be called twice; ``stop`` ends within a second.
    """

    def __init__(
        self,
        faults: Mapping[str, Iterable[Fault]] | None = None,
        speed: float = 1.0,
        only: Iterable[str] | None = None,
        *,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        names = list(SERVERS) if only is None else list(only)
        unknown = (set(names) | set(faults or {}) | set(options or {})) - set(SERVERS)
        if unknown:
            raise ValueError(f"no such mock backend: {', '.join(sorted(unknown))}; there are {', '.join(SERVERS)}")
        self.servers: dict[str, MockServer] = {}
        for name in names:
            given = {"faults": (faults or {}).get(name, ()), "speed": speed, **(options or {}).get(name, {})}
            self.servers[name] = _made(name, given)

    def start(self) -> Self:
        """Starts every server; stops all again if one cannot start (``OSError``)."""
        try:
            for server in self.servers.values():
                server.start()
        except OSError:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stops every server, closes their sockets and joins their threads."""
        for server in self.servers.values():
            server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def comfyui(self) -> "MockComfyUI":
        return cast("MockComfyUI", self._server("comfyui"))

    @property
    def wan2gp(self) -> "MockWan2GP":
        return cast("MockWan2GP", self._server("wan2gp"))

    @property
    def litellm(self) -> "MockLiteLLM":
        return cast("MockLiteLLM", self._server("litellm"))

    @property
    def rvc(self) -> "MockRVC":
        return cast("MockRVC", self._server("rvc"))

    @property
    def audioldm(self) -> "MockAudioLDM":
        return cast("MockAudioLDM", self._server("audioldm"))

    def _server(self, name: str) -> "MockServer":
        try:
            return self.servers[name]
        except KeyError:
            raise AttributeError(f"this MockBackends serves no {name} (only: {', '.join(self.servers)})") from None


def _made(name: str, given: dict[str, Any]) -> "MockServer":
    module, kind = name, SERVERS[name]
    apart = _APART.get((name, given.get("dialect", "")))
    if apart is not None:
        module, kind = apart
        del given["dialect"]
    server: MockServer = getattr(importlib.import_module(f"{__name__}.{module}"), kind)(**given)
    return server
