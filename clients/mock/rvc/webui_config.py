"""The functions of RVC-WebUI's two generations, in the order of their ``/config``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

YES_NO = ("radio", "No", ["Yes", "No"])
TEXT = ("textbox", "")
NUMBER = ("number", 0)
BUTTON = ("button", "")
VOICE = ("dropdown", "")

Spec = tuple[Any, ...]


@dataclass(frozen=True)
class Function:
    """One function: ``inputs`` are the kinds, values and choices of its components, ``button`` starts it."""

    name: str
    inputs: tuple[Spec, ...] = ()
    outputs: int = 1
    button: str = ""
    queue: bool | None = None
    generator: bool = False


@dataclass(frozen=True)
class Program:
    """One generation of the program."""

    version: str
    functions: tuple[Function, ...]
    queue_status: dict[str, Any]
    not_json: dict[str, Any] = field(
        default_factory=lambda: {
            "detail": [
                {
                    "loc": ["body", 0],
                    "msg": "Expecting value: line 1 column 1 (char 0)",
                    "type": "value_error.jsondecode",
                    "ctx": {"msg": "Expecting value", "doc": "nope", "pos": 0, "lineno": 1, "colno": 1},
                }
            ]
        }
    )

    @property
    def tells_types(self) -> bool:
        """True if the configuration marks generator functions."""
        return not self.version.startswith("3.14")

    def number(self, name: str) -> int | None:
        """Return the number of a function; None if no function has that name."""
        return next((at for at, each in enumerate(self.functions) if each.name == name), None)


def _f0(*choices: str) -> Spec:
    return ("radio", "rmvpe", list(choices))


_RATE = ("radio", "40k", ["40k", "48k"])
_PITCHED = ("radio", True, [True, False])
_VERSION = ("radio", "v2", ["v1", "v2"])
_CHANGE = (VOICE, NUMBER, NUMBER)


def _train() -> tuple[Spec, ...]:
    """Return the 14 inputs of ``train_start``."""
    paths = (("textbox", "assets/pretrained_v2/f0G40k.pth"), ("textbox", "assets/pretrained_v2/f0D40k.pth"))
    return (TEXT, _RATE, _PITCHED, NUMBER, NUMBER, NUMBER, NUMBER, YES_NO, *paths, TEXT, YES_NO, YES_NO, _VERSION)


def _train_all(f0: Spec) -> tuple[Spec, ...]:
    """Return the 18 inputs of ``train_start_all``."""
    one = _train()
    return (*one[:3], TEXT, NUMBER, NUMBER, f0, *one[4:], ("textbox", "-"))


def _ckpt() -> tuple[Function, ...]:
    return (
        Function("ckpt_merge", (TEXT, TEXT, NUMBER, _RATE, YES_NO, TEXT, TEXT, _VERSION), 1, "Merge"),
        Function("ckpt_modify", (TEXT, TEXT, TEXT), 1, "Modify"),
        Function("ckpt_show", (TEXT,), 1, "View"),
        Function("", (TEXT,), 3, "path"),
        Function("ckpt_extract", (TEXT, TEXT, _RATE, YES_NO, TEXT, _VERSION), 1, "Extract"),
    )


_F0_MAIN, _F0_2023 = _f0("pm", "rmvpe"), _f0("pm", "harvest", "dio", "rmvpe", "rmvpe_gpu")
_PREPROCESS = (TEXT, TEXT, _RATE, NUMBER)

MAIN = Program(
    "3.14.0",
    (
        Function("infer_clean", (), 1, "Unload"),
        Function("infer_refresh", (), 1, "Refresh"),
        Function(
            "infer_convert",
            (NUMBER, ("audio", None), NUMBER, _f0("pm", "rmvpe", "fcpe"), TEXT, *(NUMBER,) * 4),
            2,
            "Convert",
        ),
        Function("infer_convert_batch", (*(NUMBER,) * 12,), 1, "Convert all", generator=True),
        Function("infer_change_voice", _CHANGE, 5),
        Function("", (TEXT,), 1, "mode", queue=False),
        Function("pymss_separate", (*(TEXT,) * 6,), 4, "Separate", generator=True),
        Function("", (), 2, "Stop separation", queue=False),
        Function("train_preprocess", _PREPROCESS, 3, "Process", generator=True),
        Function("", (), 3, "Stop data preprocessing", queue=False),
        Function("", (TEXT,), 1, "method"),
        Function(
            "train_extract_f0_feature",
            (TEXT, NUMBER, _F0_MAIN, _PITCHED, TEXT, _VERSION, TEXT),
            3,
            "Extract",
            generator=True,
        ),
        Function("", (), 3, "Stop feature extraction", queue=False),
        *(Function("", (TEXT, TEXT, TEXT), 2, each) for each in ("rate", "version", "pitched")),
        Function("train_start", _train(), 4, "Train", generator=True),
        Function("", (), 3, "Stop model training", queue=False),
        Function("", (TEXT, TEXT), 3, "Train feature index", generator=True),
        Function("", (), 3, "Stop index training", queue=False),
        Function("train_start_all", _train_all(_F0_MAIN), 4, "One-click training", generator=True),
        Function("", (), 3, "Stop one-click training", queue=False),
        *_ckpt(),
    ),
    {
        "msg": "estimation",
        "rank": None,
        "queue_size": 0,
        "avg_event_process_time": None,
        "avg_event_concurrent_process_time": None,
        "rank_eta": None,
        "queue_eta": 1,
    },
)

OF_2023 = Program(
    "3.34.0\n",
    (
        Function("infer_clean", (), 1, "Unload"),
        Function("infer_refresh", (), 2, "Refresh"),
        Function(
            "infer_convert",
            (
                *(NUMBER, TEXT, NUMBER, ("file", None), _f0("pm", "harvest", "crepe", "rmvpe"), TEXT, VOICE),
                *(NUMBER,) * 5,
            ),
            2,
            "Convert",
        ),
        Function("infer_refresh_batch", (), 1, "Refresh"),
        Function("infer_convert_batch", (*(NUMBER,) * 14,), 1, "Convert all", generator=True),
        Function("infer_change_voice", _CHANGE, 5),
        Function("uvr_convert", (*(TEXT,) * 7,), 1, "Separate"),
        Function("train_preprocess", _PREPROCESS, 1, "Process", generator=True),
        Function("", (TEXT,), 1, "method"),
        Function(
            "train_extract_f0_feature",
            (TEXT, NUMBER, _F0_2023, _PITCHED, TEXT, _VERSION, TEXT),
            1,
            "Extract",
            generator=True,
        ),
        *(Function("", (TEXT, TEXT, TEXT), 2, each) for each in ("rate", "version", "pitched")),
        Function("train_start", _train(), 1, "Train"),
        Function("", (TEXT, TEXT), 1, "Train feature index", generator=True),
        Function("train_start_all", _train_all(_F0_2023), 1, "One-click training", generator=True),
        *_ckpt(),
        Function("export_onnx", (TEXT, TEXT), 1, "Export"),
    ),
    {
        "msg": "estimation",
        "rank": None,
        "queue_size": 0,
        "avg_event_process_time": 0.0,
        "avg_event_concurrent_process_time": None,
        "rank_eta": None,
        "queue_eta": 1.0,
    },
)


def make_config(program: Program, voices: list[str]) -> dict[str, Any]:
    """Make the response of GET /config."""
    components: list[dict[str, Any]] = []

    def add(kind: str, **props: Any) -> int:
        components.append({"id": len(components) + 1, "type": kind, "props": props})
        return len(components)

    dependencies = []
    for function in program.functions:
        inputs = [add(*spec[:1], **dict(_props(spec, voices))) for spec in function.inputs]
        outputs = [add("textbox", value="") for _ in range(function.outputs)]
        target = add("button", value=function.button)
        dependencies.append(_dependency(program, function, inputs, outputs, target))
    config: dict[str, Any] = {"version": program.version, "mode": "blocks", "dev_mode": False}
    config |= {"analytics_enabled": False} if program.tells_types else {"theme": "default"}
    config |= {"title": "RVC WebUI", "is_space": False, "enable_queue": True, "show_error": False, "show_api": True}
    config |= {"is_colab": False}
    config |= {"theme": "default", "root": ""} if program.tells_types else {}
    return {**config, "components": components, "dependencies": dependencies}


def _props(spec: Spec, voices: list[str]) -> Iterator[tuple[str, Any]]:
    yield "value", spec[1]
    if spec is VOICE:
        yield "choices", voices
    elif len(spec) > 2:
        yield "choices", spec[2]


def _dependency(
    program: Program, function: Function, inputs: list[int], outputs: list[int], target: int
) -> dict[str, Any]:
    entry: dict[str, Any] = {"targets": [target], "trigger": "click", "inputs": inputs, "outputs": outputs}
    entry |= {"backend_fn": True, "js": None, "queue": function.queue, "api_name": function.name or None}
    if program.tells_types:
        entry["types"] = {"continuous": False, "generator": function.generator}
    return entry
