"""WebSocket connections that another thread can close."""
