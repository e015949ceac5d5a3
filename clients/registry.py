"""The five backends. A sixth is one folder beside theirs and one line here."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .core.client import BaseAPIClient
    from .core.request import Request
    from .mock.http.server import MockServer


class BackendInfo:
    """What the rest of the program knows of a backend: its client's class, the typed requests, the class of its
    embedded mock server, where it listens by default, whether it uses the GPU, and whether the client can have the
    server give memory back (a method ``free()``).
    """

    frees_memory = False

    def __init__(
        self,
        client: type[BaseAPIClient],
        requests: tuple[type[Request], ...],
        mock: type[MockServer],
        default_url: str,
        uses_gpu: bool,
        *,
        label: str = "",
        purpose: str = "",
    ) -> None:
        self.name = client.name
        self.client = client
        self.requests = requests
        self.mock = mock
        self.default_url = default_url
        self.uses_gpu = uses_gpu
        self.label = label or client.name
        self.purpose = purpose

    def __repr__(self) -> str:
        return f"<BackendInfo {self.name}>"


class BuiltInBackend(BackendInfo):
    """One of our own: its modules are imported when first asked for, so that Blender starts as quickly as without."""

    def __init__(
        self, name: str, label: str, purpose: str, default_url: str, *, uses_gpu: bool, frees_memory: bool = False
    ) -> None:
        self.name = name
        self.label = label
        self.purpose = purpose
        self.default_url = default_url
        self.uses_gpu = uses_gpu
        self.frees_memory = frees_memory

    @cached_property
    def client(self) -> type[BaseAPIClient]:  # type: ignore[override]  # an attribute in the base, filled in later here
        """The client's class."""
        client: type[BaseAPIClient] = getattr(import_module(f".{self.name}", __package__), f"{self.label}Client")
        return client

    @cached_property
    def requests(self) -> tuple[type[Request], ...]:  # type: ignore[override]
        """The typed requests it takes."""
        return self.client.request_types

    @cached_property
    def mock(self) -> type[MockServer]:  # type: ignore[override]
        """The class of its embedded mock server."""
        mock: type[MockServer] = getattr(import_module(f".mock.{self.name}", __package__), f"Mock{self.label}")
        return mock


BACKENDS: dict[str, BackendInfo] = {
    info.name: info
    for info in (
        BuiltInBackend(
            "comfyui", "ComfyUI", "Stills and clips", "http://127.0.0.1:8188", uses_gpu=True, frees_memory=True
        ),
        BuiltInBackend("wan2gp", "Wan2GP", "Video", "http://127.0.0.1:7860", uses_gpu=True),
        BuiltInBackend("litellm", "LiteLLM", "Text", "http://127.0.0.1:4000", uses_gpu=False),
        BuiltInBackend("rvc", "RVC", "Voices", "http://127.0.0.1:5050", uses_gpu=True),
        BuiltInBackend("audioldm", "AudioLDM", "Sound effects", "http://127.0.0.1:5000", uses_gpu=True),
    )
}
