#!/usr/bin/env python3
"""Chat chunks per second, ours and openai-python's, from one server in a process of its own; and how late an event is.

openai-python is measured where it can be imported: ``python tools/envs.py python litellm`` names an interpreter
that has it. Contenders take turns; the medians and their ratio are printed. Then a stream of 100,000 chunks shows that
memory stays flat.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import socket
import statistics
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from report import report, report_absent

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "build" / "src"))

ROUNDS = 5
PACED_CHUNKS = 100
PACE_S = 0.01
LONG_CHUNKS = 100_000


def chunk(text: str, finish: str | None = None) -> bytes:
    """Return one event as LiteLLM sends it."""
    choice: dict[str, Any] = {"index": 0, "delta": {"content": text} if text else {}}
    if finish:
        choice["finish_reason"] = finish
    frame = {"id": "chatcmpl-1", "created": 1, "model": "bench", "object": "chat.completion.chunk", "choices": [choice]}
    data = b"data: " + json.dumps(frame).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


def serve(ready: Connection, chunks: int) -> None:
    """Answer chat requests: ``chunks`` at once, or for the model ``paced`` a few, each with its time as its text."""
    listener = socket.create_server(("127.0.0.1", 0))
    ready.send(listener.getsockname()[1])
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nConnection: close\r\n"
    ends = chunk("", "stop") + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
    block = chunk(" rain") * 100
    while True:
        connection, _ = listener.accept()
        with connection:
            request = connection.recv(65536)
            if request.startswith(b"GET"):
                body = json.dumps({"data": [{"id": "bench", "owned_by": "vllm"}]}).encode()
                connection.sendall(head % b"application/json" + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                continue
            while b"\r\n\r\n" not in request or not request.rstrip().endswith(b"}"):
                request += connection.recv(65536)
            connection.sendall(head % b"text/event-stream" + b"Transfer-Encoding: chunked\r\n\r\n")
            if b'"paced"' in request:
                for _ in range(PACED_CHUNKS):
                    connection.sendall(chunk(f"{time.time():.6f} "))
                    time.sleep(PACE_S)
            else:
                for _ in range((LONG_CHUNKS if b'"long"' in request else chunks) // 100):
                    connection.sendall(block)
            connection.sendall(ends)


def ours(url: str, chunks: int, model: str = "bench") -> float:
    """Return the seconds that our client takes for all chunks, events included."""
    from movie_director.clients import LiteLLMClient
    from movie_director.clients.litellm import ChatRequest

    with LiteLLMClient(url) as client:
        client.probe()
        started = time.perf_counter()
        text = client.submit(ChatRequest(prompt="hi", model=model)).result(600).text or ""
        seconds = time.perf_counter() - started
    assert len(text) == 5 * chunks
    return seconds


def theirs(url: str, chunks: int) -> float:
    """Return the seconds that openai-python takes for the same."""
    from openai import OpenAI

    client = OpenAI(base_url=f"{url}/v1", api_key="none")
    started = time.perf_counter()
    stream = client.chat.completions.create(model="bench", messages=[{"role": "user", "content": "hi"}], stream=True)
    text = "".join(each.choices[0].delta.content or "" for each in stream)
    seconds = time.perf_counter() - started
    assert len(text) == 5 * chunks
    return seconds


def lateness_ms(url: str) -> float:
    """Return the median time from a chunk on the wire to its event."""
    from movie_director.clients import LiteLLMClient, events
    from movie_director.clients.litellm import ChatRequest

    late: list[float] = []
    with LiteLLMClient(url) as client:
        job = client.submit(ChatRequest(prompt="hi", model="paced"))
        deltas = (event for event in job.events() if isinstance(event, events.TextDelta))
        late.extend(time.time() - float(delta.text.split()[-1]) for delta in deltas)
    return statistics.median(late) * 1000


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=5000, help="a multiple of 100")
    chunks = parser.parse_args().chunks
    ready, told = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(told, chunks), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ready.recv()}"
    contenders = {"ours": ours}
    try:
        import openai
    except ImportError:
        report_absent("chat chunks", "openai-python", f"{sys.executable} has none")
    else:
        print(f"openai-python {openai.__version__}")
        contenders["openai"] = theirs
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, measure in contenders.items():
            seconds[name].append(measure(url, chunks))
    rates = {name: chunks / statistics.median(each) for name, each in seconds.items()}
    for name, rate in rates.items():
        print(f"{name:8} {rate:10.0f} chunks/s")
    if "openai" in rates:
        report(
            "chat chunks",
            rates["ours"] / rates["openai"],
            f"{rates['ours']:,.0f} against {rates['openai']:,.0f} a second",
        )
    report("chat event", lateness_ms(url), "median")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours(url, LONG_CHUNKS, "long")
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    report("chat memory", peak, f"{LONG_CHUNKS:,} chunks in one answer")
    server.terminate()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
