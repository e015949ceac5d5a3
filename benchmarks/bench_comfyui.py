#!/usr/bin/env python3
"""The ComfyUI client: a job beyond its requests, a 200 MB output, 1,000 jobs at once, memory and threads, a cancel.

The mock server runs in a process of its own. Beside the client run contenders that make the same requests by hand and
wait for the same message: one with requests and websocket-client, one with http.client for the least that can be.
``--quick`` is for trying the script out.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import requests
import websocket
from report import report

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "build" / "src"))

MIB = 1024 * 1024
BIG_MIB = 200
ENDS = ("execution_success", "execution_error", "execution_interrupted")


def serve(ready: Connection, version: str) -> None:
    """Run a mock ComfyUI at full speed until the parent goes."""
    from movie_director.clients.mock.comfyui.server import MockComfyUI

    with MockComfyUI(version=version, speed=float("inf")) as mock:
        ready.send(mock.url)
        threading.Event().wait()


def small_workflow(number: int) -> dict[str, Any]:
    """Return a workflow that makes a picture of 16 x 8 pixels at once, another for each number."""
    source = {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 8, "batch_size": 1, "color": number}}
    save = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "bench"}}
    return {"1": source, "2": save}


class ByHand:
    """A job with nothing but its requests, by requests and websocket-client as they come: no checks, no time-outs."""

    def __init__(self, url: str, folder: Path) -> None:
        self._folder = folder
        self._url = url
        self._id = uuid.uuid4().hex
        self._session = requests.Session()
        self._socket = websocket.create_connection(f"ws{url.removeprefix('http')}/ws?clientId={self._id}")

    def _bytes(self, method: str, path: str, body: bytes | None = None) -> bytes:
        return self._session.request(method, f"{self._url}{path}", data=body).content

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(self._bytes(method, path, None if body is None else json.dumps(body).encode()))

    def run(self, workflow: dict[str, Any]) -> None:
        prompt_id = str(uuid.uuid4())
        self._json("POST", "/api/prompt", {"prompt": workflow, "client_id": self._id, "prompt_id": prompt_id})
        while True:
            message = self._socket.recv()
            if isinstance(message, str):
                told = json.loads(message)
                if told["type"] in ENDS and told["data"]["prompt_id"] == prompt_id:
                    break
        while "outputs" not in (job := self._json("GET", f"/api/jobs/{prompt_id}")):
            pass
        for items in job["outputs"].values():
            for item in items["images"]:
                query = f"filename={item['filename']}&subfolder={item['subfolder']}&type={item['type']}"
                (self._folder / item["filename"]).write_bytes(self._bytes("GET", f"/api/view?{query}"))

    def close(self) -> None:
        self._socket.close()
        self._session.close()


class Bare(ByHand):
    """The same with the standard library's http.client."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url, folder)
        self._http = http.client.HTTPConnection(url.partition("//")[2])

    def _bytes(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._http.request(method, path, body)
        return self._http.getresponse().read()

    def close(self) -> None:
        self._http.close()
        super().close()


def timed(work: Callable[[], object]) -> float:
    """Return the seconds it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def memory_mib() -> float:
    """Return this process's resident memory (Linux), else 0."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


class Watch:
    """The most memory and threads that there were while it watched."""

    def __init__(self) -> None:
        self.memory = self.before = memory_mib()
        self.threads = self.threads_before = threading.active_count()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.01):
            self.memory = max(self.memory, memory_mib())
            self.threads = max(self.threads, threading.active_count() - 1)

    def __str__(self) -> str:
        threads = f"{self.threads - self.threads_before} threads"
        return f"at most {self.memory - self.before:.1f} MiB and {threads} more than before"


def made_client(url: str, folder: Path) -> Any:
    """Return a client, its websocket open and its server known."""
    from dataclasses import replace

    from movie_director.clients import ComfyUIClient
    from movie_director.clients.comfyui import WorkflowRequest

    client = ComfyUIClient(url, options=replace(ComfyUIClient.default_options, output_dir=folder))
    client.submit(WorkflowRequest(small_workflow(0))).result(60)
    return client


def job_overhead(url: str, folder: Path, jobs: int) -> None:
    """Jobs one after another, by turns."""
    from movie_director.clients.comfyui import WorkflowRequest

    numbers = iter(range(1, 10**9))
    by_hand, bare = ByHand(url, folder), Bare(url, folder)
    with made_client(url, folder) as client:
        doing: dict[str, Callable[[dict[str, Any]], object]] = {
            "ours": lambda workflow: client.submit(WorkflowRequest(workflow)).result(60),
            "requests and websocket-client": by_hand.run,
            "http.client and websocket-client": bare.run,
        }
        wall: dict[str, list[float]] = {name: [] for name in doing}
        busy: dict[str, list[float]] = {name: [] for name in doing}
        for turn in range(jobs + 20):
            for name, do in doing.items():
                workflow = small_workflow(next(numbers))
                before = time.process_time()
                seconds = timed(lambda do=do, workflow=workflow: do(workflow))
                if turn >= 20:
                    wall[name].append(seconds * 1000)
                    busy[name].append((time.process_time() - before) * 1000)
    by_hand.close()
    bare.close()
    print(f"\na job with one small picture, {jobs} by turns")
    print("(wanted: at most 2 ms more than by hand with requests and websocket-client)")
    for title, figures in (("in all", wall), ("processor time of this process", busy)):
        ours, *others = (statistics.median(each) for each in figures.values())
        print(f"  {title}: ours {ours:.2f} ms")
        for name, theirs in zip(list(figures)[1:], others, strict=True):
            print(f"    {name:34} {theirs:.2f} ms: ours {ours - theirs:+.2f} ms")
        if figures is wall:
            report("job", ours - others[0], f"ours {ours:.2f} ms, by hand {others[0]:.2f} ms; medians of {jobs}")


def big_output(url: str, folder: Path, rounds: int) -> None:
    """A file of 200 MB: the whole job, and the same file fetched with http.client."""
    from movie_director.clients.comfyui import WorkflowRequest

    inputs = {"megabytes": BIG_MIB, "ext": "bin", "ui_key": "files"}
    workflow = {"1": {"class_type": "ProbeBigFile", "inputs": inputs}}
    host = url.partition("//")[2]

    def bare(hashing: bool) -> None:
        connection = http.client.HTTPConnection(host)
        connection.request("GET", f"/api/view?filename=big_{BIG_MIB}.bin&type=output")
        answer = connection.getresponse()
        digest = hashlib.sha256()
        path = folder / "bare.bin"
        with path.open("wb") as file:
            while chunk := answer.read(65536):
                file.write(chunk)
                if hashing:
                    digest.update(chunk)
        connection.close()
        path.unlink()

    seconds: dict[str, list[float]] = {"ours": [], "http.client 64 KiB": [], "http.client 64 KiB, hashed": []}
    with made_client(url, folder) as client:

        def ours() -> None:
            for artifact in client.submit(WorkflowRequest(workflow)).result(300).artifacts:
                artifact.path.unlink()

        ours()
        with Watch() as watch:
            for _ in range(rounds):
                seconds["ours"].append(timed(ours))
                seconds["http.client 64 KiB"].append(timed(lambda: bare(False)))
                seconds["http.client 64 KiB, hashed"].append(timed(lambda: bare(True)))
    rates = {name: BIG_MIB / statistics.median(each) for name, each in seconds.items()}
    print(f"\na job whose output is {BIG_MIB} MiB (wanted: at least 0.9 x http.client, constant memory)")
    for name, rate in rates.items():
        print(f"  {name:28}{rate:8.0f} MiB/s   ours is {rates['ours'] / rate:.2f} x as fast")
    report("big output", rates["ours"] / rates["http.client 64 KiB"], f"{rates['ours']:,.0f} MiB/s, hashed and checked")
    report("big output, hashed", rates["ours"] / rates["http.client 64 KiB, hashed"])
    report("big output, memory", watch.memory - watch.before)


def many_at_once(url: str, folder: Path, jobs: int) -> None:
    """All submitted before the first has ended."""
    from movie_director.clients.comfyui import WorkflowRequest

    with made_client(url, folder) as client, Watch() as watch:
        requests = [WorkflowRequest(small_workflow(10**6 + number)) for number in range(jobs)]
        made: list[Any] = []
        started = time.perf_counter()
        costs = [timed(lambda request=request: made.append(client.submit(request))) * 1000 for request in requests]
        for job in made:
            job.result(600)
        seconds = time.perf_counter() - started
    costs.sort()
    print(f"\n{jobs} jobs queued at once")
    print(f"  all done in {seconds:.1f} s, {jobs / seconds:.0f} jobs/s")
    print(f"  submit(): median {statistics.median(costs):.3f} ms, 99 % below {costs[int(len(costs) * 0.99)]:.2f} ms")
    report("many jobs, submit", statistics.median(costs), f"{jobs / seconds:.0f} jobs done a second")
    report("many jobs, memory", watch.memory - watch.before, f"{watch.threads - watch.threads_before} threads more")


def flat(url: str, folder: Path, jobs: int) -> None:
    """Memory after so many jobs, and after as many again, with the newest 100 kept."""
    from dataclasses import replace

    from movie_director.clients import ComfyUIClient
    from movie_director.clients.comfyui import WorkflowRequest

    numbers = iter(range(2 * 10**6, 10**9))
    options = replace(ComfyUIClient.default_options, output_dir=folder, keep_finished=100)
    figures = []
    with ComfyUIClient(url, options=options) as client:
        for _ in range(3):
            for job in [client.submit(WorkflowRequest(small_workflow(next(numbers)))) for _ in range(jobs)]:
                job.result(600)
            figures.append((memory_mib(), threading.active_count()))
    print(f"\nmemory and threads after {jobs}, {2 * jobs} and {3 * jobs} finished jobs (wanted: flat)")
    for memory, threads in figures:
        print(f"  {memory:7.1f} MiB   {threads} threads")
    report(
        "finished jobs", figures[-1][0] - figures[0][0], ", ".join(f"{memory:.1f}" for memory, _ in figures) + " MiB"
    )


def cancels(folder: Path, rounds: int) -> None:
    """How soon a cancelled job has ended here, and its server has been told; the mock is in this process."""
    from movie_director.clients.comfyui import WorkflowRequest
    from movie_director.clients.errors import JobCancelled
    from movie_director.clients.events import Progressed
    from movie_director.clients.mock.comfyui.server import MockComfyUI

    ended: list[float] = []
    told: list[float] = []
    sleep = {"image": ["1", 0], "steps": 600, "delay": 0.05, "previews": False}
    with MockComfyUI() as mock, made_client(mock.url, folder) as client:
        for nonce in range(rounds):
            workflow = small_workflow(1)
            workflow["3"] = {"class_type": "ProbeSlow", "inputs": {**sleep, "nonce": nonce}}
            workflow["2"]["inputs"]["images"] = ["3", 0]
            job = client.submit(WorkflowRequest(workflow))
            next(event for event in job.events() if isinstance(event, Progressed) and event.progress.step)
            mock.requests.clear()
            started = time.perf_counter()
            job.cancel()
            with suppress(JobCancelled):
                job.result(10)
            ended.append((time.perf_counter() - started) * 1000)
            mock.wait_for_request(f"POST /api/jobs/{job.id}/cancel")
            told.append((time.perf_counter() - started) * 1000)
    print("\ncancelling a running job (wanted: ended here within 50 ms, the server told within 500 ms)")
    for name, each in (("ended here", ended), ("server told", told)):
        print(f"  {name:12} median {statistics.median(each):6.2f} ms   longest {max(each):6.2f} ms")
    report("cancel ends here", statistics.median(ended), f"median; longest {max(ended):.1f} ms")
    report("cancel is told", statistics.median(told), f"median; longest {max(told):.1f} ms")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: the figures mean little")
    parser.add_argument("--version", default="0.33.0", help="the mock server's release")
    arguments = parser.parse_args()
    few = 10 if arguments.quick else 1
    ready, told = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(told, arguments.version), daemon=True)
    server.start()
    url = ready.recv()
    print(f"Python {sys.version.split()[0]}, mock ComfyUI {arguments.version}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job_overhead(url, folder, 300 // few)
        big_output(url, folder, 5 if few == 1 else 1)
        many_at_once(url, folder, 1000 // few)
        flat(url, folder, 1000 // few)
        cancels(folder, 20 if few == 1 else 3)
    server.terminate()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
