"""Gradio apps that make a sound of a text."""
