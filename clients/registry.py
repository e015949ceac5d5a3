"""The five backends. A sixth is one folder beside theirs and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import BaseAPIClient
    from .mock.server import MockServer
    from .requests import Request


class BackendInfo:
    """What the rest of the program knows of a backend. Its modules are imported when first asked for."""

    __slots__ = ("_class_name", "_mock_name", "default_url", "label", "name", "purpose", "uses_gpu")

    def __init__(
        self, name: str, label: str, purpose: str, class_name: str, mock_name: str, default_url: str, *, uses_gpu: bool
    ) -> None:
        self.name = name
        self.label = label
        self.purpose = purpose
        self.default_url = default_url
        self.uses_gpu = uses_gpu
        self._class_name = class_name
        self._mock_name = mock_name

    def __repr__(self) -> str:
        return f"<BackendInfo {self.name}>"

    @property
    def client(self) -> type[BaseAPIClient]:
        """The client's class."""
        client: type[BaseAPIClient] = getattr(import_module(f".{self.name}", __package__), self._class_name)
        return client

    @property
    def requests(self) -> tuple[type[Request], ...]:
        """The typed requests it takes."""
        return self.client.request_types

    @property
    def mock(self) -> type[MockServer]:
        """The class of its embedded mock server."""
        mock: type[MockServer] = getattr(import_module(f".mock.{self.name}", __package__), self._mock_name)
        return mock


def _table(*infos: BackendInfo) -> Mapping[str, BackendInfo]:
    return MappingProxyType({info.name: info for info in infos})


BACKENDS: Mapping[str, BackendInfo] = _table(
    BackendInfo(
        "comfyui", "ComfyUI", "Stills and clips", "ComfyUIClient", "MockComfyUI", "http://127.0.0.1:8188", uses_gpu=True
    ),
    BackendInfo("wan2gp", "Wan2GP", "Video", "Wan2GPClient", "MockWan2GP", "http://127.0.0.1:7860", uses_gpu=True),
    BackendInfo("litellm", "LiteLLM", "Text", "LiteLLMClient", "MockLiteLLM", "http://127.0.0.1:4000", uses_gpu=False),
    BackendInfo("rvc", "RVC", "Voices", "RVCClient", "MockRVC", "http://127.0.0.1:5050", uses_gpu=True),
    BackendInfo(
        "audioldm",
        "AudioLDM",
        "Sound effects",
        "AudioLDMClient",
        "MockAudioLDM",
        "http://127.0.0.1:5000",
        uses_gpu=True,
    ),
)
