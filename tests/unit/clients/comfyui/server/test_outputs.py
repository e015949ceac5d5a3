"""What a run has made: files of every kind the recordings have, in order, each once; odd entries passed over."""

import pytest
from support.recordings import COMFYUI_VERSIONS, comfyui

from movie_director.clients.comfyui.server.outputs import OutputFile, Outputs, collect


def recorded(version, scenario):
    """All ``outputs`` of history entries in a scenario."""
    for line in comfyui(version, scenario):
        answer = line.get("json")
        if line["channel"] == "http" and line["dir"] == "recv" and isinstance(answer, dict):
            for entry in answer.values():
                if isinstance(entry, dict) and isinstance(entry.get("outputs"), dict):
                    yield entry["outputs"]


@pytest.mark.parametrize("version", COMFYUI_VERSIONS)
def test_every_recorded_file_is_found(version):
    names = {file.filename for outputs in recorded(version, "media_outputs") for file in collect(outputs, {}).files}
    suffixes = {name.rpartition(".")[2] for name in names}
    assert {"webp", "png", "mp4", "webm", "flac", "mp3", "txt", "glb"} - {"txt", "flac", "mp3"} <= suffixes


@pytest.mark.parametrize("version", COMFYUI_VERSIONS)
def test_recorded_texts_are_found(version):
    texts = {text for outputs in recorded(version, "media_outputs") for text in collect(outputs, {}).texts}
    assert "left-right" in texts


def file(name, kind="output", subfolder=""):
    return {"filename": name, "subfolder": subfolder, "type": kind}


def test_nodes_come_in_the_prompts_order_and_batches_in_theirs():
    outputs = {
        "9": {"images": [file("z.png")]},
        "3": {"images": [file("b2.png"), file("b1.png")]},
        "extra": {"images": [file("a.png")]},
    }
    found = collect(outputs, {"3": {}, "4": {}, "9": {}})
    assert [each.filename for each in found.files] == ["b2.png", "b1.png", "z.png", "a.png"]


def test_saved_files_come_before_previews():
    outputs = {"1": {"images": [file("p.png", "temp")]}, "2": {"images": [file("s.png")]}}
    assert [each.filename for each in collect(outputs, {}).files] == ["s.png"]


def test_previews_are_taken_where_nothing_was_saved():
    outputs = {"1": {"images": [file("p.png", "temp")]}, "2": {"text": ["hello"]}}
    assert collect(outputs, {}) == Outputs((OutputFile("p.png", "", "temp"),), ("hello",))


def test_a_file_that_is_named_under_several_keys_is_one():
    outputs = {"1": {"result": ["mesh.glb", None, {"camera": 1}], "3d": [file("mesh.glb")], "model_file": ["mesh.glb"]}}
    assert collect(outputs, {}).files == (OutputFile("mesh.glb"),)


def test_text_is_text_also_where_it_looks_like_a_file():
    assert collect({"1": {"text": ["mesh.glb"], "files": [file("a.txt")]}}, {}) == Outputs(
        (OutputFile("a.txt"),), ("mesh.glb",)
    )


@pytest.mark.parametrize(
    "outputs",
    [
        None,
        [],
        {"1": None},
        {"1": {"images": None, "animated": [True], "a_number": [1.5]}},
        {"1": {"images": [None, 5, {}, {"filename": ""}, {"filename": 5}, "plain words"], "text": [5]}},
    ],
)
def test_what_is_no_output_is_passed_over(outputs):
    assert collect(outputs, {}) == Outputs()


def test_missing_parts_of_a_name_have_their_defaults():
    assert collect({"1": {"gifs": [{"filename": "a.mp4", "subfolder": None}]}}, {}).files == (OutputFile("a.mp4"),)


def test_names_are_encoded_for_the_address():
    made = OutputFile("ä b&c.png", "sub/x?", "temp")
    assert made.view_path == "/api/view?filename=%C3%A4+b%26c.png&subfolder=sub%2Fx%3F&type=temp"
    assert made.source == "temp/sub/x?/ä b&c.png"
    assert OutputFile("a.png").source == "output/a.png"


@pytest.mark.parametrize("text", ["3d/sub/mesh_1.glb", "3d\\sub\\mesh_1.glb"])
def test_a_text_that_names_a_file_in_a_folder(text):
    (found,) = collect({"1": {"result": [text]}, "2": {"3d": [file("mesh_1.glb", subfolder="3d/sub")]}}, {}).files
    assert found == OutputFile("mesh_1.glb", "3d/sub")
    assert found.view_path == "/api/view?filename=mesh_1.glb&subfolder=3d%2Fsub&type=output"
