"""WanGP's web page, a Gradio app."""
