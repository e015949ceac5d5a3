#!/usr/bin/env python3
"""The transport against what others use: small requests, downloads, websocket messages; and what a client costs itself.

The server runs in a process of its own, on loopback. Contenders take turns, the medians are compared: quote the ratios,
the absolute figures are this machine's. ``--quick`` is for trying the script out.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.client
import json
import multiprocessing
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import requests
import urllib3
import websocket
from report import report, report_absent

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "build" / "src"), str(ROOT / "tests")]

ROUNDS = 7
CANCELS = 20
SMALL = json.dumps({"exec_info": {"queue_remaining": 0}, "more": ["x" * 10] * 10}).encode()
TEXT = json.dumps({"type": "progress", "data": {"value": 5, "max": 20, "prompt_id": "0" * 36, "node": "3"}}).encode()
MIB = 1024 * 1024
EVENT = b"data: {}\n\n"
ENDLESS = {
    "/mute": b"",
    "/half": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf",
    "/half-chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "/half-to-the-end": b"HTTP/1.1 200 OK\r\n\r\nhalf",
    "/events": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(EVENT), EVENT),
}
"""What is sent at once on these paths; nothing follows, and the connection stays open."""

Contender = Callable[[int], float]
"""Does a thing so many times, and returns the seconds it took."""


# The server's process


def serve(ready: Connection, size: int) -> None:
    """Serve /small, /file (``size`` bytes), /mute, /half, /events and websockets at /texts/COUNT and /binary/COUNT, a
    thread each.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    ready.send(listener.getsockname()[1])
    file = memoryview(bytes(size))
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=answer, args=(connection, file), daemon=True).start()


def answer(connection: socket.socket, file: memoryview) -> None:
    """Answer the requests of one connection until it ends."""
    buffer = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in buffer:
                data = connection.recv(65536)
                if not data:
                    return
                buffer += data
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            if path == "/small":
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(SMALL), SMALL))
            elif path == "/file":
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(file))
                connection.sendall(file)
            elif path in ENDLESS:
                connection.sendall(ENDLESS[path])
            else:
                send_messages(connection, head, path)


def send_messages(connection: socket.socket, head: bytes, path: str) -> None:
    """Open a websocket and send the messages that its path asks for."""
    lines = [line.partition(b":") for line in head.split(b"\r\n")]
    key = next(value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    kind, count = path.strip("/").split("/")
    if kind == "texts":
        block = b"".join([b"\x81" + bytes([len(TEXT)]) + TEXT] * 100 if len(TEXT) < 126 else [text_frame()] * 100)
        for _ in range(int(count) // 100):
            connection.sendall(block)
    else:
        frame = b"\x82\x7f" + struct.pack("!Q", MIB) + bytes(MIB)
        for _ in range(int(count)):
            connection.sendall(frame)


def text_frame() -> bytes:
    """Return a text that is too long for the short form."""
    return b"\x81\x7e" + struct.pack("!H", len(TEXT)) + TEXT


# The contenders


def session_of(url: str) -> Any:
    """Return one of our sessions."""
    from movie_director.clients.core.options import ClientOptions
    from movie_director.clients.http.session import HTTPSession
    from movie_director.clients.http.transport import Transport
    from movie_director.clients.http.url import parse_server_url

    return HTTPSession(Transport(), parse_server_url(url), "bench", ClientOptions(), {"Authorization": "Bearer x" * 5})


def timed(work: Callable[[], object], count: int) -> float:
    """Return the seconds that ``count`` times take."""
    started = time.perf_counter()
    for _ in range(count):
        work()
    return time.perf_counter() - started


def small_contenders(url: str) -> dict[str, Contender]:
    """GET a small JSON over a kept connection."""
    session = session_of(url)
    contenders: dict[str, Contender] = {"ours": lambda count: timed(lambda: session.get_json("/small"), count)}
    theirs = requests.Session()
    contenders["requests.Session"] = lambda count: timed(lambda: theirs.get(f"{url}/small").json(), count)
    manager = urllib3.PoolManager()
    contenders["urllib3"] = lambda count: timed(lambda: json.loads(manager.request("GET", f"{url}/small").data), count)
    plain = http.client.HTTPConnection(url.partition("//")[2])

    def get() -> None:
        plain.request("GET", "/small")
        json.loads(plain.getresponse().read())

    contenders["http.client"] = lambda count: timed(get, count)
    return contenders


def download_contenders(url: str, folder: Path) -> dict[str, Contender]:
    """Get a file to disk; ours also hashes it, checks it and gives it its name."""
    from movie_director.clients.http.download import download

    session = session_of(url)

    def transported() -> None:
        path = folder / "ours.bin"
        with session.request("GET", "/file") as response, path.open("wb") as file:
            for chunk in response.chunks():
                file.write(chunk)
        path.unlink()

    def ours() -> None:
        download(session, "/file", folder, "file.bin").path.unlink()

    def theirs(hashing: bool) -> None:
        connection = http.client.HTTPConnection(url.partition("//")[2])
        connection.request("GET", "/file")
        response = connection.getresponse()
        digest = hashlib.sha256()
        path = folder / "theirs.bin"
        with path.open("wb") as file:
            while chunk := response.read(65536):
                file.write(chunk)
                if hashing:
                    digest.update(chunk)
        connection.close()
        path.unlink()

    return {
        "ours, the transport": lambda count: timed(transported, count),
        "ours, with hash, check and name": lambda count: timed(ours, count),
        "http.client 64 KiB": lambda count: timed(lambda: theirs(False), count),
        "http.client 64 KiB, hashed": lambda count: timed(lambda: theirs(True), count),
    }


def websocket_contenders(url: str, kind: str) -> dict[str, Contender]:
    """Receive messages, and parse texts."""
    from movie_director.clients.http.transport import Transport
    from movie_director.clients.http.url import parse_server_url
    from movie_director.clients.websocket.connection import WebSocketConnection

    take: Callable[[Any], object] = json.loads if kind == "texts" else len

    def received(receive: Callable[[], Any], count: int) -> float:
        return timed(lambda: take(receive()), count)

    def ours(count: int) -> float:
        with Transport() as transport:
            connection = WebSocketConnection.open(
                transport,
                parse_server_url(url),
                f"/{kind}/{count}",
                headers={},
                connect_timeout_s=5.0,
                idle_timeout_s=60.0,
            )
            seconds = received(connection.receive, count)
            connection.close()
        return seconds

    contenders: dict[str, Contender] = {"ours": ours}

    def theirs(count: int, **settings: Any) -> float:
        connection = websocket.create_connection(f"ws{url[4:]}/{kind}/{count}", **settings)
        seconds = received(connection.recv, count)
        connection.close()
        return seconds

    contenders["websocket-client"] = theirs
    contenders["websocket-client, no UTF-8 check"] = lambda count: theirs(count, skip_utf8_validation=True)
    return contenders


# The tables


def compare(title: str, contenders: dict[str, Contender], count: int, unit: str, amount: float) -> dict[str, float]:
    """Let them take turns and print medians; return ours as a multiple of each of the others' rates."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for measure in contenders.values():
        measure(count)
    for _ in range(ROUNDS):
        for name, measure in contenders.items():
            seconds[name].append(measure(count))
    rates = {name: count * amount / statistics.median(each) for name, each in seconds.items()}
    ours = next(iter(rates.values()))
    print(f"\n{title}")
    for name, rate in rates.items():
        mark = f"   ours is {ours / rate:.2f} x as fast" if name != next(iter(rates)) else ""
        print(f"  {name:34}{rate:12,.0f} {unit}{mark}")
    return {name: ours / rate for name, rate in rates.items()}


def cancels(url: str) -> None:
    """How soon a blocked call has ended after its interrupter fired, by phase."""
    from faultserver import BlackHole

    from movie_director.clients.core.interrupt import Interrupter
    from movie_director.clients.core.options import ClientOptions
    from movie_director.clients.core.scope import SessionScope
    from movie_director.clients.errors import BackendError
    from movie_director.clients.http.session import HTTPSession
    from movie_director.clients.http.transport import Transport
    from movie_director.clients.http.url import parse_server_url
    from movie_director.clients.websocket.connection import WebSocketConnection

    def ended_ms(address: str, path: str) -> float:
        interrupter = Interrupter()
        fired: list[float] = []

        def fire() -> None:
            fired.append(time.perf_counter())
            interrupter.fire()

        timer = threading.Timer(0.05, fire)
        with Transport(verify_tls=False) as transport:
            where = parse_server_url(address)
            session = HTTPSession(transport, where, "bench", ClientOptions(connect_timeout_s=60.0, max_retries=0), {})
            timer.start()
            with suppress(BackendError):
                if path == "websocket":
                    limits = {"connect_timeout_s": 60.0, "idle_timeout_s": 60.0}
                    WebSocketConnection.open(transport, where, "/mute", headers={}, interrupter=interrupter, **limits)
                with session.request("GET", path, scope=SessionScope(interrupter)) as response:
                    list(response.chunks())
            ended = time.perf_counter()
            timer.join()
        return (ended - fired[0]) * 1000

    print("\na cancelled call has ended after (wanted: 5 ms in every phase)")
    with BlackHole() as hole:
        phases = {
            "connecting": (hole.url, "/small"),
            "TLS handshake": (url.replace("http:", "https:"), "/small"),
            "waiting for the answer": (url, "/mute"),
            "reading, by length": (url, "/half"),
            "reading, chunked": (url, "/half-chunked"),
            "reading, up to the end": (url, "/half-to-the-end"),
            "websocket handshake": (url, "websocket"),
        }
        for name, (address, path) in phases.items():
            figures = sorted(ended_ms(address, path) for _ in range(CANCELS))
            report(f"cancel {name}", statistics.median(figures), f"median; longest {figures[-1]:.1f} ms")


def first_event(url: str) -> None:
    """How soon the first event of a stream is there that sends nothing after it."""
    session, figures = session_of(url), []
    for _ in range(CANCELS):
        started = time.perf_counter()
        with session.request("GET", "/events") as response:
            assert next(iter(response.available())) == EVENT
            figures.append((time.perf_counter() - started) * 1000)
    print("\nthe first event of a stream that pauses after it (wanted: not held back)")
    report("first event", statistics.median(figures), f"median; longest {max(figures):.1f} ms")


def submit_cost() -> None:
    """How long ``submit`` keeps the caller, for a workflow of 200 nodes."""
    from movie_director.clients import ClientOptions, ComfyUIClient
    from movie_director.clients.comfyui import WorkflowRequest

    node = {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20, "model": ["1", 0], "text": "a prompt " * 10}}
    workflow = {str(number): json.loads(json.dumps(node)) for number in range(200)}
    options = ClientOptions(max_workers=1, max_retries=0)
    with ComfyUIClient("http://127.0.0.1:9", options=options) as client:
        client.submit(WorkflowRequest(workflow, seed=0)).exception(60)
        costs = [timed(lambda: client.submit(WorkflowRequest(workflow, seed=1)), 1) * 1000 for _ in range(200)]
    costs.sort()
    print("\nsubmit() of a workflow of 200 nodes, on the caller's thread (wanted: below 1 ms)")
    report("submit", statistics.median(costs), f"median; 99 % below {costs[-3]:.2f} ms")


REGISTER = """\
import os, sys, time, json, ssl
try:
    import bpy
except ImportError:
    bpy = None
before = set(sys.modules)
started = time.process_time()
import movie_director, movie_director.clients
if bpy:
    movie_director.register()
seconds = time.process_time() - started
new = set(sys.modules) - before
heavy = new & {"urllib3", "requests", "websocket", "gradio_client"}
print(seconds * 1000, len(new), ",".join(heavy) or "none", flush=True)
if bpy:
    movie_director.unregister()
os._exit(0)
"""


def import_cost() -> None:
    """What Blender's start pays: register() in each Blender that is set up here, the imports alone in plain Python."""
    cache = Path(os.environ.get("MOVIE_DIRECTOR_CACHE", Path.home() / ".cache" / "movie-director-dev"))
    interpreters = {"plain Python": Path(sys.executable), **{p.name: p / "bin" / "python" for p in cache.glob("bpy-*")}}
    print("\nimport, and register() in Blender (wanted: below 15 ms)")
    for name, interpreter in sorted(interpreters.items()):
        results = []
        for _ in range(7):
            environment = {"PYTHONPATH": str(ROOT / "build" / "src"), "HOME": str(Path.home())}
            done = subprocess.run(
                [str(interpreter), "-c", REGISTER], env=environment, capture_output=True, text=True, check=True
            )
            results.append(done.stdout.strip().splitlines()[-1].split(" "))
        median = statistics.median(float(each[0]) for each in results[1:])
        print(f"  {name:14}{median:6.1f} ms, {results[0][1]} modules, heavy ones among them: {results[0][2]}")
        if name.startswith("bpy-"):
            report(f"register {name.removeprefix('bpy-')}", median, f"processor time; {results[0][1]} modules")
    for version in ("4.2", "4.5", "5.2"):
        if f"bpy-{version}" not in interpreters:
            report_absent(f"register {version}", f"Blender {version}", "it is not set up here")


def lateness() -> None:
    """How late another thread wakes up while a worker decodes 20 MB of JSON, as it comes from a server.

    Freeing the value is not in it: that is one step of 30 ms, whoever made it.
    """
    from movie_director.clients.http.json_decode import decode_json

    node = {"input": {f"field{n}": ["FLOAT", {"default": n / 7, "min": 0, "tooltip": "words " * 5}] for n in range(20)}}
    data = json.dumps({f"Node{n}": node for n in range(20 * MIB // len(json.dumps(node)))}).encode()
    pieces = [data[at : at + 65536] for at in range(0, len(data), 65536)]
    print(f"\nwake-up of another thread while {len(data) / MIB:.0f} MiB of JSON are decoded (wanted: p99 below 10 ms)")
    p99s: dict[str, float] = {}
    contenders = {"ours": lambda: decode_json(pieces), "json.loads": lambda: json.loads(b"".join(pieces))}
    for name, decode in contenders.items():
        late: list[float] = []
        for _ in range(5):
            kept: list[Any] = []
            worker = threading.Thread(target=lambda decode=decode, kept=kept: kept.append(decode()))
            worker.start()
            while worker.is_alive():
                due = time.perf_counter() + 0.002
                time.sleep(0.002)
                late.append((time.perf_counter() - due) * 1000)
            worker.join()
        late.sort()
        p50, p99 = late[len(late) // 2], late[int(len(late) * 0.99)]
        print(f"  {name:12} p50 {p50:6.1f} ms late   p99 {p99:6.1f} ms   max {late[-1]:6.1f} ms")
        p99s[name] = p99
    report("wake-up", p99s["ours"], f"with `json.loads` {p99s['json.loads']:.0f} ms")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: the figures mean little")
    few = 10 if parser.parse_args().quick else 1
    size = 50 * MIB // few
    ready, told = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(told, size), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ready.recv()}"
    names = ", ".join(f"{each.__name__} {each.__version__}" for each in (urllib3, requests, websocket))
    print(f"Python {sys.version.split()[0]}, {names}")
    ratios = compare(
        "small GET + JSON (wanted: at most 1.2 x the time of requests.Session)",
        small_contenders(url),
        1000 // few,
        "requests/s",
        1,
    )
    report("small GET", 1 / ratios["requests.Session"])
    with tempfile.TemporaryDirectory() as folder:
        ratios = compare(
            "download to a file (wanted: at least 0.9 x http.client)",
            download_contenders(url, Path(folder)),
            2,
            "MiB/s",
            size / MIB,
        )
    report("download", ratios["http.client 64 KiB"], "the transport")
    ratios = compare(
        f"websocket, texts of {len(TEXT)} bytes + JSON (wanted: at least 3 x websocket-client)",
        websocket_contenders(url, "texts"),
        20_000 // few,
        "messages/s",
        1,
    )
    report(
        "websocket texts",
        ratios["websocket-client"],
        f"{ratios['websocket-client, no UTF-8 check']:.2f} x without its check of UTF-8",
    )
    ratios = compare(
        "websocket, binary of 1 MiB (wanted: at least 0.8 x websocket-client)",
        websocket_contenders(url, "binary"),
        200 // few,
        "MiB/s",
        1,
    )
    report("websocket binary", ratios["websocket-client"])
    cancels(url)
    first_event(url)
    lateness()
    submit_cost()
    import_cost()
    server.terminate()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
