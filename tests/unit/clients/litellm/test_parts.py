"""The parts of the LiteLLM client that need no server: requests, schemas, thoughts, chunks, models, windows, tokens."""

from __future__ import annotations

import base64
import enum
import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_director.clients import errors
from movie_director.clients.litellm import ChatRequest, schema_of
from movie_director.clients.litellm.completion import Completion, StreamFailure
from movie_director.clients.litellm.context_window import fit, get_text, transcript
from movie_director.clients.litellm.models import ModelInfo, choose, parse_deployed_windows, parse_models
from movie_director.clients.litellm.payload import (
    add_system_text,
    encode_body,
    make_body,
    make_image_url,
    make_messages,
)
from movie_director.clients.litellm.reasoning import ThinkFilter
from movie_director.clients.litellm.schema import is_strict
from movie_director.clients.litellm.structured_output import (
    Validator,
    get_ways,
    make_correction,
    make_response_format,
    parse,
)
from movie_director.clients.litellm.tokens import TokenMeter, estimate_messages, estimate_text


class Angle(enum.Enum):
    LOW = "low"
    HIGH = "high"


@dataclass
class Line:
    who: str
    text: str
    reply: Line | None = None


@dataclass
class Shot:
    scene: str = field(metadata={"description": "where and when"})
    number: int
    seconds: float
    angle: Angle
    kind: Literal["wide", "close"]
    lines: list[Line]
    tags: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)
    loose: dict = field(default_factory=dict)
    things: list = field(default_factory=list)
    other: Any = None
    day: bool = True
    inserts: list[Shot] = field(default_factory=list)


# --- requests

WRONG = [
    ({}, "messages, prompt"),
    ({"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, "messages, prompt"),
    ({"prompt": " "}, "prompt"),
    ({"messages": []}, "messages"),
    ({"messages": "hi"}, "messages"),
    ({"messages": ["hi"]}, "messages[0]"),
    ({"messages": [{"role": "king", "content": "a"}]}, "messages[0]"),
    ({"messages": [{"role": "user"}]}, "messages[0]"),
    ({"messages": [{"role": "user", "content": [{"no": "type"}]}]}, "messages[0]"),
    ({"prompt": "a", "temperature": 2.1}, "temperature"),
    ({"prompt": "a", "temperature": True}, "temperature"),
    ({"prompt": "a", "top_p": float("nan")}, "top_p"),
    ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
    ({"prompt": "a", "seed": 2**63}, "seed"),
    ({"prompt": "a", "window": 0}, "window"),
    ({"prompt": "a", "max_repairs": None}, "max_repairs"),
    ({"prompt": "a", "max_repairs": 11}, "max_repairs"),
    ({"prompt": "a", "tools": []}, "tools"),
    ({"prompt": "a", "tools": ["x"]}, "tools"),
    ({"prompt": "a", "tool_choice": 5}, "tool_choice"),
    ({"prompt": "a", "model": ""}, "model"),
    ({"prompt": "a", "system": 5}, "system"),
    ({"prompt": "a", "stream": None}, "stream"),
    ({"prompt": "a", "stop": [""]}, "stop"),
    ({"prompt": "a", "stop": ["a"] * 5}, "stop"),
    ({"prompt": "a", "overflow": "burst"}, "overflow"),
    ({"prompt": "a", "images": "a.png"}, "images"),
    ({"prompt": "a", "images": [""]}, "images"),
    ({"prompt": "a", "extra": []}, "extra"),
    ({"prompt": "a", "extra": {"model": "x"}}, "extra"),
    ({"prompt": "a", "schema": "json"}, "schema"),
    ({"prompt": "a", "schema": {"enum": [object()]}}, "schema"),
    ({"prompt": "a", "schema": {"items": [{"$ref": "http://10.0.0.1/x"}]}}, "schema"),
]


@pytest.mark.parametrize(("fields", "name"), WRONG, ids=[f"{name} {number}" for number, (_, name) in enumerate(WRONG)])
def test_what_is_wrong_with_a_request_is_named(fields, name):
    with pytest.raises(errors.ValidationError) as caught:
        ChatRequest(**fields).validate()
    assert [each for each in caught.value.problems if each.startswith(f"{name}:")]


def test_a_full_request_is_fine_and_survives_json():
    request = ChatRequest(
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": "b", "tool_call_id": "1"},
        ],
        model="m",
        schema=Shot,
        system="You write films.",
        temperature=0,
        top_p=1.0,
        max_tokens=5,
        stop=["END"],
        seed=-1,
        images=["https://x/y.png"],
        tools=[{"type": "function"}],
        tool_choice="auto",
        overflow="trim",
        window=100,
        extra={"reasoning_effort": "low"},
    )
    request.validate()
    again = ChatRequest.from_dict(json.loads(json.dumps(request.to_dict())))
    assert again == request
    ChatRequest(prompt="a", stop="END", tool_choice={"type": "function"}).validate()


# --- schemas


def test_a_dataclass_becomes_a_schema_that_its_own_values_fit():
    schema = schema_of(Shot)
    assert schema["required"] == ["scene", "number", "seconds", "angle", "kind", "lines"]
    assert schema["properties"]["scene"] == {"type": "string", "description": "where and when"}
    assert schema["properties"]["angle"] == {"enum": ["low", "high"]}
    assert schema["properties"]["inserts"]["items"] == {"$ref": "#"}
    assert schema["properties"]["things"] == {"type": "array"}
    assert schema["properties"]["other"] == {}
    assert schema["$defs"]["Line"]["properties"]["reply"] == {"anyOf": [{"$ref": "#/$defs/Line"}, {"type": "null"}]}
    line = {"who": "Mara", "text": "Hm.", "reply": {"who": "Jonas", "text": "Yes."}}
    shot = {"scene": "s", "number": 1, "seconds": 2.5, "angle": "low", "kind": "wide", "lines": [line]}
    validator = Validator(schema)
    assert validator.problems({**shot, "inserts": [shot], "notes": {"a": "b"}, "day": False}) == []
    assert len(validator.problems({**shot, "number": "one", "seconds": "two"})) == 2
    assert validator.problems({**shot, "lines": [{"who": 5}]})


def test_a_flat_dataclass_needs_no_definitions():
    @dataclass
    class Flat:
        title: str | None

    assert schema_of(Flat) == {
        "title": "Flat",
        "type": "object",
        "properties": {"title": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
        "required": ["title"],
        "additionalProperties": False,
    }


def test_what_has_no_json_form_is_refused_at_once():
    @dataclass
    class Strange:
        value: complex

    @dataclass
    class Pair:
        value: tuple[int, str]

    @dataclass
    class Unreadable:
        value: NoSuchType  # noqa: F821

    for cls in (Strange, Pair, Unreadable):
        with pytest.raises(errors.ValidationError) as caught:
            ChatRequest(prompt="a", schema=cls)
        assert caught.value.code == "invalid_schema"


def test_strict_schemas_are_told_from_others():
    strict = {"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}
    assert is_strict({"type": "array", "items": strict, "anyOf": [strict]})
    assert not is_strict({"type": "object"})
    assert not is_strict({"anyOf": [{"properties": {"a": {}}, "additionalProperties": False}]})


def test_a_schema_makes_no_request_and_a_senseless_one_is_refused():
    for schema in ({"type": "objet"}, {"$id": "http://127.0.0.1:9/a", "$ref": "b#/x"}, {"pattern": "("}):
        with pytest.raises(errors.ValidationError) as caught:
            Validator(schema)
        assert caught.value.code == "invalid_schema"


def test_a_value_nested_too_deeply_is_a_problem():
    value: Any = []
    for _ in range(5000):
        value = [value]
    assert Validator({"type": "array", "items": {"$ref": "#"}}).problems(value) == ["data is nested too deeply"]


# --- finding JSON

THREE = {"type": "object", "properties": {"n": {"const": 3}}, "required": ["n"]}


@pytest.mark.parametrize(
    "text",
    [
        '{"n": 3}',
        ' \n{"n": 3}\n',
        '```json\n{"n": 3}\n```',
        'Sure! [as asked]\n```\n{"n": 3}\n```\nAnything else?',
        'Here: {"n": 3}. Or {"n": 4}?',
        'First {"n": 2}, no: {"n": 3}',
        '{"broken": {"n": 3}',
        "{" * 5 + '{"n": 3}',
    ],
)
def test_json_is_found_in_chatter(text):
    assert parse(text, Validator(THREE)) == ({"n": 3}, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no JSON here", "no complete JSON"),
        ('{"n": NaN}', "no complete JSON"),
        ("[" * 100_000, "no complete JSON"),
        ("{" * 100 + '{"n": 3}', "no complete JSON"),
        ('{"n": 4}', "n must be same as const"),
        ("[]", "must be object"),
    ],
)
def test_what_does_not_fit_is_said_in_words(text, problem):
    _, problems = parse(text, Validator(THREE))
    assert problem in problems[0]
    assert problems[0] in make_correction(problems)


def test_the_ladder_of_ways_to_ask():
    assert get_ways("litellm", None) == ["json_schema", "json_object", "text"]
    assert get_ways("litellm", "json_object") == ["json_object", "text"]
    assert get_ways("lmstudio", None) == ["json_schema", "text"]
    assert get_ways("lmstudio", "json_object") == ["json_schema", "text"]
    wanted = make_response_format("json_schema", {**THREE, "title": "a shot!"})
    assert wanted["json_schema"]["name"] == "a_shot_"
    assert wanted["json_schema"]["strict"] is False
    assert make_response_format("json_object", THREE) == {"type": "json_object"}
    assert make_response_format("text", THREE) is None


# --- thoughts

THOUGHTS = [
    ("<think>hm</think>\n\nNeon", "Neon", "hm"),
    ("  <think>hm</think>Neon", "  Neon", "hm"),
    ("<think>a</think><think>b</think> Neon", "Neon", "ab"),
    ("Hello <think>hm</think>world", "Hello world", "hm"),
    ("a < b <thin c", "a < b <thin c", ""),
    ("Neon <think>not closed", "Neon <think>not closed", ""),
    ("<think>cut off", "", "cut off"),
    ("<think>a</thi", "", "a</thi"),
    ("<think></think>", "", ""),
    ("plain", "plain", ""),
    ("x<", "x<", ""),
]


@pytest.mark.parametrize(("text", "answer", "thoughts"), THOUGHTS)
def test_thoughts_are_kept_apart_however_the_text_is_cut(text, answer, thoughts):
    for size in range(1, len(text) + 1):
        filtered = ThinkFilter()
        seen = "".join(filtered.feed(text[at : at + size]) for at in range(0, len(text), size)) + filtered.finish()
        assert (seen, "".join(filtered.thoughts)) == (answer, thoughts), size


@given(st.lists(st.text(alphabet="<think>/ a", max_size=5), max_size=8))
def test_no_text_is_lost_between_answer_and_thoughts(pieces):
    filtered = ThinkFilter()
    seen = "".join(map(filtered.feed, pieces)) + filtered.finish()
    whole = "".join(pieces)
    kept = seen + "".join(filtered.thoughts)
    assert len(kept.replace(" ", "")) >= len(whole.replace("<think>", "").replace("</think>", "").replace(" ", ""))
    if "<think>" not in whole:
        assert seen == whole


# --- chunks


def chunk(delta: Any = None, **fields: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": delta, **fields}]}


def test_an_answer_takes_chunks_of_every_taste():
    answer = Completion()
    chunks = [
        chunk({"role": "assistant", "content": None}),
        {"choices": None},
        {"choices": []},
        {"choices": ["x"]},
        {"error": None, "choices": [{}]},
        chunk(None),
        chunk({"reasoning": "Hm"}),
        chunk({"reasoning_content": "m.", "content": ""}),
        chunk({"content": "Ne"}),
        chunk({"content": "on", "tool_calls": ["x"]}),
        chunk({}, finish_reason="stop"),
        {"choices": [], "usage": {"total_tokens": 3}},
        {"choices": [{"index": 0, "delta": {}}], "usage": None},
    ]
    assert "".join(map(answer.take, chunks)) == answer.text == "Neon"
    assert (answer.reasoning, answer.finish_reason, answer.usage) == ("Hmm.", "stop", {"total_tokens": 3})
    assert (answer.id, answer.model) == ("c1", "m")


def test_tool_calls_are_joined_by_index_or_place():
    answer = Completion()
    for calls in (
        [{"index": 1, "id": "b", "function": {"name": "cut", "arguments": ""}}],
        [{"index": 0, "id": "a", "function": {"name": "pan", "arguments": '{"to"'}}],
        [{"index": 0, "function": {"name": None, "arguments": ': "left"}'}}, {"function": {"arguments": "{}"}}],
        [{"index": 1, "function": None}],
    ):
        answer.take(chunk({"tool_calls": calls}))
    assert [(each["id"], each["function"]) for each in answer.tool_calls] == [
        ("a", {"name": "pan", "arguments": '{"to": "left"}'}),
        ("b", {"name": "cut", "arguments": "{}"}),
    ]


def test_errors_and_nonsense_in_the_stream():
    with pytest.raises(StreamFailure) as caught:
        Completion().take({"error": {"message": "no"}})
    assert caught.value.error == {"message": "no"}
    with pytest.raises(errors.ProtocolError):
        Completion().take(["x"])


# --- models


def test_models_are_read_from_every_listing():
    rows = [
        {"id": "a", "mode": "chat", "max_input_tokens": 8192.0, "max_output_tokens": 10},
        {"id": "b", "max_model_len": 4096},
        {"id": "c", "meta": {"n_ctx": 0, "n_ctx_train": 2048}},
        {"id": "d", "type": "vlm", "loaded_context_length": None, "max_context_length": 99},
        {"id": "e", "type": "model", "meta": {}},
        {"id": 5},
        "...",
    ]
    assert [(each.name, each.mode, each.window, each.sees) for each in parse_models({"data": rows})] == [
        ("a", "chat", 8192, None),
        ("b", "", 4096, None),
        ("c", "", 2048, None),
        ("d", "vlm", 99, True),
        ("e", "", None, None),
    ]
    assert parse_models(None) == parse_models({"data": 5}) == []


def test_the_windows_of_deployments_are_read():
    def row(name, info):
        return {"model_name": name, "model_info": info}

    rows = [row("a", {"max_input_tokens": 8192}), row("a", {"max_input_tokens": 4096}), row("b", None), "..."]
    rows += [row("c", {"max_input_tokens": None}), row(5, {"max_input_tokens": 9})]
    assert parse_deployed_windows({"data": rows}) == {"a": 4096}
    assert parse_deployed_windows("nothing") == {}


def test_the_choice_of_a_model_and_its_reason():
    small, large = ModelInfo("small", "chat", 4096), ModelInfo("large", "chat", 32768, calls_tools=False)
    vision = ModelInfo("llava", "chat", 2048)
    wild = [ModelInfo(f"openai/gpt-{number}", "chat", 10**6, sees=True) for number in range(20)]
    others = [ModelInfo("text-embedding-3", "chat"), ModelInfo("painter", "image_generation"), ModelInfo("fake/*")]
    everything = [*others, *wild, small, large, vision]
    assert choose(everything).name == "large"
    assert "32768" in choose(everything).reason
    assert choose(everything, sees=True).name == "llava"
    assert choose(everything, calls_tools=True).name == "small"
    assert "images and tools" in choose(everything, sees=True, calls_tools=True).reason
    assert choose(others) is None
    first = choose([ModelInfo("x"), ModelInfo("y")])
    assert first.to_dict() == {
        "model": "x",
        "automatic": True,
        "reason": "the first in the server's list, of 2 models",
    }
    assert choose([*wild, ModelInfo("own/model", "", 512)]).name == "own/model"


# --- payload


def test_a_window_from_elsewhere_is_no_reason_to_choose_a_model():
    models = [ModelInfo("a"), ModelInfo("fake/b", window=1047576, listed=False)]
    choice = choose(models)
    assert (choice.name, choice.reason) == ("a", "the first in the server's list, of 2 models")
    assert choose([*models, ModelInfo("c", window=10)]).name == "c"


def test_messages_get_the_system_text_and_the_pictures(tmp_path):
    picture = tmp_path / "still.png"
    picture.write_bytes(b"\x89PNG")
    request = ChatRequest(prompt="What is this?", system="Be brief.", images=[picture, "https://x/y.jpg"])
    system, user = make_messages(request)
    assert system == {"role": "system", "content": "Be brief."}
    assert user["content"][0] == {"type": "text", "text": "What is this?"}
    urls = [part["image_url"]["url"] for part in user["content"][1:]]
    assert urls == ["data:image/png;base64," + base64.b64encode(b"\x89PNG").decode(), "https://x/y.jpg"]
    said = [{"role": "system", "content": "A."}, {"role": "user", "content": [{"type": "text", "text": "b"}]}]
    merged = make_messages(ChatRequest(messages=said, system="C.", images=["data:x"]))
    assert merged[0]["content"] == "A.\n\nC."
    assert len(merged[1]["content"]) == 2
    assert said[0]["content"] == "A."
    assert len(said[1]["content"]) == 1
    only_system = make_messages(ChatRequest(messages=said[:1], images=["data:x"]))
    assert only_system[1] == {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}
    assert add_system_text([], "x") == [{"role": "system", "content": "x"}]


def test_a_picture_goes_out_in_slices_and_arrives_whole(tmp_path):
    picture = tmp_path / "still.png"
    picture.write_bytes(b"\x89PNG" + bytes(range(256)) * 4000)
    said = [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": str(picture), "detail": "low"}}]},
        {"role": "assistant", "content": "A pier."},
        {"role": "user", "content": 'And "this"?'},
    ]
    messages = make_messages(ChatRequest(messages=said, images=[picture, "data:image/png;base64,AA=="]))
    body = make_body(ChatRequest(messages=said), messages, "m", "openai")
    pieces = encode_body(body)
    assert json.loads(b"".join(pieces)) == json.loads(json.dumps(body))
    assert max(map(len, pieces)) <= 256 * 1024
    assert len(pieces) > 8


def test_unusable_pictures_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("movie_director.clients.litellm.payload.MAX_IMAGE_BYTES", 3)
    (tmp_path / "large.png").write_bytes(b"1234")
    for name in ("text.txt", "missing.png", "large.png"):
        with pytest.raises(errors.ValidationError) as caught:
            make_image_url(tmp_path / name)
        assert caught.value.code == "invalid_image"
        assert name in caught.value.problems[0]


def test_the_body_has_what_was_asked_for_and_num_retries_for_litellm_only():
    request = ChatRequest(prompt="a", temperature=0.0, stop=["x"], extra={"user": "me"})
    body = make_body(request, [], "m", "litellm")
    assert body == {
        "user": "me",
        "model": "m",
        "messages": [],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.0,
        "stop": ["x"],
        "num_retries": 0,
    }
    assert "num_retries" not in make_body(request, [], "m", "vllm")
    assert make_body(ChatRequest(prompt="a", extra={"num_retries": 2}), [], "m", "litellm")["num_retries"] == 2


# --- windows


def said(role: str, size: int) -> dict[str, Any]:
    return {"role": role, "content": "x" * size}


def test_oldest_turns_go_and_the_system_text_stays():
    messages = [said("system", 10), said("user", 50), said("assistant", 50), said("tool", 5), said("user", 50)]

    def count(given: list[dict[str, Any]]) -> int:
        return sum(len(each["content"]) for each in given)

    assert fit(messages, None, None, count).messages == messages
    assert fit(messages, 200, 10, count).dropped == []
    fitted = fit(messages, 120, 10, count)
    assert fitted.messages == [messages[0], messages[4]]
    assert fitted.dropped == messages[1:4]
    assert fitted.to_dict() == {"dropped": 3, "estimated_tokens": 60, "window": 120}
    assert fit(messages, 20, None, count).messages == [messages[0], messages[4]]
    assert fit([said("assistant", 5), said("user", 5)], 10, 5, count).messages == [said("user", 5)]


def test_a_transcript_has_the_texts():
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "b"}]
    assert get_text({"content": parts}) == "a b"
    assert transcript([{"role": "user", "content": parts}, {"role": "assistant", "content": None}]) == (
        "user: a b\n\nassistant: "
    )


# --- tokens: the true counts are those of cl100k_base

PROSE = (
    "The old lighthouse keeper climbed the iron stairs one last time. Below him the storm threw itself against the"
    " rocks, and somewhere out in the darkness a ship was looking for his light. He had promised nobody anything,"
    " and yet he had never once let the lamp go out."
)
CODE = """def shots(script):
    \"\"\"Return the shots.\"\"\"
    found = []
    for line in script.splitlines():
        if line.startswith(("INT.", "EXT.")):
            found.append({"scene": line, "seconds": 4.0})
    return found
"""
CHINESE = (
    "老灯塔看守人最后一次爬上铁楼梯。暴风雨在他脚下拍打着岩石，黑暗中有一艘船正在寻找他的灯光。"
    "他从未向任何人许下诺言，却一次也没有让灯熄灭。"
)
SAMPLES = {"prose": (PROSE, 55, 0.10), "code": (CODE, 53, 0.30), "Chinese": (CHINESE, 97, 0.25)}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_estimate_is_as_far_off_as_it_says(name):
    text, true, allowed = SAMPLES[name]
    assert abs(estimate_text(text) / true - 1) <= allowed


def test_messages_cost_more_than_their_text():
    assert estimate_messages([]) == 3
    assert estimate_messages([{"role": "user", "content": "rain"}]) == 3 + 4 + estimate_text("rain")
    shown = {"role": "user", "content": [{"type": "text", "text": "rain"}, {"type": "image_url"}]}
    assert estimate_messages([shown]) == 3 + 4 + estimate_text("rain") + 1000
    assert estimate_messages([{"role": "assistant", "content": None, "tool_calls": [{"id": "x"}]}]) > 7


def test_the_meter_learns_each_model_s_ratio():
    meter, messages = TokenMeter(), [{"role": "user", "content": "x " * 200}]
    estimate = estimate_messages(messages)
    assert meter.tokens("m", messages) == round(1.2 * estimate)
    for nonsense in (None, 0, -5, "9", 2.5):
        meter.learn("m", messages, nonsense)
    meter.learn("m", [{"role": "user", "content": "hi"}], 30)  # its template, mostly
    assert not meter.knows("m")
    meter.learn("m", messages, round(estimate * 2))
    assert meter.knows("m")
    assert meter.ratio("m") == pytest.approx(2, abs=0.02)
    meter.learn("m", messages, round(estimate))
    assert meter.ratio("m") == pytest.approx(1.7, abs=0.02)
    meter.learn("n", messages, 10**9)
    assert meter.ratio("n") == 3.0
    assert meter.ratio("other") == 1.2
