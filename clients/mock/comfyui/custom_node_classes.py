"""The declarations of the recorded server's custom nodes."""

from __future__ import annotations

from collections.abc import Mapping

from .specs import SEED, NodeClass, Spec, choice, integer, number, text

_PROBE = "custom_nodes.probe_nodes"


def _probe(title: str, inputs: Mapping[str, Spec], *outputs: str, is_output: bool = False) -> NodeClass:
    return NodeClass(f"Probe: {title}", "probe", inputs, outputs, is_output=is_output, module=_PROBE)


PROBES: dict[str, NodeClass] = {
    "ProbeSlow": _probe(
        "Slow",
        {
            "image": ["IMAGE"],
            "steps": integer(8, 1, 10000),
            "delay": number(0.1, 0.0, 60.0),
            "previews": ["BOOLEAN", {"default": False}],
            "nonce": SEED,
        },
        "IMAGE",
    ),
    "ProbeSleep": _probe(
        "Sleep",
        {
            "image": ["IMAGE"],
            "seconds": number(1.0, 0.0, 600.0),
            "honour_interrupt": ["BOOLEAN", {"default": True}],
            "nonce": SEED,
        },
        "IMAGE",
    ),
    "ProbeSleepOut": _probe(
        "Sleep (output)",
        {"image": ["IMAGE"], "seconds": number(1.0, 0.0, 600.0), "nonce": SEED},
        is_output=True,
    ),
    "ProbeError": _probe(
        "Error",
        {"image": ["IMAGE"], "kind": choice("value", "oom", "keyerror"), "nonce": SEED},
        "IMAGE",
    ),
    "ProbeValidate": _probe("Validate", {"n": integer(0, 0, 1000)}, is_output=True),
    "ProbeText": _probe("Text", {"text": text(default="")}, is_output=True),
    "ProbeFill": _probe("Fill", {"steps": integer(100, 1, 100000), "nonce": SEED}, is_output=True),
    "ProbeHidden": _probe("Hidden", {"nonce": SEED}, is_output=True),
    "ProbeBigFile": _probe(
        "Big file",
        {"megabytes": integer(1, 0, 4096), "ext": text(default="bin"), "ui_key": text(default="files")},
        is_output=True,
    ),
    "ProbeBigText": _probe("Big text", {"kilobytes": integer(1, 0, 100000)}, is_output=True),
    "ProbeBlock": _probe("Block", {"image": ["IMAGE"], "message": text(default="")}, "IMAGE"),
    "ProbeCrash": _probe("Crash", {"nonce": SEED}, is_output=True),
    "ProbeMultiOut": _probe("Many outputs", {"nonce": SEED}, is_output=True),
    "ProbeExpand": _probe("Expand", {"image": ["IMAGE"], "count": integer(2, 1, 100), "nonce": SEED}, "IMAGE"),
    "ProbeAsync": _probe("Async", {"image": ["IMAGE"], "seconds": number(1.0, 0.0, 600.0), "nonce": SEED}, "IMAGE"),
}
