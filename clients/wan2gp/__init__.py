"""Video from Wan2GP (WanGP). Importing this costs little: HTTP is imported by the first job."""

from .client import Wan2GPClient
from .request import VideoRequest
from .settings.presets import PRESETS
from .settings.schema import settings_schema

__all__ = ["PRESETS", "VideoRequest", "Wan2GPClient", "settings_schema"]
