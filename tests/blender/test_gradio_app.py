"""Any Gradio app inside Blender: the bundled library, the panel, the request, and where results go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import own

HANG_GUARD_S = 60.0


@pytest.mark.parametrize("version", ["4.44.1", "6.31.0"])
def test_the_bundled_library_calls_an_app(version: str, tmp_path: Path) -> None:
    client_class = own("clients.gradio_app").GradioAppClient
    request = own("clients.gradio_app").EndpointRequest("/speak", {"text": "Action!"})
    options = replace(client_class.default_options, output_dir=tmp_path)
    backends = own("clients.mock").MockBackends
    with backends(only=["gradio"], speed=20.0, options={"gradio": {"version": version}}) as mocks:
        with client_class(mocks.gradio.url, options=options) as client:
            result = client.submit(request).result(HANG_GUARD_S)
    assert [each.kind for each in result.artifacts] == ["audio"]
