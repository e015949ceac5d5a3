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
        return Response.json(
            {
                "cog_version": self.cog_version,
                "docs_url": "/docs",
                "healthcheck_url": "/health-check",
                "openapi_url": "/openapi.json",
                "predictions_cancel_url": "/predictions/{prediction_id}/cancel",
                "predictions_idempotent_url": "/predictions/{prediction_id}",
                "predictions_url": "/predictions",
                "shutdown_url": "/shutdown",
            }
        )

    def _health(self, request: Request) -> Response:
        setup = {"started_at": "2026-11-22T00:00:00+00:00", "completed_at": "2026-11-22T00:00:01+00:00"}
        version = {"cog": self.cog_version, "python": "3.11.7"}
        return Response.json({"status": "READY", "setup": {**setup, "status": "succeeded"}, "version": version})
