"""Video from Wan2GP (WanGP)."""

from .client import Wan2GPClient
from .request import VideoRequest

__all__ = ["VideoRequest", "Wan2GPClient"]
