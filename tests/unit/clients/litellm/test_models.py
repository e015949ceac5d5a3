"""The servers' lists of models, and which of them is chosen."""

from __future__ import annotations

from movie_director.clients.litellm.models import ModelInfo, choose, parse_deployed_windows, parse_models


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


def test_a_window_from_elsewhere_is_no_reason_to_choose_a_model():
    models = [ModelInfo("a"), ModelInfo("fake/b", window=1047576, listed=False)]
    choice = choose(models)
    assert (choice.name, choice.reason) == ("a", "the first in the server's list, of 2 models")
    assert choose([*models, ModelInfo("c", window=10)]).name == "c"
