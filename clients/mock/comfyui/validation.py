"""Validates a prompt as POST /prompt does in ComfyUI: the same errors, with the same messages.

Facts: recorded responses of releases 0.33.0, 0.3.64 and 0.3.40 (tests/recordings/comfyui, prompt_errors).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .object_info import NODE_CLASSES
from .specs import DYNAMIC, NodeClass, Spec
from .versions import Version

Prompt = dict[str, Any]
Problem = dict[str, Any]

FAILED = "prompt_outputs_failed_validation"


@dataclass
class Verdict:
    """The result of validation. ``error`` None: the prompt may run; ``outputs`` are its valid output nodes."""

    error: Problem | None = None
    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, Any] = field(default_factory=dict)


def problem(kind: str, message: str, details: str = "", extra: dict[str, Any] | None = None) -> Problem:
    """Make an error object as the server writes it."""
    return {"type": kind, "message": message, "details": details, "extra_info": {} if extra is None else extra}


def validate(prompt: Prompt, version: Version, has_file: Callable[[str], bool], targets: list[str] | None) -> Verdict:
    """Validate a prompt. Raise the exceptions of the real server's handler (answered with 500).

    The outputs come in the order of the prompt; those of the real server in any order.
    """
    for node_id in prompt:
        missing = _missing_class(prompt, node_id, version)
        if missing is not None:
            return Verdict(missing)
    outputs = [key for key in prompt if NODE_CLASSES[prompt[key]["class_type"]].is_output]
    if targets is not None and version.partial_targets:
        outputs = [key for key in outputs if key in targets]
    if not outputs:
        return Verdict(problem("prompt_no_outputs", "Prompt has no outputs"))
    return _Validation(prompt, version, has_file).judge(outputs)


def _missing_class(prompt: Prompt, node_id: str, version: Version) -> Problem | None:
    node = prompt[node_id]
    has_class = "class_type" in node
    known = NODE_CLASSES.get(node["class_type"]) if has_class else None
    if known is not None and known.is_in(version):
        return None
    where = f"Node ID '#{node_id}'"
    if not version.named_missing_nodes:
        if has_class:
            return problem("invalid_prompt", f"Cannot execute because node {node['class_type']} does not exist.", where)
        return problem("invalid_prompt", "Cannot execute because a node is missing the class_type property.", where)
    class_type = node.get("class_type")
    title = node.get("_meta", {}).get("title", class_type)
    message = f"Node '{title}' not found. The custom node may not be installed."
    if not has_class:
        message = f"Node '{title}' has no class_type. The workflow may be corrupted or a custom node is missing."
    extra = {"node_id": node_id, "class_type": class_type, "node_title": title}
    return problem("missing_node_type", message, where, extra)


class _Validation:
    def __init__(self, prompt: Prompt, version: Version, has_file: Callable[[str], bool]) -> None:
        self._prompt = prompt
        self._version = version
        self._has_file = has_file
        self._done: dict[str, list[Problem]] = {}
        self._open: list[str] = []

    def judge(self, outputs: list[str]) -> Verdict:
        verdict = Verdict()
        details = []
        for output in outputs:
            own = self._judge_output(output)
            if not own and all(not self._done[node_id] for node_id in self._judged_behind(output)):
                verdict.outputs.append(output)
                continue
            details += [f"{each['message']}: {each['details']}" for each in own if each["type"] not in _SILENT]
            for node_id in self._judged_behind(output):
                self._blame(verdict.node_errors, node_id, output)
        if not verdict.outputs:
            verdict.error = problem(FAILED, "Prompt outputs failed validation", "\n".join(details))
        return verdict

    def _judge_output(self, output: str) -> list[Problem]:
        try:
            return self._judge_node(output)
        except RecursionError:
            return [{"type": "cycle", "message": "", "details": ""}]
        except _HANDLER_ERRORS as error:
            extra = {"exception_type": type(error).__name__, "traceback": _traceback("validate_prompt")}
            self._done[output] = [
                problem("exception_during_validation", "Exception when validating node", str(error), extra)
            ]
            return self._done[output]

    def _judged_behind(self, output: str) -> list[str]:
        """Return ``output`` and the judged nodes that it depends on."""
        seen = {output: None}
        stack = [output]
        while stack:
            for value in self._prompt[stack.pop()].get("inputs", {}).values():
                if _is_link(value) and value[0] in self._done and value[0] not in seen:
                    seen[value[0]] = None
                    stack.append(value[0])
        return list(seen)

    def _blame(self, node_errors: dict[str, Any], node_id: str, output: str) -> None:
        if self._done.get(node_id):
            entry = node_errors.setdefault(
                node_id,
                {
                    "errors": self._done[node_id],
                    "dependent_outputs": [],
                    "class_type": self._prompt[node_id]["class_type"],
                },
            )
            entry["dependent_outputs"].append(output)

    def _judge_node(self, node_id: str) -> list[Problem]:
        if node_id in self._done:
            return self._done[node_id]
        if node_id in self._open:
            return self._cycle(node_id)
        inputs = self._prompt[node_id]["inputs"]
        node = NODE_CLASSES[self._prompt[node_id]["class_type"]]
        self._open.append(node_id)
        try:
            found = [
                each for name, spec in _inputs_to_judge(node, inputs) for each in self._judge_input(inputs, name, spec)
            ]
        finally:
            self._open.remove(node_id)
        if not found:
            found = self._judge_whole(self._prompt[node_id]["class_type"], inputs)
        self._done.setdefault(node_id, found)
        return self._done[node_id]

    def _cycle(self, node_id: str) -> list[Problem]:
        if not self._version.cycle_errors:
            raise RecursionError
        nodes = self._open[self._open.index(node_id) :]
        path = " -> ".join(f"{each} ({self._prompt[each]['class_type']})" for each in [*nodes, node_id])
        for each in nodes:
            extra = {"node_id": each, "cycle_nodes": nodes}
            self._done[each] = [problem("dependency_cycle", "Dependency cycle detected", path, extra)]
        return self._done[node_id]

    def _judge_input(self, inputs: dict[str, Any], name: str, spec: Spec) -> list[Problem]:
        if name not in inputs:
            bare = name.rpartition(".")[2]
            return [problem("required_input_missing", "Required input is missing", bare, {"input_name": name})]
        value = inputs[name]
        if isinstance(value, dict) and "__value__" in value:
            value = inputs[name] = value["__value__"]
            return []
        config = [spec[0], spec[1] if len(spec) > 1 else {}]
        if isinstance(value, list):
            return self._judge_link(value, name, config)
        return self._judge_value(inputs, name, config)

    def _judge_link(self, value: list[Any], name: str, config: Spec) -> list[Problem]:
        extra = {"input_name": name, "input_config": config}
        if len(value) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return [problem("bad_linked_input", message, name, {**extra, "received_value": value})]
        source, slot = value
        kind = NODE_CLASSES[self._prompt[source]["class_type"]].outputs_in(self._version)[slot]
        wanted = config[0] if isinstance(config[0], str) else "COMBO"
        if wanted not in (kind, "*"):
            details = f"{name}, received_type({kind}) mismatch input_type({wanted})"
            extra |= {"received_type": kind, "linked_node": value}
            return [problem("return_type_mismatch", "Return type mismatch between linked nodes", details, extra)]
        try:
            self._judge_node(source)
        except _HANDLER_ERRORS as error:
            extra |= {
                "exception_message": str(error),
                "exception_type": type(error).__name__,
                "traceback": _traceback("validate_inputs"),
                "linked_node": value,
            }
            message = "Exception when validating inner node"
            self._done[source] = [problem("exception_during_inner_validation", message, str(error), extra)]
        return []

    def _judge_value(self, inputs: dict[str, Any], name: str, config: Spec) -> list[Problem]:
        kind, options = config
        extra = {"input_name": name, "input_config": config}
        if kind == DYNAMIC:
            kind = [option["key"] for option in options["options"]]
        if isinstance(kind, list):
            return self._judge_choice(inputs[name], name, [kind, options], extra)
        value = inputs[name]
        if kind in _CONVERTERS:
            try:
                value = inputs[name] = _CONVERTERS[kind](value)
            except (ValueError, TypeError) as error:
                details = f"{name}, {value}, {error}"
                extra |= {"received_value": value, "exception_message": str(error)}
                message = f"Failed to convert an input value to a {kind} value"
                return [problem("invalid_input_type", message, details, extra)]
        extra["received_value"] = value
        if "min" in options and value < options["min"]:
            message = f"Value {value} smaller than min of {options['min']}"
            return [problem("value_smaller_than_min", message, name, extra)]
        if "max" in options and value > options["max"]:
            message = f"Value {value} bigger than max of {options['max']}"
            return [problem("value_bigger_than_max", message, name, extra)]
        return []

    def _judge_choice(self, value: Any, name: str, config: Spec, extra: dict[str, Any]) -> list[Problem]:
        choices, options = config
        if value in choices or options.get("image_upload") or options.get("audio_upload"):
            return []
        extra["received_value"] = value
        return [problem("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {choices}", extra)]

    def _judge_whole(self, class_type: str, inputs: dict[str, Any]) -> list[Problem]:
        """Make the check that the node class itself defines."""
        name = text = None
        if class_type in ("LoadImage", "LoadImageMask") and isinstance(inputs["image"], str):
            if not self._has_file(inputs["image"]):
                name, text = "image", f"Invalid image file: {inputs['image']}"
        elif class_type == "LoadAudio" and not self._has_file(str(inputs["audio"])):
            name, text = "audio", f"Invalid audio file: {inputs['audio']}"
        elif class_type == "ProbeValidate" and inputs["n"] % 2:
            name, text = "n", "n must be even"
        if name is None:
            return []
        message = "Custom validation failed for node"
        return [problem("custom_validation_failed", message, f"{name} - {text}", {"input_name": name})]


_HANDLER_ERRORS = (KeyError, IndexError, TypeError)
_SILENT = ("exception_during_validation", "exception_during_inner_validation", "dependency_cycle", "cycle")
_CONVERTERS: dict[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


def _inputs_to_judge(node: NodeClass, inputs: dict[str, Any]) -> Iterator[tuple[str, Spec]]:
    """Yield the inputs to judge: required ones, those that a choice adds, and the optional ones that are given."""
    for name, spec in node.inputs.items():
        yield name, spec
        if spec[0] == DYNAMIC:
            for option in spec[1]["options"]:
                if option["key"] == inputs.get(name):
                    yield from ((f"{name}.{own}", each) for own, each in option["inputs"]["required"].items())
    yield from ((name, spec) for name, spec in node.optional.items() if name in inputs)


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _traceback(first: str) -> list[str]:
    places = ((first, 1184), ("validate_inputs", 935))
    return [f'  File "/srv/comfyui/execution.py", line {line}, in {name}\n    ...\n' for name, line in places]
