"""A mock RVC server: rvc-python's identity routes."""

from .responses import Request, Response
from .server import MockServer


class MockRVC(MockServer):
    """Answers ``GET /models``, ``GET /params`` and ``GET /openapi.json`` as rvc-python 0.1.5 does."""

    name = "rvc"
    server_header = "uvicorn"
    voices = ("demo-voice",)

    def add_routes(self) -> None:
        self.route("GET", "/models", lambda _: Response.json({"models": list(self.voices)}))
        self.route("GET", "/params", self._params)
        self.route("GET", "/openapi.json", self._openapi)

    def _params(self, request: Request) -> Response:
        return Response.json(
            {
                "f0method": "rmvpe",
                "f0up_key": 0,
                "index_rate": 0.6,
                "filter_radius": 3,
                "resample_sr": 0,
                "rms_mix_rate": 0.25,
                "protect": 0.5,
            }
        )

    def _openapi(self, request: Request) -> Response:
        paths = ("/models", "/models/{model_name}", "/params", "/convert", "/convert_file", "/upload_model")
        info = {"title": "FastAPI", "version": "0.1.0"}
        return Response.json({"openapi": "3.1.0", "info": info, "paths": {path: {} for path in paths}})
