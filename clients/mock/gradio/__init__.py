"""A mock Gradio server of every generation."""
