"""Sound effects from AudioLDM."""

from .client import AudioLDMClient
from .request import SoundRequest

__all__ = ["AudioLDMClient", "SoundRequest"]
