"""A mock WanGP (Wan2GP): the Gradio app's identity routes."""

from .responses import Request, Response
from .server import MockServer


class MockWan2GP(MockServer):
    """Answers ``GET /config`` as WanGP's Gradio 5.29 app does, cut to what tells it from other Gradio apps."""

    name = "wan2gp"
    server_header = "uvicorn"

    def add_routes(self) -> None:
        self.route("GET", "/config", self._config)
        self.route("GET", "/", lambda _: Response.html("<!doctype html><title>WanGP</title>"))

    def _config(self, request: Request) -> Response:
        names = (
            "load_queue_action",
            "init_process_queue_if_any",
            "activate_status",
            "process_tasks",
            "abort_generation",
        )
        dependencies = [
            {"id": index, "api_name": name, "inputs": [], "outputs": [], "targets": [], "queue": True}
            for index, name in enumerate(names)
        ]
        return Response.json(
            {
                "version": "5.29.0",
                "api_prefix": "/gradio_api",
                "protocol": "sse_v3",
                "title": "Wan2GP",
                "root": self.url,
                "components": [],
                "dependencies": dependencies,
            }
        )
