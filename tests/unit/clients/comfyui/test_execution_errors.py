"""Errors of a run: every recorded one, and the signs that have their own advice."""

import pytest
from support.recordings import COMFYUI_VERSIONS, comfyui, exchanges

from movie_director.clients.comfyui.execution_errors import (
    first_line,
    interrupted_error,
    is_blocked_output,
    run_error,
    unexplained_error,
)
from movie_director.clients.errors import GenerationError, NodeError, OutOfMemory


def recorded(version, scenario):
    lines = comfyui(version, scenario)
    prompts = {
        each.answer["json"]["prompt_id"]: each.request["json"]["prompt"]
        for each in exchanges(lines, "POST", "/prompt")
        if "json" in each.request and "prompt_id" in each.answer.get("json", {})
    }
    for line in lines:
        text = line.get("json")
        if line.get("event") == "text" and line["dir"] == "recv" and text and text["type"] == "execution_error":
            yield text["data"], prompts.get(text["data"]["prompt_id"], {})


@pytest.mark.parametrize("version", COMFYUI_VERSIONS)
def test_recorded_errors_name_node_class_and_reason(version):
    errors = [run_error(data, prompt) for data, prompt in recorded(version, "execution_errors")]
    messages = [error.message for error in errors]
    assert "'Broken' (ProbeError) failed: probe: bad value 42." in messages
    assert "'Broken' (ProbeError) failed: 'missing'." in messages
    assert "The GPU ran out of memory at 'Broken'." in messages
    for error in errors:
        assert error.hint
        assert "tensor(" not in str(error.context), "dumps of tensors stay out"
        assert error.context["node_type"]


def test_a_node_error_has_the_node_in_its_attributes():
    data, prompt = next(recorded("0.33.0", "execution_errors"))
    error = run_error(data, prompt)
    assert isinstance(error, NodeError)
    assert (error.node_id, error.node_type, error.code) == ("2", "ProbeError", "node_failed")
    assert "execution.py" in error.context["details"]


def test_a_blocked_output_is_told_apart():
    blocked = [is_blocked_output(data) for data, _ in recorded("0.33.0", "blocked_and_odd")]
    assert True in blocked
    assert not any(is_blocked_output(data) for data, _ in recorded("0.33.0", "execution_errors"))


@pytest.mark.parametrize(
    "data",
    [
        {"exception_type": "torch.cuda.OutOfMemoryError", "exception_message": "CUDA out of memory"},
        {"exception_type": "RuntimeError", "exception_message": "Allocation on device 0 failed"},
    ],
)
def test_out_of_memory_in_all_its_names(data):
    error = run_error({**data, "node_id": "1"}, {})
    assert isinstance(error, OutOfMemory)
    assert "smaller" in error.hint
    assert "Free the server's memory" in error.hint


@pytest.mark.parametrize(
    ("kind", "message", "advice"),
    [
        ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied", "matching pair"),
        ("FileNotFoundError", "x", "missing or damaged"),
        ("SafetensorError", "Error while deserializing header: x", "missing or damaged"),
        ("Exception", "Saving image outside the output folder is not allowed", "file prefix"),
        ("Exception", "401 Unauthorized", "Comfy-Org-Api-Key"),
        ("ValueError", "bad value 4010", "server's log"),
    ],
)
def test_signs_with_advice_of_their_own(kind, message, advice):
    assert advice in run_error({"exception_type": kind, "exception_message": message}, {}).hint


def test_an_error_that_says_nothing():
    assert "gave no reason" in run_error({}, {}).message
    assert run_error({"exception_type": "KeyError", "traceback": 5}, {}).message.endswith("failed: KeyError.")


def test_an_expanded_node_is_named_by_the_one_it_stands_for():
    prompt = {"2": {"class_type": "Loop", "_meta": {"title": "My loop"}}}
    assert "'My loop' (Inner)" in run_error({"node_id": "2.0.0.1", "node_type": "Inner"}, prompt).message


def test_interrupted_by_someone_else():
    error = interrupted_error({"node_id": "2"}, {"2": {"class_type": "KSampler"}})
    assert error.code == "interrupted"
    assert error.retryable
    assert "'KSampler'" in error.message
    assert "Someone else" in interrupted_error({}, {}).message


def test_an_unexplained_failure_is_a_generation_error():
    assert type(unexplained_error()) is GenerationError


@pytest.mark.parametrize(("text", "line"), [("a.\nb", "a"), ("", ""), (None, ""), ("\n\n x \n", "x"), (5, "5")])
def test_the_first_line_of_a_message(text, line):
    assert first_line(text) == line


def test_a_message_is_bounded():
    assert len(first_line("x" * 10_000)) == 400
