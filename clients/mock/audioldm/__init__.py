"""Mock servers of AudioLDM: Cog in two generations, and the Gradio apps."""

from .server import MockAudioLDM

__all__ = ["MockAudioLDM"]
