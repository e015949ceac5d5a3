"""Which backends there are. Everything that treats all of them alike reads this table and no other."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.client import BaseAPIClient
    from .core.request import Request
    from .mock.http.server import MockServer


class BackendInfo:
    """A backend as the rest of the program knows it.

    - ``client``: its client's class, and ``mock``: the class of its embedded mock server. A text ``"module:Class"``
      names a class that is imported with its first use, so that Blender starts as quickly as without it; a module
      that begins with a dot is one of this package.
    - ``requests``: the typed requests that the client takes; None: the client says so itself.
    - ``default_url``: where its server listens unless the user says otherwise.
    - ``uses_gpu``: whether one job at a time is enough for its server.
    - ``name``: what it is registered as; needed where ``client`` is a text, else the client's own.
    - ``label`` and ``purpose``: what a user reads of it ("ComfyUI", "Stills and clips").
    - ``demo_label``: what demo mode makes instead of its results ("test pictures"); ``demo_options``: keyword
      arguments of its mock server in demo mode.
    - ``expanded``: whether its preferences are open at first; ``takes_speakers``: whether they ask who reads the lines
      that are to be spoken, which its client is given as ``speakers``.
    """

    def __init__(  # noqa: PLR0913 - a row of a table, most of it by keyword
        self,
        client: type[BaseAPIClient] | str,
        requests: tuple[type[Request], ...] | None,
        mock: type[MockServer] | str,
        default_url: str,
        uses_gpu: bool,
        *,
        name: str = "",
        label: str = "",
        purpose: str = "",
        demo_label: str = "test results",
        demo_options: Mapping[str, Any] | None = None,
        expanded: bool = False,
        takes_speakers: bool = False,
    ) -> None:
        self._client = client
        self._requests = requests
        self._mock = mock
        self.default_url = default_url
        self.uses_gpu = uses_gpu
        self.name = name or self.client.name
        self.label = label or self.name
        self.purpose = purpose
        self.demo_label = demo_label
        self.demo_options = dict(demo_options or {})
        self.expanded = expanded
        self.takes_speakers = takes_speakers

    def __repr__(self) -> str:
        return f"<BackendInfo {self.name}>"

    @cached_property
    def client(self) -> type[BaseAPIClient]:
        """The client's class."""
        client: type[BaseAPIClient] = _load(self._client)
        return client

    @property
    def client_name(self) -> str:
        """The name of the client's class, without importing it."""
        client = self._client
        return client.rpartition(":")[2] if isinstance(client, str) else client.__name__

    @cached_property
    def requests(self) -> tuple[type[Request], ...]:
        """The typed requests that the client takes."""
        return self.client.request_types if self._requests is None else self._requests

    @cached_property
    def mock(self) -> type[MockServer]:
        """The class of its embedded mock server."""
        mock: type[MockServer] = _load(self._mock)
        return mock

    @cached_property
    def frees_memory(self) -> bool:
        """Whether the client can have its server give memory back: by a method ``free()``."""
        return callable(getattr(self.client, "free", None))


def _load(reference: Any) -> Any:
    """Return the class that ``"module:Class"`` names; what is no text is the class itself."""
    if not isinstance(reference, str):
        return reference
    module, _, name = reference.partition(":")
    return getattr(import_module(module, __package__), name)


Listener = Callable[[str, "BackendInfo | None"], None]


class BackendRegistry(UserDict[str, BackendInfo]):
    """The backends by name, in the order in which a user sees them. ``BACKENDS["sixth"] = BackendInfo(...)`` registers
    one more, ``del BACKENDS["sixth"]`` takes it out again; in Blender only the main thread may do so.

    A name that can't be an attribute's raises ``ValueError``.
    """

    def __init__(self, backends: Mapping[str, BackendInfo]) -> None:
        self._listeners: list[Listener] = []
        super().__init__(backends)

    def __setitem__(self, name: str, info: BackendInfo) -> None:
        if not name.isidentifier():
            raise ValueError(f"{name!r} can't be the name of a backend: letters, digits and _ are allowed")
        super().__setitem__(name, info)
        self._notify(name, info)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self._notify(name, None)

    def watch(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with name and info of each backend that is registered from now on, and with name and None
        of each that is taken out, on the thread that does it. Returns the function that ends it.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _notify(self, name: str, info: BackendInfo | None) -> None:
        for listener in tuple(self._listeners):
            listener(name, info)


def _built_in(*backends: BackendInfo) -> BackendRegistry:
    return BackendRegistry({info.name: info for info in backends})


BACKENDS = _built_in(
    BackendInfo(
        ".comfyui:ComfyUIClient",
        None,
        ".mock.comfyui:MockComfyUI",
        "http://127.0.0.1:8188",
        uses_gpu=True,
        name="comfyui",
        label="ComfyUI",
        purpose="Stills and clips",
        demo_label="test pictures",
        expanded=True,
    ),
    BackendInfo(
        ".wan2gp:Wan2GPClient",
        None,
        ".mock.wan2gp:MockWan2GP",
        "http://127.0.0.1:7860",
        uses_gpu=True,
        name="wan2gp",
        label="Wan2GP",
        purpose="Video",
        demo_label="test clips",
    ),
    BackendInfo(
        ".litellm:LiteLLMClient",
        None,
        ".mock.litellm:MockLiteLLM",
        "http://127.0.0.1:4000",
        uses_gpu=False,
        name="litellm",
        label="LiteLLM",
        purpose="Text",
        demo_label="sample texts",
    ),
    BackendInfo(
        ".rvc:RVCClient",
        None,
        ".mock.rvc:MockRVC",
        "http://127.0.0.1:5050",
        uses_gpu=True,
        name="rvc",
        label="RVC",
        purpose="Voices",
        demo_label="test voices",
        demo_options={"dialect": "rvc-webui"},  # the one that trains voices too
        takes_speakers=True,
    ),
    BackendInfo(
        ".audioldm:AudioLDMClient",
        None,
        ".mock.audioldm:MockAudioLDM",
        "http://127.0.0.1:5000",
        uses_gpu=True,
        name="audioldm",
        label="AudioLDM",
        purpose="Sound effects",
        demo_label="test sounds",
    ),
    BackendInfo(
        ".gradio_app:GradioAppClient",
        None,
        ".mock.gradio_app:MockGradioApp",
        "http://127.0.0.1:7860",
        uses_gpu=True,
        name="gradio",
        label="Gradio",
        purpose="Any Gradio app",
        demo_label="test sounds and pictures",
    ),
)
