"""A mock LiteLLM proxy: health and models."""

from .responses import Request, Response
from .server import MockServer


class MockLiteLLM(MockServer):
    """Answers the open health routes and the model list of a LiteLLM proxy that has no master key."""

    name = "litellm"
    server_header = "uvicorn"
    version = "1.106.2"
    models = ("demo-writer", "demo-writer-fast")

    def add_routes(self) -> None:
        for path in ("/health/liveliness", "/health/liveness"):
            self.route("GET", path, lambda _: Response.json("I'm alive!"))
        self.route("GET", "/health/readiness", lambda _: Response.json({"status": "healthy", "db": "Not connected"}))
        for path in ("/models", "/v1/models"):
            self.route("GET", path, self._models)

    def _models(self, request: Request) -> Response:
        rows = [{"id": name, "object": "model", "created": 1677610602, "owned_by": "openai"} for name in self.models]
        response = Response.json({"object": "list", "data": rows})
        response.headers["x-litellm-version"] = self.version
        return response
