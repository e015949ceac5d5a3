"""Video from Wan2GP (WanGP). The import is cheap: the first job imports HTTP."""

from .client import Wan2GPClient
from .request import VideoRequest
from .settings.presets import PRESETS
from .settings.schema import settings_schema

__all__ = ["PRESETS", "VideoRequest", "Wan2GPClient", "settings_schema"]
