"""The listening socket of a mock server: one thread that accepts, one thread per connection."""

from __future__ import annotations

import contextlib
import http.server
import socket
import socketserver
import struct
import threading
import time

from .context import ServerContext
from .handler import Handler

JOIN_S = 0.5


class Listener(http.server.ThreadingHTTPServer):
    """Accepts connections and keeps a list of them, so that it can close them and join their threads."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, context: ServerContext, host: str) -> None:
        self.context = context
        if ":" in host:
            self.address_family = socket.AF_INET6
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        super().__init__((host, 0), Handler)
        self._acceptor = threading.Thread(target=self._accept, name=f"mock-{context.name}-accept", daemon=True)

    def server_bind(self) -> None:
        # HTTPServer's own asks the resolver for the machine's name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.context.name, self.socket.getsockname()[1]

    def launch(self) -> None:
        """Start the accepting thread."""
        self._acceptor.start()

    def _accept(self) -> None:
        number = 0
        while True:
            connection, _ = self.socket.accept()
            if self.context.stopping.is_set():
                connection.close()
                return
            if self.context.down:
                reset(connection)
                continue
            number += 1
            name = f"mock-{self.context.name}-{number}"
            thread = threading.Thread(target=self._serve, args=(connection,), name=name, daemon=True)
            with self._lock:
                for each, old in list(self._connections.items()):
                    if not old.is_alive():
                        del self._connections[each]
                self._connections[connection] = thread
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        # The thread stays listed until it is dead, so that the stop of the server joins it in its last moment too.
        with contextlib.suppress(OSError, ValueError), connection:
            Handler(connection, connection.getpeername(), self)

    def reset_all(self) -> None:
        """Reset every open connection."""
        with self._lock:
            for connection in self._connections:
                _linger_zero(connection)
                _shut(connection)

    def halt(self) -> None:
        """Stop accepting, close every connection and join every thread."""
        # A connection of our own is the one portable way to wake accept() at once.
        with socket.create_connection(self.socket.getsockname()[:2], timeout=1.0):
            self._acceptor.join()
        self.server_close()
        with self._lock:
            open_now = list(self._connections.items())
            for connection, _ in open_now:
                _shut(connection)
        deadline = time.monotonic() + JOIN_S
        for _, thread in open_now:
            thread.join(max(0.0, deadline - time.monotonic()))


def reset(connection: socket.socket) -> None:
    """Close ``connection`` with an RST."""
    _linger_zero(connection)
    connection.close()


def _linger_zero(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
