"""Any Gradio app: its named endpoints, called with values and files, through ``gradio_client``.

    with GradioAppClient("http://127.0.0.1:7860") as client:
        for endpoint in client.endpoints():
            print(endpoint.name, [field.name for field in endpoint.fields])
        job = client.submit(EndpointRequest("/speak", {"text": "Action!"}))
        print(job.result().artifacts[0].path)

``gradio_client`` is imported by a worker thread with the first call (``library.py``, ``wire.py``, ``call.py``); the
server's description (``app.py``, ``endpoints.py``), uploads and downloads go over the shared HTTP transport.
"""

from .client import GradioAppClient
from .endpoints import Choice, Endpoint, Field, FieldKind, Output
from .request import EndpointRequest

__all__ = ["Choice", "Endpoint", "EndpointRequest", "Field", "FieldKind", "GradioAppClient", "Output"]
