"""From the prompt to the text, live, against the embedded mock LiteLLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import fakes
import pytest
from conftest import (
    new_film,
    own,
    placement_of,
    preferences,
    pump_until,
    runtime_ref,
    script,
    settled,
    start_job,
    start_text,
    ui,
)

ENDLESS = "a feature-length story"


def write(**arguments: Any) -> set[str]:
    result: set[str] = bpy.ops.movie_director.write("EXEC_DEFAULT", **arguments)
    return result


def texts() -> list[Any]:
    return [text for text in bpy.data.texts if text.get("movie_director")]


def asked(litellm: Any) -> dict[str, Any]:
    [request] = litellm.requests.matching("POST /v1/chat/completions")
    body: dict[str, Any] = request.json
    return body


def text_of(job: Any) -> Any:
    return own("blender.placing.live_text").find(job.id)


def words_in(job: Any) -> str:
    return str(text_of(job).as_string())


@pytest.fixture
def running(slow_litellm: Any) -> Any:
    """An endless answer that has begun to arrive."""
    job = start_text(prompt=ENDLESS)
    pump_until(lambda: len(words_in(job)) > 20)
    yield job
    job.cancel()


def test_a_synopsis_becomes_a_text(film: Path, litellm: Any) -> None:
    assert write(prompt="a lighthouse keeper", preset="SYNOPSIS") == {"FINISHED"}
    [text] = texts()
    assert text.name == "Synopsis: a lighthouse keeper"
    assert text.as_string() == own("clients.mock.litellm.text").SYNOPSIS
    assert text["movie_director"]["prompt"] == "a lighthouse keeper"
    system, user = asked(litellm)["messages"]
    assert "screenwriter" in system["content"]
    assert user["content"] == "Write a synopsis.\n\na lighthouse keeper"


def test_no_folder_is_needed(litellm: Any) -> None:
    bpy.ops.wm.read_homefile(use_empty=False)
    assert write(prompt="a lighthouse") == {"FINISHED"}
    assert texts()


def test_the_scene_is_asked_for_what_the_caller_does_not_say(film: Path, litellm: Any) -> None:
    props = bpy.context.scene.movie_director.writing
    props.prompt, props.preset, props.system = "two people", "DIALOGUE", "In verse."
    assert write() == {"FINISHED"}
    system, user = asked(litellm)["messages"]
    assert system["content"].endswith("In verse.")
    assert "two people" in user["content"]
    assert "MARA" in texts()[0].as_string()


def test_the_model_is_the_one_chosen(film: Path, litellm: Any) -> None:
    name = litellm_models(litellm)[-1]
    assert write(prompt="x", model=name) == {"FINISHED"}
    assert asked(litellm)["model"] == name


def litellm_models(litellm: Any) -> list[str]:
    client = own("clients.litellm").LiteLLMClient(litellm.url)
    with client:
        return list(client.probe().models)


def test_models_are_fetched_in_the_background_and_suggested(film: Path, litellm: Any) -> None:
    search = own("blender.properties.search_choices").models("litellm")
    assert search(None, None, "") == []
    probes = ui().probes
    pump_until(lambda: not probes["litellm"].pending)
    names = search(None, None, "")
    assert names
    assert search(None, None, names[-1].upper()) == [names[-1]]
    assert search(None, None, "no such model") == []


@pytest.mark.parametrize(("source", "expected"), [("SELECTION", "the second"), ("TEXT", "the first\nthe second\n")])
def test_the_script_is_given_to_the_writer(film: Path, litellm: Any, source: str, expected: str) -> None:
    text = script("the first\nthe second\n")
    text.cursor_set(1, character=0)
    text.cursor_set(1, character=10, select=True)
    bpy.context.scene.movie_director.writing.script = text
    assert write(prompt="go on", context=source) == {"FINISHED"}
    assert asked(litellm)["messages"][-1]["content"] == f"go on\n\nThe text so far:\n\n{expected}"


def test_a_selection_over_several_lines(film: Path) -> None:
    text = script("one\ntwö\nthree")
    text.cursor_set(2, character=3)
    text.cursor_set(0, character=2, select=True)
    assert own("blender.requests.text_request").selected(text) == "e\ntwö\nthr"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"prompt": " "}, "There is no prompt"),
        ({"prompt": "x", "context": "TEXT"}, "No script is chosen"),
        ({"prompt": "x", "context": "TEXT", "script": "gone"}, "There is no text 'gone'"),
        ({"prompt": "x", "context": "TEXT", "script": "empty"}, "is empty"),
        ({"prompt": "x", "context": "SELECTION", "script": "full"}, "Nothing is selected"),
        ({"prompt": "x", "context": "TEXT", "script": "huge"}, "more than any model"),
    ],
)
def test_what_can_t_be_asked_is_said(film: Path, litellm: Any, given: dict[str, str], words: str) -> None:
    script("", "empty")
    script("words", "full")
    script("a line of words\n" * 31_000, "huge")  # Blender takes seconds for as much in one line
    with pytest.raises(RuntimeError, match=words):
        write(**given)
    assert texts() == []
    assert not litellm.requests.matching("POST /v1/chat/completions")


def test_it_is_written_live(running: Any) -> None:
    before = words_in(running)
    pump_until(lambda: len(words_in(running)) > len(before))
    assert words_in(running).startswith(before)
    assert not running.done()


def test_a_tick_writes_once_and_a_slice_at_most(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = own("blender.placing.live_text")
    written: list[int] = []
    append = writing.append
    monkeypatch.setattr(writing, "append", lambda text, more: (written.append(len(more)), append(text, more)))
    other = start_text(prompt=ENDLESS)
    target = ui().streams[running.id].target
    for job in (running, other):
        writing.take(job.id, "litellm", target, "word " * 20_000)
    for _ in range(2):
        own("blender.pump.pump").tick()
    other.cancel()
    assert written == [writing.SLICE, writing.SLICE]
    assert len(words_in(other)) == writing.SLICE


def test_cancel_keeps_what_came(running: Any) -> None:
    own("blender.commands").cancel(running.id)
    pump_until(lambda: settled(running))
    heard = "".join(event.text for event in running.events() if hasattr(event, "text"))
    assert words_in(running) == heard
    assert "The received part is in" in placement_of(running).message


def test_an_error_keeps_what_came(film: Path, litellm: Any) -> None:
    litellm.inject(own("clients.mock").Fault("stream_cut", value=8))
    with pytest.raises(RuntimeError):
        write(prompt="a lighthouse", preset="SYNOPSIS")
    [text] = texts()
    assert text.as_string()
    assert own("clients.mock.litellm.text").SYNOPSIS.startswith(text.as_string())
    [view] = runtime_ref().jobs()
    assert view.status.error.partial.text == text.as_string()


def test_an_error_before_the_first_word_leaves_nothing_to_place(film: Path, litellm: Any) -> None:
    preferences().backends.litellm.url = "http://127.0.0.1:9"
    with pytest.raises(RuntimeError):
        write(prompt="a lighthouse")
    assert ui().placements == {}
    assert ui().streams == {}


def test_the_user_may_edit_and_the_cursor_stays(running: Any) -> None:
    text = text_of(running)
    text.cursor_set(0, character=0)
    text.write("MY TITLE\n")
    text.cursor_set(0, character=3)
    length = len(text.as_string())
    pump_until(lambda: len(words_in(running)) > length)
    assert words_in(running).startswith("MY TITLE\n")
    assert (text.current_line_index, text.current_character) == (0, 3)


def test_a_cursor_at_the_end_goes_along(running: Any) -> None:
    text = text_of(running)
    text.cursor_set(len(text.lines) - 1, character=len(text.lines[-1].body))
    length = len(text.as_string())
    pump_until(lambda: len(words_in(running)) > length)
    assert text.current_line_index == len(text.lines) - 1
    assert text.current_character == len(text.lines[-1].body)


def test_a_renamed_text_is_found(running: Any) -> None:
    text = text_of(running)
    text.name = "Renamed"
    length = len(text.as_string())
    pump_until(lambda: len(text.as_string()) > length)
    assert len(texts()) == 1


def test_a_text_that_undo_took_away_comes_back_whole(running: Any) -> None:
    before = words_in(running)
    bpy.data.texts.remove(text_of(running))
    pump_until(lambda: text_of(running) is not None)
    assert words_in(running).startswith(before)


def test_a_text_that_undo_made_shorter_is_made_whole(running: Any) -> None:
    before = words_in(running)
    text_of(running).from_string(before[:5])
    pump_until(lambda: len(words_in(running)) > len(before))
    assert words_in(running).startswith(before)


def test_loading_another_film_writes_nothing_into_it(film: Path, running: Any, tmp_path: Path) -> None:
    bpy.ops.wm.save_mainfile()
    new_film(tmp_path / "other.blend")
    stream = ui().streams[running.id]
    waiting = len(stream.waiting)
    pump_until(lambda: len(stream.waiting) > waiting)
    assert texts() == []
    running.cancel()
    pump_until(lambda: settled(running))
    assert placement_of(running).state.value == "offered"
    assert bpy.ops.movie_director.place_result(job_id=running.id) == {"FINISHED"}
    assert words_in(running) == placement_of(running).result.text


def test_loading_the_film_again_goes_on_with_its_text(film: Path, running: Any, tmp_path: Path) -> None:
    bpy.ops.wm.save_mainfile()
    before = words_in(running)
    pump_until(lambda: len(words_in(running)) > len(before))
    later = words_in(running)
    bpy.ops.wm.open_mainfile(filepath=str(film))
    assert words_in(running) == before
    pump_until(lambda: len(words_in(running)) > len(later))
    assert words_in(running).startswith(later)
    assert len(texts()) == 1


def test_nothing_is_written_while_blender_renders(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = own("blender.placing.live_text")
    stream = ui().streams[running.id]
    stream.waiting += "more"
    rendering = fakes.WithWindow()
    rendering.app.is_job_running = lambda _job: True  # type: ignore[attr-defined]
    monkeypatch.setattr(writing, "bpy", rendering)
    assert not writing.write(stream, 100)


def test_trying_again_writes_a_new_text(film: Path, litellm: Any) -> None:
    write(prompt="a lighthouse", preset="SYNOPSIS")
    [view] = runtime_ref().jobs()
    assert bpy.ops.movie_director.retry_job("EXEC_DEFAULT", job_id=view.id) == {"FINISHED"}
    pump_until(lambda: len(ui().placements) == 2 and not ui().queue)
    first, second = texts()
    assert first.as_string() == second.as_string() != ""


def test_a_text_editor_shows_what_is_written_in_it(film: Path, litellm: Any) -> None:
    context, write_op = fakes.Context(), own("operators.write")
    names = {"type": "TEXT_EDITOR", "text": None, "show_word_wrap": False, "show_syntax_highlight": True}
    context.space_data = type("Space", (), names)()
    job = start_text(preset="SYNOPSIS")
    write_op._show(context, job.id)
    assert context.space_data.text == text_of(job)
    assert context.space_data.show_word_wrap
    assert not context.space_data.show_syntax_highlight
    pump_until(lambda: settled(job))


def test_letters_that_a_text_can_t_hold(film: Path) -> None:
    clean = own("blender.placing.live_text").clean
    assert clean("a\r\nb\0c\udc00é🎬") == "a\nbc?é🎬"


def test_it_survives_saving_and_loading(film: Path, litellm: Any) -> None:
    write(prompt="a lighthouse", preset="SYNOPSIS")
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(film))
    assert texts()[0].as_string() == own("clients.mock.litellm.text").SYNOPSIS


PIECES = (
    "“It was never locked,” ",
    "she said — and left.\n",
    "日本語",
    "の脚本",
    "e\u0301",
    "🎬🏽",
    "\nПривет, ",
    "мир",
    "עברית",
    "\n",
)


@pytest.mark.parametrize("cursor", [None, (0, 0), (0, 3), (1, 2)])
def test_text_of_any_script_is_written_exactly(film: Path, cursor: tuple[int, int] | None) -> None:
    """``cursor_set`` counts bytes, all else characters; the user's cursor stays where it was."""
    live_text = own("blender.placing.live_text")
    text = bpy.data.texts.new("any script")
    text.write("“Début”\n名前は\n")
    if cursor is not None:
        live_text._set_cursor(text, *cursor)
    for piece in PIECES:
        live_text.append(text, piece)
    assert text.as_string() == "“Début”\n名前は\n" + "".join(PIECES)
    if cursor is not None:
        assert (text.current_line_index, text.current_character) == cursor


@pytest.mark.parametrize("cut", [1, 2, 3, 5])
def test_an_answer_cut_anywhere_is_written_exactly(film: Path, cut: int) -> None:
    live_text = own("blender.placing.live_text")
    text = bpy.data.texts.new("cut")
    whole = "".join(PIECES)
    for start in range(0, len(whole), cut):
        live_text.append(text, whole[start : start + cut])
    assert text.as_string() == whole


def test_a_text_that_blender_refuses_keeps_nothing_else_waiting(
    running: Any, comfyui: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_text = own("blender.placing.live_text")

    def refuse(*_arguments: Any) -> None:
        raise UnicodeDecodeError("utf-8", b"x", 0, 1, "as seen with kana")

    monkeypatch.setattr(live_text, "append", refuse)
    picture = start_job(steps=1)
    pump_until(lambda: settled(picture))
    assert placement_of(picture).state.value == "placed"
    monkeypatch.undo()
    assert running.cancel()
    pump_until(lambda: settled(running))
    assert placement_of(running).state.value == "placed"
    assert words_in(running).rstrip("\n") == placement_of(running).result.text.rstrip("\n")
