"""Mock servers of AudioLDM: Cog in two generations, and the Gradio apps."""

from __future__ import annotations

from .server import MockAudioLDM

__all__ = ["MockAudioLDM"]
