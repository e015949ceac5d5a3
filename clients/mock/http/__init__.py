"""The HTTP server under all mocks: routes, faults, request log, websocket."""
