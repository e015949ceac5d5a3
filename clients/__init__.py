"""Clients for generative backends behind one job interface. No ``bpy`` here: this is a plain Python package.

Names are imported from their modules when first used, so that importing the package costs Blender's start next to
nothing; the classes of clients are those of ``BACKENDS``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audioldm import AudioLDMClient
    from .comfyui import ComfyUIClient
    from .core import errors, events
    from .core.client import BaseAPIClient
    from .core.job import Job
    from .core.model import Artifact, JobState, JobStatus, Progress, Result, ServerInfo
    from .core.options import ClientOptions
    from .gradio_app import GradioAppClient
    from .litellm import LiteLLMClient
    from .registry import BACKENDS, BackendInfo
    from .rvc import RVCClient
    from .wan2gp import Wan2GPClient

_MODULE_OF = {
    "BACKENDS": "registry",
    "BackendInfo": "registry",
    "BaseAPIClient": "core.client",
    "ServerInfo": "core.model",
    "Artifact": "core.model",
    "Job": "core.job",
    "JobState": "core.model",
    "JobStatus": "core.model",
    "Progress": "core.model",
    "Result": "core.model",
    "ClientOptions": "core.options",
}
_MODULES = ("errors", "events")

__all__ = [
    "BACKENDS",
    "Artifact",
    "AudioLDMClient",
    "BackendInfo",
    "BaseAPIClient",
    "ClientOptions",
    "ComfyUIClient",
    "GradioAppClient",
    "Job",
    "JobState",
    "JobStatus",
    "LiteLLMClient",
    "Progress",
    "RVCClient",
    "Result",
    "ServerInfo",
    "Wan2GPClient",
    "errors",
    "events",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _MODULE_OF:
        return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    if name.endswith("Client"):
        for info in import_module(".registry", __name__).BACKENDS.values():
            if info.client_name == name:
                return info.client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
