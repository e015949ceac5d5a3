"""RVC-WebUI, a Gradio 3 app."""
