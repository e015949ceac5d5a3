"""Gradio apps that make sound from text."""
