"""The parts of the Wan2GP client that know only texts and values: chain, gallery, previews, progress, failures."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from movie_director.clients import Wan2GPClient, errors
from movie_director.clients.gradio.component_values import GradioFile
from movie_director.clients.gradio.config import parse_config
from movie_director.clients.wan2gp import VideoRequest
from movie_director.clients.wan2gp.errors import generation_failed, refused
from movie_director.clients.wan2gp.gallery import find_task_files, get_base_name, is_working, list_gallery_files
from movie_director.clients.wan2gp.previews import parse_preview
from movie_director.clients.wan2gp.progress import Estimate, get_fraction, parse_phase
from movie_director.clients.wan2gp.web.queue_functions import Chain, find_chain

RECORDED = Path(__file__).resolve().parents[3] / "recordings" / "wan2gp"
REQUEST = VideoRequest("a cat", "t2v_1.3B")


def outline():
    return json.loads((RECORDED / "config_outline.json").read_text(encoding="utf-8"))


def chain_of(value):
    config = parse_config(value)
    assert config is not None
    return find_chain(config, "http://server")


# The chain


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


# The gallery


def gallery(*items, sounds="[]", info=""):
    value = {"__type__": "update", "value": list(items), "selected_index": 0}
    return [{"__type__": "update"}, value, 0, sounds, -1, {"__type__": "update", "value": info, "visible": bool(info)}]


def movie(name):
    return {"video": {"path": f"/tmp/cache/{name}", "orig_name": name}, "caption": None}


def test_all_kinds_of_files_are_found():
    still = {"image": {"path": "/tmp/cache/b.png"}, "caption": "x"}
    newer = {"video": {"video": {"path": "/tmp/cache/c.mkv", "orig_name": "c.mkv"}, "subtitles": None}}
    files = list_gallery_files(gallery(movie("a.mp4"), still, newer, sounds='["outputs/d.wav", "C:\\\\o\\\\e.mp3"]'))
    assert [each.name for each in files] == ["a.mp4", "b.png", "c.mkv", "d.wav", "e.mp3"]
    assert files[0].path == "/tmp/cache/a.mp4"


GARBAGE = [None, 5, [], [[{"video": 5}]], [[{"video": {"path": ""}}]], ["[1, {}]", "[x", "["]]


@pytest.mark.parametrize("outputs", GARBAGE)
def test_garbage_in_a_gallery_is_no_file(outputs):
    assert list_gallery_files(outputs) == ()
    assert not is_working(outputs)


def test_a_tasks_files_are_known_by_name():
    names = ("blend_1.mp4", "blend_1_2.mp4", "blend_1(3).mp4", "blend_12.mp4", "2026_seed5.mp4")
    files = tuple(GradioFile(f"/c/{name}", name) for name in names)
    assert [each.name for each in find_task_files(files, "blend_1", own_session=True)] == list(names[:3])
    others = files[3:]
    assert find_task_files(others, "blend_1", own_session=True) == others
    assert find_task_files(others, "blend_1", own_session=False) == ()


def test_a_session_that_works_shows_its_task():
    assert is_working(gallery(info="<TABLE WIDTH=100% ID=PINFO style=''>"))
    assert not is_working(gallery(movie("a.mp4")))
    assert get_base_name("C:\\out\\a.mp4") == "a.mp4"


# Previews


def test_the_picture_is_taken_out_of_the_html():
    text = base64.b64encode(b"\xff\xd8\xffpicture").decode()
    assert parse_preview(f"<img src='data:image/jpeg;base64,{text}'>") == (b"\xff\xd8\xffpicture", "image/jpeg")


@pytest.mark.parametrize(
    "html",
    [
        None,
        "",
        "<b>no picture</b>",
        "data:image/jpeg;base64,AAAA",
        "data:image/jpeg;base64,/9j/4",
        "data:image/jpeg;base64," + "A" * (9 * 1024 * 1024),
    ],
)
def test_what_holds_no_picture_is_none(html):
    assert parse_preview(html) is None


# Progress


@pytest.mark.parametrize(
    ("text", "name", "done", "share", "eta"),
    [
        ("Denoising | 0.3s / 1.2s", "Denoising", 0.0, 1.0, pytest.approx(0.9)),
        ("Denoising | 0.0s", "Denoising", 0.0, 1.0, None),
        ("Prompt 2/2 - VAE Decoding", "VAE Decoding", 0.5, 0.5, None),
        ("Sample 2/4, Sliding Window 1/2 - Denoising First | 1m 5s / 1h 2m", "Denoising First", 0.25, 0.125, 3655.0),
        ("Sliding Window 5/4 - Denoising", "Denoising", 0.0, 1.0, None),
        ("Encoding Prompt", "Encoding Prompt", 0.0, 1.0, None),
        ("x | soon / later", "x", 0.0, 1.0, None),
        (f"x | 1s / {'9' * 400}h", "x", 0.0, 1.0, None),
        (f"x | 1s / {'9' * 5000}h", "x", 0.0, 1.0, None),
        (f"x | 1s / {'9' * 400}s", "x", 0.0, 1.0, None),
        ("", "", 0.0, 1.0, None),
    ],
)
def test_status_texts_are_read(text, name, done, share, eta):
    phase = parse_phase(text)
    assert (phase.name, phase.done, phase.share, phase.eta_s) == (name, done, share, eta)


def test_the_fraction_is_of_the_whole_job():
    def at(text, index=None, length=None):
        return get_fraction(parse_phase(text), index, length)

    course = [
        at("Sample 1/2 - Encoding Prompt"),
        at("Sample 1/2 - Denoising", 0, 10),
        at("Sample 1/2 - Denoising", 10, 10),
        at("Sample 1/2 - VAE Decoding"),
        at("Sample 2/2 - Denoising", 5, 10),
        at("Sample 2/2 - VAE Decoding", None, None),
        at("Sample 2/2 - Upsampling"),
    ]
    assert course == sorted(course)
    assert course[0] == 0.0
    assert 0.45 <= course[3] < 0.5
    assert course[-1] < 1.0
    assert at("Denoising", 50, 10) == at("Denoising", 10, 10)


def test_an_estimate_rises_and_never_says_done():
    now = [0.0]
    estimate = Estimate(100.0, lambda: now[0])
    seen = []
    for now[0] in (0.0, 10.0, 100.0, 1e6):
        seen.append(estimate.fraction())
    assert seen == sorted(seen)
    assert seen[0] == 0.0
    assert seen[-1] <= 0.9


# Failures


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", errors.OutOfMemory, "out_of_memory"),
        ("'NoneType' object has no attribute 'get'", errors.MissingResource, "missing_model"),
        ("Can't load tokenizer: file not found", errors.MissingResource, "model_file_missing"),
        ("Generation was aborted", errors.GenerationError, "stopped"),
        ("Something else", errors.GenerationError, "generation_failed"),
        ("", errors.GenerationError, "generation_failed"),
    ],
)
def test_failures_are_typed(words, kind, code):
    error = generation_failed(words, REQUEST)
    assert type(error) is kind
    assert error.code == code
    assert words in error.message
    assert error.hint


def test_long_words_are_cut():
    assert len(generation_failed("x" * 10_000, REQUEST).message) < 1000


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ("Failed to load queue: Settings must contain 'model_type'", errors.MissingResource, "t2v_1.3B"),
        ("Failed to load queue: not enough values to unpack (expected 2)", errors.ValidationError, "WIDTHxHEIGHT"),
        ("Failed to load queue: You must provide a Control Video", errors.ValidationError, "You must provide"),
    ],
)
def test_refusals_keep_the_programs_words(words, kind, said):
    error = refused(words, REQUEST)
    assert isinstance(error, kind)
    assert said in error.message
    if isinstance(error, errors.ValidationError):
        assert error.problems == (words.partition(": ")[2],)


@pytest.mark.parametrize("url", [None, 7, b"http://127.0.0.1:7860"])
def test_an_address_that_is_no_text_is_refused(url):
    with pytest.raises(errors.ValidationError) as caught:
        Wan2GPClient(url)
    assert caught.value.code == "invalid_url"
