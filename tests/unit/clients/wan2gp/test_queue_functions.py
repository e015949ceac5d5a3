"""The functions of the page that make up a generation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from movie_director.clients import errors
from movie_director.clients.gradio.config import parse_config
from movie_director.clients.wan2gp.web.queue_functions import Chain, find_chain

RECORDED = Path(__file__).resolve().parents[3] / "recordings" / "wan2gp"


def outline():
    return json.loads((RECORDED / "config_outline.json").read_text(encoding="utf-8"))


def chain_of(value):
    config = parse_config(value)
    assert config is not None
    return find_chain(config, "http://server")


def test_the_chain_is_found_in_the_recorded_outline():
    assert chain_of(outline()) == Chain(
        load=336,
        trigger_id=791,
        init=338,
        activate=339,
        process=340,
        status=93,
        gallery=94,
        finalize=341,
        abort=113,
        abort_task=114,
        preview=90,
        preview_output=0,
        unload=342,
    )


def test_the_chain_is_found_under_other_numbers():
    def moved(number):
        return number + 1000 if isinstance(number, int) else number

    value = outline()
    for each in value["dependencies"]:
        each["id"], each["trigger_after"] = moved(each["id"]), moved(each["trigger_after"])
        for name in ("inputs", "outputs"):
            each[name] = [moved(part) for part in each[name]]
        each["targets"] = [[moved(part), event] for part, event in each["targets"]]
        stem, _, number = each["api_name"].rpartition("_") if isinstance(each["api_name"], str) else ("", "", "")
        if number.isdigit():
            each["api_name"] = f"{stem}_{int(number) + 7}"
    found = chain_of(value)
    assert (found.load, found.trigger_id, found.process, found.status) == (1336, 1791, 1340, 1093)


def without(*names):
    value = outline()
    value["dependencies"] = [
        each for each in value["dependencies"] if not any(str(each["api_name"]).startswith(name) for name in names)
    ]
    return value


def test_servers_may_lack_what_is_not_needed():
    value = without("unload_model_if_needed", "refresh_preview")
    value["dependencies"] = [each for each in value["dependencies"] if each["id"] != 114]
    found = chain_of(value)
    assert (found.unload, found.preview, found.abort_task) == (None, None, None)


@pytest.mark.parametrize("name", ["process_tasks", "refresh_status_async", "refresh_gallery", "abort_generation"])
def test_a_missing_function_is_named(name):
    with pytest.raises(errors.ProtocolError) as caught:
        chain_of(without(name))
    assert caught.value.code == "no_chain"
    assert name in caught.value.message
    assert "--mcp" in caught.value.hint


def test_another_gradio_program_is_not_wangp():
    with pytest.raises(errors.ProtocolError) as caught:
        chain_of({**without("load_queue_action"), "title": "Fooocus"})
    assert caught.value.code == "not_wangp"
    assert "Fooocus" in caught.value.message
    value = outline()
    for each in value["dependencies"]:
        each["targets"] = [[part, event] for part, event in each["targets"] if event != "upload"]
    with pytest.raises(errors.ProtocolError) as caught:
        chain_of(value)
    assert caught.value.code == "no_chain"
