"""Any Gradio app inside Blender: its endpoints and fields, calls, and where the results go by what they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import fakes
import pytest
from conftest import own, preferences, pump_until, runtime_ref, strips, ui

HANG_GUARD_S = 60.0
needs_sound = pytest.mark.skipif(
    bpy.app.version < (4, 3, 0), reason="the bpy module of 4.2 was built without sound (see test_voices)"
)


@pytest.fixture
def app() -> Iterator[Any]:
    """The mock's programs on loopback, fifty times as fast as life; the preferences point to them."""
    with own("clients.mock").MockBackends(speed=50.0, only=["gradio"]) as mocks:
        preferences().backends.gradio.url = mocks.gradio.url
        yield mocks.gradio


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """No presets yet, and a file of the test's own for them."""
    made = own("blender.state.presets").Presets(tmp_path / "presets" / "gradio.json")
    for module in ("operators.gradio_app", "ui.gradio_panel"):
        monkeypatch.setattr(own(module), "presets", lambda: made)
    return made


def settings() -> Any:
    return bpy.context.scene.movie_director.gradio


def field(name: str) -> Any:
    return settings().fields[name]


def ask() -> None:
    """Have the app asked for its endpoints, as the button does, and wait for the answer."""
    assert bpy.ops.movie_director.test_connection("EXEC_DEFAULT", backend="gradio") == {"FINISHED"}


def choose(endpoint: str) -> None:
    ask()
    assert bpy.ops.movie_director.choose_endpoint(endpoint=endpoint) == {"FINISHED"}


def run(**arguments: Any) -> set[str]:
    result: set[str] = bpy.ops.movie_director.run_endpoint("EXEC_DEFAULT", **arguments)
    return result


def submitted() -> Any:
    return runtime_ref().runtime().job(runtime_ref().jobs()[0].id).request


def still(folder: Path, width: int = 32) -> Path:
    pixels = own("clients.mock.media.pixels").Pixels
    path = folder / "still.png"
    path.write_bytes(own("clients.mock.media.png").encode(pixels.plain(width, 18, b"\x20\x40\x60")))
    return path


def draw() -> fakes.Layout:
    return fakes.draw(own("ui.gradio_panel").GradioApp)


@pytest.mark.parametrize("version", ["4.44.1", "6.31.0"])
def test_the_bundled_library_calls_an_app(version: str, tmp_path: Path) -> None:
    client_class = own("clients.gradio_app").GradioAppClient
    request = own("clients.gradio_app").EndpointRequest("/speak", {"text": "Action!"})
    options = replace(client_class.default_options, output_dir=tmp_path)
    backends = own("clients.mock").MockBackends
    with backends(only=["gradio"], speed=20.0, options={"gradio": {"version": version}}) as mocks:
        with client_class(mocks.gradio.url, options=options) as client:
            result = client.submit(request).result(HANG_GUARD_S)
    assert [each.kind for each in result.artifacts] == ["audio"]


# --- endpoints and fields


def test_the_panel_asks_first_and_never_waits(film: Path, app: Any) -> None:
    drawn = draw()
    assert "Ask What It Can Do" in drawn.texts()
    assert "movie_director.run_endpoint" not in drawn.operators()
    assert not list(app.requests), "drawing asks nobody"
    test = own("blender.commands").probe("gradio")
    assert test.pending
    pump_until(lambda: not test.pending)
    drawn = draw()
    assert ("menu", {"menu": "MOVIE_DIRECTOR_MT_endpoints", "text": "Choose what it does"}) in drawn.log
    menu = fakes.draw(own("ui.gradio_panel").MOVIE_DIRECTOR_MT_endpoints)
    assert menu.texts() == ["Generate music", "Speak", "Upscale", "Animate", "Describe"]


def test_an_endpoint_s_fields_have_its_limits_and_choices(film: Path, app: Any) -> None:
    choose("/generate_music")
    assert [each.name for each in settings().fields] == ["description", "style", "duration", "seed", "melody"]
    limits = field("duration").id_properties_ui("value").as_dict()
    assert (field("duration")["value"], limits["min"], limits["max"]) == (8, 1, 30)
    assert field("duration").slider
    styles = [item[1] for item in field("style").id_properties_ui("value").as_dict()["items"]]
    assert styles == ["orchestral", "synth", "piano", "tension"]
    assert (field("melody").source, field("melody").media) == ("NONE", "audio")
    assert not own("blender.requests.endpoint_request").ready(bpy.context)
    assert "Fill in first: Description" in draw().texts()
    field("description")["value"] = "calm sea"
    drawn = draw()
    assert own("blender.requests.endpoint_request").ready(bpy.context)
    assert {"Description", "Style", "Duration (seconds)", "Seed", "Melody", "Generate music"} <= set(drawn.texts())
    assert drawn.properties().count('["value"]') == 4


def test_fields_survive_saving_and_loading_the_film(film: Path, app: Any) -> None:
    choose("/speak")
    field("text")["value"], field("speed")["value"] = "Action!", 1.5
    bpy.ops.wm.save_as_mainfile(filepath=str(film))
    bpy.ops.wm.open_mainfile(filepath=str(film))
    assert (settings().endpoint, field("text")["value"], field("speed")["value"]) == ("/speak", "Action!", 1.5)
    assert field("speed").id_properties_ui("value").as_dict()["max"] == 2.0
    assert own("blender.requests.endpoint_request").ready(bpy.context), "without asking the app again"


def test_each_endpoint_of_each_app_keeps_its_last_values(film: Path, app: Any) -> None:
    choose("/speak")
    field("text")["value"], field("voice")["value"], field("cheerful")["value"] = "first", 1, True
    choose("/generate_music")
    field("description")["value"] = "sea"
    choose("/speak")
    assert [field(name)["value"] for name in ("text", "voice", "cheerful")] == ["first", 1, True]
    ui().probes["gradio"].info.details["title"] = "Another app"
    assert "choose again for Another app" in draw().text()
    assert bpy.ops.movie_director.choose_endpoint(endpoint="/speak") == {"FINISHED"}
    assert field("text")["value"] == ""
    assert json.loads(settings().remembered)["Mock studio"]["/speak"]["text"]["value"] == "first"


def test_what_no_longer_fits_a_field_is_left_out(film: Path, app: Any) -> None:
    choose("/speak")
    fields = own("blender.requests.endpoint_fields")
    before = fields.snapshot(settings())
    bad = {
        "text": {"value": 5},
        "voice": {"value": 99},
        "speed": {"value": 7.0},
        "sample": {"source": "CAMERA", "path": "x.wav"},
        "cheerful": "yes",
    }
    fields.apply(settings(), bad)
    after = fields.snapshot(settings())
    assert after == {**before, "sample": {"source": "NONE", "path": "x.wav"}}


def test_fields_of_every_kind(film: Path) -> None:
    made = own("clients.gradio_app")
    kinds, choices = made.FieldKind, (made.Choice("One", 1), made.Choice("Two", "two"))
    endpoint = made.Endpoint(
        "/all",
        0,
        (
            made.Field("big", "Big", kinds.WHOLE_NUMBER, default=2**40),
            made.Field("maybe", "Maybe", kinds.NUMBER),
            made.Field("hint", "Hint", kinds.TEXT, help="A hint"),
            made.Field("open", "Open", kinds.CHOICE, default="x", choices=choices, takes_other_values=True),
            made.Field("many", "Many", kinds.CHOICES, default=[1], choices=choices),
            made.Field("data", "Data", kinds.JSON, default={"a": 1}),
            made.Field("files", "Files", kinds.FILES, required=True, media="other"),
        ),
    )
    fields = own("blender.requests.endpoint_fields")
    fields.fill(settings(), "App", endpoint)
    assert fields.values(settings()) == {"big": 2**40, "open": "x", "many": [1], "data": {"a": 1}}
    field("maybe").given, field("maybe")["value"] = True, 0.5
    field("many")["value"], field("open")["value"], field("hint")["value"] = "One, two", "One", "yes"
    assert fields.values(settings()) == {
        "big": 2**40,
        "maybe": 0.5,
        "hint": "yes",
        "open": 1,
        "many": [1, "two"],
        "data": {"a": 1},
    }
    assert fields.missing(settings()) == ["Files"]
    drawn = draw()
    assert "given" in drawn.properties()
    field("data")["value"] = "{"
    errors = own("clients.core.errors")
    with pytest.raises(errors.ValidationError, match="Data: JSON is needed"):
        fields.values(settings())
    field("data")["value"], field("big")["value"] = "1", "much"
    with pytest.raises(errors.ValidationError, match="Big: a number is needed"):
        fields.values(settings())


# --- calls, and where their results go


def test_a_picture_from_a_file_becomes_a_strip(film: Path, app: Any, tmp_path: Path) -> None:
    choose("/upscale")
    field("image").path = str(still(tmp_path))
    field("factor")["value"] = 1
    bpy.context.scene.frame_set(12)
    assert run() == {"FINISHED"}
    [strip] = strips()
    assert strip.type == "IMAGE"
    assert own("blender.platform.sequencer").bounds(strip)[0] == 12
    [image] = [each for each in bpy.data.images if each.name.startswith("upscaled")]
    assert tuple(image.size) == (128, 72)
    assert strip["movie_director"].to_dict()["backend"] == "gradio"


def test_an_image_of_the_film_is_sent_as_it_is_now(film: Path, app: Any, tmp_path: Path) -> None:
    image = bpy.data.images.new("painted", 16, 8)
    choose("/describe")
    field("image").source, field("image").image = "IMAGE", image
    assert run() == {"FINISHED"}
    [text] = bpy.data.texts
    assert text.as_string() == "A picture of 16 x 8 pixels."
    assert image.filepath == ""
    image.filepath_raw, image.file_format = str(tmp_path / "x.png"), "PNG"
    image.save()
    assert run() == {"FINISHED"}
    assert Path(submitted().files["image"]) == tmp_path / "x.png", "a file that is up to date is sent itself"
    image.pack()
    image.filepath = str(tmp_path / "gone.png")
    assert run() == {"FINISHED"}
    sent = Path(submitted().files["image"])
    assert (sent.parent, sent.read_bytes()) == (
        film.parent / "movie_director" / "inputs",
        (tmp_path / "x.png").read_bytes(),
    )


def test_what_the_sequencer_shows_is_sent(film: Path, app: Any, tmp_path: Path) -> None:
    sequencer = own("blender.platform.sequencer")
    sequencer.add_image(bpy.context.scene, "shot", still(tmp_path, 64), 1, 24, "FIT", 1)
    choose("/describe")
    field("image").source = "STRIP"
    assert run() == {"FINISHED"}
    assert Path(submitted().files["image"]).is_file()


def test_the_camera_s_view_is_sent(film: Path, app: Any) -> None:
    bpy.context.scene.render.resolution_percentage = 20
    choose("/describe")
    field("image").source = "CAMERA"
    assert run() == {"FINISHED"}
    assert Path(submitted().files["image"]).name.startswith("camera_")


def test_a_clip_becomes_a_movie_strip(film: Path, app: Any, tmp_path: Path) -> None:
    choose("/animate")
    field("image").path, field("prompt")["value"], field("seconds")["value"] = str(still(tmp_path)), "waves", 1.0
    assert run() == {"FINISHED"}
    assert [strip.type for strip in strips() if strip.type != "SPEED"] == ["MOVIE"]


@needs_sound
def test_a_sound_becomes_a_strip_of_its_own_length_in_step_with_its_source(film: Path, app: Any) -> None:
    bpy.context.scene.frame_set(20)
    choose("/speak")
    field("text")["value"] = "Action!"
    assert run() == {"FINISHED"}
    [first] = strips()
    sequencer = own("blender.platform.sequencer")
    assert (first.type, sequencer.bounds(first)[0]) == ("SOUND", 20)
    assert first.sound.filepath.startswith("//movie_director/")
    bpy.context.scene.frame_set(1)
    first.select = True
    field("sample").source = "STRIP"
    assert run() == {"FINISHED"}
    assert Path(submitted().files["sample"]) == Path(bpy.path.abspath(first.sound.filepath))
    assert [sequencer.bounds(strip)[0] for strip in strips()] == [20, 20]


@needs_sound
def test_music_is_whole_and_its_notes_are_no_text(film: Path, app: Any) -> None:
    assert run(endpoint="/generate_music", inputs='{"description": "sea", "duration": 6}') == {"FINISHED"}
    [strip] = strips()
    start, end = own("blender.platform.sequencer").bounds(strip)
    assert end - start == pytest.approx(6 * own("blender.platform.sequencer").rate(bpy.context.scene), abs=1)
    assert not bpy.data.texts


def result_of(**given: Any) -> Any:
    target = own("blender.state.placement_request").PlacementTarget("x", kind="any")
    return own("blender.state.ui_state").Placement("job", "gradio", own("clients.core.model").Result(**given), target)


def test_what_is_no_media_stays_in_the_folder(film: Path, tmp_path: Path) -> None:
    place = own("blender.placing.any_result").place
    model = own("clients.core.model").Artifact(tmp_path / "a.glb", "model", "model/gltf-binary", 1, "0" * 64, "a.glb")
    assert place(result_of(artifacts=(model,)), bpy.context.scene, 1) == "Its files are in the output folder"
    assert place(result_of(data={"bpm": 120}), bpy.context.scene, 1) == 'The app returned {"bpm": 120}'


def test_several_pictures_are_all_placed(film: Path, tmp_path: Path) -> None:
    artifact = own("clients.core.model").Artifact
    made = []
    for number in (16, 32):
        path = still(tmp_path, number).rename(tmp_path / f"{number}.png")
        made.append(artifact(path, "image", "image/png", 1, "0" * 64, path.name))
    report = own("blender.placing.any_result").place(result_of(artifacts=tuple(made)), bpy.context.scene, 1)
    assert report == "2 placed in 'Scene'"
    assert len(strips()) == 2


# --- what goes wrong


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "No endpoint is chosen"),
        ({"endpoint": "/speak", "inputs": "{"}, "no JSON object"),
        ({"endpoint": "/speak", "inputs": "[]"}, "no JSON object"),
        ({"endpoint": "/speak"}, "text: missing"),
        ({"endpoint": "/speek", "inputs": "{}"}, "no endpoint /speek"),
    ],
)
def test_wrong_fields_are_reported(film: Path, app: Any, arguments: dict[str, str], words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        run(**arguments)
    assert strips() == []


def test_fields_that_are_empty_are_named(film: Path, app: Any) -> None:
    with pytest.raises(RuntimeError, match="has not been asked"):
        bpy.ops.movie_director.choose_endpoint(endpoint="/upscale")
    choose("/upscale")
    with pytest.raises(RuntimeError, match="Nothing is in Image"):
        run()
    with pytest.raises(RuntimeError, match="has no endpoint /nothing"):
        bpy.ops.movie_director.choose_endpoint(endpoint="/nothing")
    choose("/speak")
    field("text")["value"], field("sample").source = "x", "STRIP"
    with pytest.raises(RuntimeError, match="no strip with such a file is selected"):
        run()


# --- presets


def test_presets_are_kept_for_each_endpoint_of_an_app(film: Path, app: Any, presets: Any) -> None:
    choose("/speak")
    field("text")["value"], field("speed")["value"] = "slowly", 0.75
    assert bpy.ops.movie_director.save_preset("EXEC_DEFAULT", name=" Slow ") == {"FINISHED"}
    field("speed")["value"] = 2.0
    assert bpy.ops.movie_director.apply_preset(name="Slow") == {"FINISHED"}
    assert field("speed")["value"] == 0.75
    menu = fakes.draw(own("ui.gradio_panel").MOVIE_DIRECTOR_MT_endpoint_presets)
    assert menu.texts() == ["Slow", "Save...", "Remove Slow"]
    again = own("blender.state.presets").Presets(presets.path)
    assert again.names("Mock studio", "/speak") == ["Slow"]
    assert again.names("Mock studio", "/upscale") == []
    assert bpy.ops.movie_director.remove_preset(name="Slow") == {"FINISHED"}
    assert own("blender.state.presets").Presets(presets.path).names("Mock studio", "/speak") == []
    for refused in (
        lambda: bpy.ops.movie_director.apply_preset(name="Slow"),
        lambda: bpy.ops.movie_director.save_preset("EXEC_DEFAULT", name=" "),
    ):
        with pytest.raises(RuntimeError, match="preset"):
            refused()


def test_a_file_of_presets_that_can_t_be_read_is_not_written_over(film: Path, app: Any, presets: Any) -> None:
    choose("/speak")
    presets.path.parent.mkdir()
    presets.path.write_text("{half", encoding="utf-8")
    broken = own("blender.state.presets").Presets(presets.path)
    assert broken.names("Mock studio", "/speak") == []
    errors = own("clients.core.errors")
    with pytest.raises(errors.StorageError, match="can't be read"):
        broken.save("Mock studio", "/speak", "Slow", {})
    assert presets.path.read_text(encoding="utf-8") == "{half"


def test_the_presets_of_this_user_are_in_his_own_folder() -> None:
    module = own("blender.state.presets")
    assert module.presets().path.name == "gradio.json"
    assert module.presets() is module.presets()


# --- the terminal


def command(*arguments: str) -> int:
    status: int = own("cli.command_line").run(list(arguments))
    return status


def test_the_verbs(film: Path, app: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("endpoints", "--url", app.url) == 0
    printed = capsys.readouterr().out
    assert "/upscale  ->  image" in printed
    assert "duration (Duration (seconds)): whole number, 1 to 30, default 8" in printed
    assert 'voice (Voice): choice, one of "anna", "bill", "child", default "anna"' in printed
    assert "text (Text): text, needed" in printed
    picture = still(tmp_path)
    assert command("run", "/upscale", "--set", "factor=4", "--file", f"image={picture}", "--frame", "7") == 0
    assert "upscaled.png" in capsys.readouterr().out
    assert [own("blender.platform.sequencer").bounds(strip)[0] for strip in strips()] == [7]
    assert command("run", "/describe", "--file", f"image={picture}") == 0
    assert "A picture of 32 x 18 pixels." in capsys.readouterr().out
    assert command("run", "/upscale", "--set", "factor") == 1
    assert "FIELD=VALUE" in capsys.readouterr().err
    assert command("run", "/upscale", "--set", "factor=9", "--file", f"image={picture}") == 1
    assert "not one of its choices" in capsys.readouterr().err


def test_the_verbs_in_demo_mode(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("servers", "--demo") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(own("clients.registry").BACKENDS)
    assert all(" answered in " in line for line in lines)
    assert command("endpoints", "--demo") == 0
    assert "/speak  ->  audio" in capsys.readouterr().out


def test_servers_that_are_not_there_are_listed(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in own("clients.registry").BACKENDS:
        getattr(preferences().backends, name).url = "http://127.0.0.1:9"
    assert command("servers") == 0
    lines = capsys.readouterr().out.splitlines()
    assert all("http://127.0.0.1:9" in line and "no: No server responds" in line for line in lines)
    assert command("endpoints") == 1
