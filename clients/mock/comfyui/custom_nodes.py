"""The custom nodes of the recorded server: delays, previews, errors, big outputs, nodes within nodes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from ..media.picture import Sketch
from .node_base import AsyncNode, ExecutionBlocker, Node, NodeContext, NodeFailure, Result

PREVIEW = "image/jpeg"
DYING_S = 0.2
CRASH_S = 3.0
"""Seconds that a server is gone whose process a node has ended."""
ASYNC_STEPS = 3


def _probe_slow(run: NodeContext, inputs: dict[str, Any]) -> Result:
    steps = inputs["steps"]
    sketch = Sketch(inputs["image"][0], inputs["nonce"]) if inputs["previews"] else None
    for step in range(1, steps + 1):
        run.work(inputs["delay"], honour_interrupt=False)
        run.progress(step, steps, (PREVIEW, sketch.at(step / steps)) if sketch is not None else None)
    return Result((inputs["image"],))


def _probe_sleep(run: NodeContext, inputs: dict[str, Any]) -> Result:
    run.work(inputs["seconds"], honour_interrupt=inputs["honour_interrupt"])
    return Result((inputs["image"],))


def _probe_sleep_out(run: NodeContext, inputs: dict[str, Any]) -> Result:
    run.work(inputs["seconds"], honour_interrupt=False)
    return Result((), {"text": ["slept"]})


def _probe_error(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    if inputs["kind"] == "oom":
        raise NodeFailure.out_of_memory()
    if inputs["kind"] == "keyerror":
        raise KeyError("missing")
    raise ValueError("probe: bad value 42")


def _probe_validate(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    return Result((), {"text": [str(inputs["n"])]})


def _probe_text(run: NodeContext, inputs: dict[str, Any]) -> Result:
    run.send_progress_text(inputs["text"])
    return Result((), {"text": [inputs["text"]]})


def _probe_fill(run: NodeContext, inputs: dict[str, Any]) -> Result:
    for step in range(1, inputs["steps"] + 1):
        run.progress(step, inputs["steps"])
    return Result((), {"text": [str(inputs["steps"])]})


def _probe_hidden(run: NodeContext, _inputs: dict[str, Any]) -> Result:
    key, token = (len(run.secrets.get(name, "")) for name in ("api_key_comfy_org", "auth_token_comfy_org"))
    return Result((), {"text": [f"api key: {key}; token: {token}"]})


def _probe_big_file(run: NodeContext, inputs: dict[str, Any]) -> Result:
    block = hashlib.sha256(b"big").digest() * 32768
    name = f"big_{inputs['megabytes']}.{inputs['ext']}"
    run.files.put("output", "", name, block * inputs["megabytes"])
    item = {"filename": name, "subfolder": "", "type": "output"}
    return Result((), {inputs["ui_key"]: [item]})


def _probe_big_text(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    return Result((), {"text": ["x" * (1024 * inputs["kilobytes"])]})


def _probe_block(_run: NodeContext, inputs: dict[str, Any]) -> Result:
    return Result((ExecutionBlocker(inputs["message"]),))


def _probe_crash(run: NodeContext, _inputs: dict[str, Any]) -> Result:
    run.work(DYING_S)
    return run.crash(CRASH_S)


def _probe_multi_out(run: NodeContext, _inputs: dict[str, Any]) -> Result:
    for name in ("clip.mp4", "mesh.glb"):
        run.files.put("output", "", name, b"probe" * 10)
    clip = {"filename": "clip.mp4", "subfolder": "", "type": "output", "format": "video/h264-mp4", "frame_rate": 8.0}
    ui = {
        "gifs": [{**clip, "workflow": "clip.png", "fullpath": "/srv/comfyui/output/clip.mp4"}],
        "result": ["mesh.glb", None, None],
        "3d": [{"filename": "mesh.glb", "subfolder": "", "type": "output"}],
        "model_file": ["mesh.glb"],
        "a_number": [1.5],
        "animated": [True],
    }
    return Result((), ui)


def _probe_expand(run: NodeContext, inputs: dict[str, Any]) -> Result:
    images = inputs["image"]
    for number in range(1, inputs["count"] + 1):
        own = {"image": images, "steps": 2, "delay": 0.05, "previews": False, "nonce": number}
        images = run.expand(f"0.0.{number}", partial(_probe_slow, run, own)).outputs[0]
    return Result((images,))


def _probe_async(run: NodeContext, inputs: dict[str, Any]) -> Iterator[float | Result]:
    """Yield the seconds of each sleep, in which other nodes run, and at last the result."""
    for step in range(1, ASYNC_STEPS + 1):
        yield inputs["seconds"] / ASYNC_STEPS
        run.progress(step, ASYNC_STEPS)
    yield Result((inputs["image"],))


PROBE_NODES: dict[str, Node] = {
    "ProbeSlow": _probe_slow,
    "ProbeSleep": _probe_sleep,
    "ProbeSleepOut": _probe_sleep_out,
    "ProbeError": _probe_error,
    "ProbeValidate": _probe_validate,
    "ProbeText": _probe_text,
    "ProbeFill": _probe_fill,
    "ProbeHidden": _probe_hidden,
    "ProbeBigFile": _probe_big_file,
    "ProbeBigText": _probe_big_text,
    "ProbeBlock": _probe_block,
    "ProbeCrash": _probe_crash,
    "ProbeMultiOut": _probe_multi_out,
    "ProbeExpand": _probe_expand,
}

ASYNC_NODES: dict[str, AsyncNode] = {"ProbeAsync": _probe_async}
