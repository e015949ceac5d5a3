"""Half-broken servers for tests: a loopback listener, and for each connection a script that writes the very bytes.

    def script(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 10\\r\\n\\r\\nhal")

    with FaultServer(script) as server:
        ...  # server.url

The first connection gets the first script, and so on; the last one serves all that follow. A script that returns closes
its connection. Each connection has a thread of its own; ``FaultServer`` ends them all when it ends, and fails the test
if a script failed in any way but by its connection.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from support.waiting import HANG_GUARD_S


@dataclass(frozen=True)
class Asked:
    """A request that arrived; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    lines: tuple[str, ...] = field(default=(), repr=False)


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, server: FaultServer) -> None:
        self.sock = sock
        self.server = server
        self._buffer = bytearray()
        sock.settimeout(HANG_GUARD_S)

    def request(self, *, body: bool = True) -> Asked:
        """Read one request; ``ConnectionError`` if the client has gone."""
        head = self.read_until(b"\r\n\r\n").decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _version = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        content = b""
        if body and "chunked" in headers.get("transfer-encoding", ""):
            while size := int(self.read_until(b"\r\n"), 16):
                content += self.read(size)
                self.read(2)
            self.read(2)
        elif body:
            content = self.read(int(headers.get("content-length", "0")))
        asked = Asked(method, target, headers, content, tuple(lines))
        self.server.asked.append(asked)
        return asked

    def read(self, size: int) -> bytes:
        """Read so many bytes."""
        while len(self._buffer) < size:
            self._more()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def read_until(self, mark: bytes) -> bytes:
        """Read up to and with the mark."""
        while mark not in self._buffer:
            self._more()
        return self.read(self._buffer.index(mark) + len(mark))

    def send(self, *parts: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(b"".join(parts))

    def reset(self) -> None:
        """End the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_gone(self) -> bool:
        """Wait until the client has ended the connection; False if it has not in a long time."""
        try:
            while self.sock.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionResetError("the client has gone")
        self._buffer += data


Script = Callable[[Peer], object]


class FaultServer:
    """Listens while the ``with`` block runs. ``asked`` has the requests that scripts have read, in their order."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self._scripts = scripts
        self._tls = tls
        self._host = host
        self._failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self._lock = threading.Lock()
        self._ended = False

    def __enter__(self) -> FaultServer:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._listener = socket.create_server((self._host, 0), family=family, backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="fault-server", daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, kind: object, *_rest: object) -> None:
        with self._lock:
            self._ended = True
            socks = list(self._socks)
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in socks:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in [self._accepting, *self._threads]:
            thread.join(HANG_GUARD_S)
            assert not thread.is_alive(), "a script of the fault server hangs"
        if kind is None and self._failures:
            raise self._failures[0]

    @property
    def url(self) -> str:
        """The address without a slash at its end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._ended:
                    sock.close()
                    return
                script = self._scripts[min(self.connections, len(self._scripts) - 1)]
                self.connections += 1
                self._socks.append(sock)
                thread = threading.Thread(target=self._serve, args=(sock, script), name="fault-peer", daemon=True)
                self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, script: Script) -> None:
        try:
            if self._tls is not None:
                sock.settimeout(HANG_GUARD_S)
                sock = self._tls.wrap_socket(sock, server_side=True)
                with self._lock:
                    self._socks.append(sock)
            script(Peer(sock, self))
        except OSError:
            pass
        except BaseException as error:
            self._failures.append(error)
        finally:
            with suppress(OSError):
                # in order: a close with unread data would be a reset, and take back what was sent
                sock.shutdown(socket.SHUT_WR)
            sock.close()


def answer(body: bytes = b"", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """Return an answer's bytes, with the right ``Content-Length`` unless another is given."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def answers(*raw: bytes) -> Script:
    """Return a script that answers one request after the other on a connection, and then closes it."""

    def script(peer: Peer) -> None:
        for each in raw:
            peer.request()
            peer.send(each)

    return script


def always(raw: bytes) -> Script:
    """Return a script that gives every request of a connection the same answer."""

    def script(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(raw)

    return script


def silent(peer: Peer) -> None:
    """Take a request and say nothing until the client goes."""
    peer.request()
    peer.wait_gone()


class BlackHole:
    """A loopback port where connecting takes for ever: its queue is full, and Linux drops what asks to come in."""

    def __enter__(self) -> BlackHole:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self._full: list[socket.socket] = []
        for _ in range(16):
            sock = socket.socket()
            self._full.append(sock)
            sock.settimeout(0.1)
            try:
                sock.connect(self._listener.getsockname())
            except TimeoutError:
                break
        return self

    def __exit__(self, *_exc: object) -> None:
        for sock in [*self._full, self._listener]:
            sock.close()

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"


def closed_port() -> int:
    """Return a port at which nobody listens now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
