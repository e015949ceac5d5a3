"""What a server says against a workflow: every refusal that was recorded, and those of other releases."""

import pytest
from support.recordings import COMFYUI_VERSIONS, comfyui, exchanges

from movie_director.clients.comfyui.validation_errors import make_refusal, missing_node, node_problems
from movie_director.clients.comfyui.workflow.combo_choices import choices_of, combo_choices
from movie_director.clients.errors import MissingResource, ProtocolError, ValidationError

# The recorder's note -> error code, words of the message
RECORDED = {
    "unknown class_type": ("missing_node", ["'NoSuchNode'"]),
    "no inputs key": ("workflow_refused", ["damaged at node 'Invert'"]),
    "link to a node that is not there": ("workflow_refused", ["damaged at node 'Invert'", "'99'"]),
    "link slot out of range": ("workflow_refused", ["damaged at node 'Invert'", "tuple index out of range"]),
    "link of the wrong type": ("workflow_refused", ["'Source'", "'width'", "connected to an output of type IMAGE"]),
    "link malformed": ("workflow_refused", ["'Invert'", "the link to input 'image' is broken"]),
    "required link input missing": ("workflow_refused", ["'Invert': input 'image' is not connected"]),
    "required widget missing": ("workflow_refused", ["'Source': input 'width' is not connected or not set"]),
    "int below min": ("workflow_refused", ["'width' must be between 1 and 16384, it is 0"]),
    "int above max": ("workflow_refused", ["'width' must be between 1 and 16384, it is 999999"]),
    "int as text that does not parse": ("workflow_refused", ["'width' needs a whole number, not 'wide'"]),
    "null for int": ("workflow_refused", ["needs a whole number, not None"]),
    "two node errors": ("workflow_refused", ["'width' must be between", "'Result': input 'filename_prefix'"]),
    "LoadImage of a missing file (custom validation)": ("workflow_refused", ["Invalid image file: nosuch.png"]),
    "combo value not in list": ("workflow_refused", ["'magic' is not a choice for 'upscale_method'", "lanczos"]),
    "model file not installed": ("missing_model", ["'missing.safetensors' is not on the server"]),
    "VALIDATE_INPUTS of a custom node refuses": ("workflow_refused", ["n must be even"]),
    "no output node": ("no_outputs", ["no node that saves or previews"]),
    "empty prompt {}": ("no_outputs", ["no node that saves or previews"]),
}
NEW_ONLY = {"cycle": ("workflow_refused", ["nodes form a loop", "2 (ImageInvert) -> 4 (ImageInvert)"])}
OLD_ONLY = {"cycle": ("workflow_refused", ["Prompt outputs failed validation"])}


def recorded(version):
    found = {}
    for exchange in exchanges(comfyui(version, "prompt_errors"), "POST", "/prompt"):
        if exchange.answer["status"] == 400:
            found.setdefault(exchange.note, exchange)
    return found


CASES = [
    pytest.param(version, note, *expected, id=f"{version} {note}")
    for version in COMFYUI_VERSIONS
    for note, expected in {**RECORDED, **(NEW_ONLY if version == "0.33.0" else OLD_ONLY)}.items()
]


@pytest.mark.parametrize(("version", "note", "code", "words"), CASES)
def test_a_recorded_refusal(version, note, code, words):
    exchange = recorded(version)[note]
    error = make_refusal(exchange.answer["json"], exchange.request["json"]["prompt"])
    assert error.code == code
    assert error.hint
    assert error.backend == "comfyui"
    for word in words:
        assert word in error.message
    if isinstance(error, ValidationError):
        assert all(problem in error.message or code == "no_outputs" for problem in error.problems)


@pytest.mark.parametrize("version", COMFYUI_VERSIONS)
def test_no_recorded_refusal_is_taken_for_another_server(version):
    for exchange in recorded(version).values():
        prompt = exchange.request.get("json", {})
        prompt = prompt.get("prompt") if isinstance(prompt, dict) else {}
        error = make_refusal(exchange.answer["json"], prompt if isinstance(prompt, dict) else {})
        assert isinstance(error, (ValidationError, MissingResource)), exchange.note


def test_a_missing_node_names_the_class_not_the_title():
    error = make_refusal(recorded("0.33.0")["unknown class_type"].answer["json"], {})
    assert isinstance(error, MissingResource)
    assert (error.kind, error.name, error.nearest) == ("node", "NoSuchNode", ())


def test_a_missing_node_with_what_is_like_it_and_what_else_is_missing():
    error = missing_node("KSamplr", ("KSampler",), ("Other",))
    assert error.message == ("The ComfyUI server does not have the node 'KSamplr' (nor 'Other'). It has 'KSampler'.")
    assert error.context["missing"] == ["KSamplr", "Other"]


def answer(node_errors, error=None):
    return {"error": error or {"type": "prompt_outputs_failed_validation", "message": "m"}, "node_errors": node_errors}


def one_error(kind, **extra):
    return answer({"1": {"errors": [{"type": kind, "message": "Said", "details": "more", "extra_info": extra}]}})


def test_a_model_that_is_missing_names_what_is_near_it():
    config = ["COMBO", {"options": ["sd_xl_base.safetensors", "other.ckpt"]}]
    error = make_refusal(
        one_error(
            "value_not_in_list", input_name="ckpt_name", received_value="sd_xl_bas.safetensors", input_config=config
        ),
        {},
    )
    assert isinstance(error, MissingResource)
    assert (error.kind, error.name, error.nearest) == (
        "model",
        "sd_xl_bas.safetensors",
        ("sd_xl_base.safetensors",),
    )
    assert "similar ones are sd_xl_base.safetensors" in error.message


def test_a_missing_model_among_other_problems_is_one_problem_of_several():
    errors = [
        {"type": "value_not_in_list", "extra_info": {"received_value": "a.ckpt", "input_name": "m"}},
        {"type": "required_input_missing", "details": "x"},
    ]
    error = make_refusal(answer({"1": {"errors": errors, "class_type": "Loader"}}), {"1": {"class_type": "Loader"}})
    assert isinstance(error, ValidationError)
    assert error.problems == (
        "'Loader': the model file 'a.ckpt' is not on the server.",
        "'Loader': input 'x' is not connected or not set.",
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (one_error("something_new"), "'1': Said more."),
        (answer({"1": {"errors": [{"type": "something_new"}]}}), "'1': it was rejected."),
        (
            one_error("value_not_in_list", input_name="a", received_value=3),
            "3 is not a choice for 'a'. ComfyUI: Said more.",
        ),
        (one_error("value_not_in_list", input_name="a"), "'1', input 'a': Said more."),
        (one_error("value_smaller_than_min", input_name="a", received_value=3), "input 'a': Said more (it is 3)."),
        (
            one_error("value_bigger_than_max", input_name="a", input_config=["INT"], received_value=3),
            "'1', input 'a': Said more (it is 3).",
        ),
        (
            one_error("value_bigger_than_max", input_name="a", input_config=["INT", {"max": 2}], received_value=3),
            "'1': 'a' must be at most 2, it is 3.",
        ),
        (
            one_error("value_smaller_than_min", input_name="a", input_config=["INT", {"min": 4, "max": True}]),
            "'1': 'a' must be at least 4. ComfyUI: Said more.",
        ),
        (
            one_error("invalid_input_type", input_name="a", input_config=["FLOAT"], received_value="b"),
            "'a' needs a number, not 'b'.",
        ),
        (
            one_error("invalid_input_type", input_name="a", input_config=["BOOLEAN"]),
            "needs true or false. ComfyUI: Said more.",
        ),
        (
            one_error("invalid_input_type", input_name="a", input_config=["MASK"], received_value=None),
            "a MASK, not None.",
        ),
        (one_error("invalid_input_type", input_name="a"), "'1', input 'a': Said more."),
        (one_error("return_type_mismatch", input_name="a"), "'1', input 'a': Said more."),
        (one_error("return_type_mismatch", input_name="a", received_type="CLIP"), "to an output of type CLIP."),
        (
            one_error("return_type_mismatch", input_name="a", received_type="CLIP", input_config=["MODEL", {}]),
            "to an output of type CLIP, it needs MODEL.",
        ),
        (one_error("custom_validation_failed"), "'1': more."),
        (one_error("exception_during_validation"), "damaged at node '1', input 'more': Said more."),
        (one_error("dependency_cycle"), "nodes form a loop: more."),
        (answer({"1": {"errors": [{"type": "custom_validation_failed"}]}}), "'1': it was rejected."),
        (answer({"1": {"errors": [{"type": "exception_during_validation"}]}}), "input '?': no reason is given."),
        (answer({"1": {"errors": [{"type": "value_bigger_than_max"}]}}), "'1': it was rejected."),
        (answer({"1": {"errors": [{"type": "required_input_missing"}]}}), "input '?'"),
    ],
)
def test_refusals_of_other_releases(body, words):
    error = make_refusal(body, {})
    assert words in error.message


def test_what_the_server_said_of_each_field_is_kept():
    config = ["INT", {"min": 1, "max": 2, "default": 1}]
    errors = [
        {
            "type": "value_bigger_than_max",
            "message": "Value 9 bigger than max of 2",
            "details": "steps",
            "extra_info": {"input_name": "steps", "received_value": 9, "input_config": config},
        },
        {"type": "custom_validation_failed", "message": "m" * 600, "extra_info": {"received_value": ["x"]}},
    ]
    error = make_refusal(answer({"1": {"errors": errors}}), {"1": {"class_type": "KSampler"}})
    assert error.context["reported"] == [
        {
            "node": "KSampler",
            "input": "steps",
            "type": "value_bigger_than_max",
            "message": "Value 9 bigger than max of 2",
            "details": "steps",
            "received_value": 9,
            "min": 1,
            "max": 2,
        },
        {"node": "KSampler", "type": "custom_validation_failed", "message": "m" * 500, "received_value": "['x']"},
    ]
    assert error.problems[0] == "'KSampler': 'steps' must be between 1 and 2, it is 9."


def test_no_refusal_says_what_nobody_knows():
    for kind in ("value_smaller_than_min", "value_bigger_than_max", "invalid_input_type", "value_not_in_list"):
        for extra in ({}, {"input_name": "a"}, {"received_value": None}, {"input_config": [[], {}]}):
            error = make_refusal(one_error(kind, **extra), {})
            assert "?" not in error.message
            assert "None" not in error.message or "received_value" in extra
            assert "more" in error.message


def test_a_long_list_of_choices_is_cut():
    config = [[f"zz{number}" for number in range(40)], {}]
    error = make_refusal(one_error("value_not_in_list", input_name="a", received_value="q", input_config=config), {})
    assert "zz11, ...)" in error.message
    assert "zz12" not in error.message


@pytest.mark.parametrize("body", [None, [], {}, {"error": "text"}, {"error": None}, "refused"])
def test_a_refusal_without_a_reason_is_not_of_a_comfyui(body):
    error = make_refusal(body, {})
    assert isinstance(error, ProtocolError)
    assert error.code == "no_reason"


@pytest.mark.parametrize("node_errors", [None, [], {"1": None}, {"1": {"errors": None}}, {"1": {"errors": ["x"]}}])
def test_node_errors_of_a_strange_form_are_passed_over(node_errors):
    assert list(node_problems(node_errors, {})) == []


def test_a_missing_class_without_a_name_is_a_refusal():
    error = make_refusal(recorded("0.33.0")["no class_type"].answer["json"], {})
    assert isinstance(error, ValidationError)
    assert "has no class_type" in error.message


@pytest.mark.parametrize(
    ("spec", "choices"),
    [
        ([["a", 1], {}], ["a", "1"]),
        (["COMBO", {"options": ["b"]}], ["b"]),
        (["COMBO"], []),
        (["COMBO", 5], []),
        (["COMBO", {}], []),
        (["INT", {}], []),
        ([], []),
        (None, []),
    ],
)
def test_the_choices_of_an_input(spec, choices):
    assert combo_choices(spec) == choices
    assert choices_of({"A": {"input": {"required": {"x": spec}}}}, "A", "x") == choices


def test_the_choices_of_a_class_that_is_not_there():
    assert choices_of({}, "A", "x") == []
    assert choices_of({"A": 5}, "A", "x") == []
