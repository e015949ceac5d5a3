"""A mock AudioLDM server: a Cog image's identity routes."""

from .responses import Request, Response
from .server import MockServer


class MockAudioLDM(MockServer):
    """Answers ``GET /`` and ``GET /health-check`` as Cog 0.23 does."""

    name = "audioldm"
    server_header = "uvicorn"
    cog_version = "0.23.1"

    def add_routes(self) -> None:
        self.route("GET", "/", self._index)
        self.route("GET", "/health-check", self._health)

    def _index(self, request: Request) -> Response:
        urls = {f"{name}_url": f"/{path}" for name, path in (("docs", "docs"), ("openapi", "openapi.json"))}
        urls |= {"predictions_url": "/predictions", "health_check_url": "/health-check", "shutdown_url": "/shutdown"}
        return Response.json({"cog_version": self.cog_version, **urls})

    def _health(self, request: Request) -> Response:
        setup = {"started_at": "2026-11-22T00:00:00+00:00", "completed_at": "2026-11-22T00:00:01+00:00"}
        version = {"cog": self.cog_version, "python": "3.11.7"}
        return Response.json({"status": "READY", "setup": {**setup, "status": "succeeded"}, "version": version})
