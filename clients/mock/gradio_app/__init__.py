"""A mock Gradio app with named endpoints for music, speech and pictures."""

from .server import MockGradioApp

__all__ = ["MockGradioApp"]
