"""WanGP's settings: what a request is checked against, and what becomes of it."""

from __future__ import annotations

import errno
import io
import json
import time
import zipfile
from pathlib import Path

import pytest

from movie_director.clients import errors
from movie_director.clients.wan2gp import PRESETS, VideoRequest, settings_schema
from movie_director.clients.wan2gp.catalogue import catalogue
from movie_director.clients.wan2gp.queue_file import write_queue
from movie_director.clients.wan2gp.settings.presets import preset_settings
from movie_director.clients.wan2gp.settings.prompt_type_flags import make_flags
from movie_director.clients.wan2gp.settings.resolutions import (
    default_frames,
    default_size,
    fit_size,
    get_frames,
    get_seconds,
    parse_size,
    snap_frames,
    snap_size,
)
from movie_director.clients.wan2gp.task import make_task

T2V, I2V, VACE, LTX = "t2v_1.3B", "i2v_2_2", "vace_14B", "ltx2_distilled"


def request(model=T2V, settings=None, **fields):
    return VideoRequest("a cat", model, settings=settings or {}, **fields)


def model(name):
    return catalogue().models[name]


# The table


def test_the_table_is_whole():
    table = catalogue()
    assert len(table.settings) == 118
    assert len(table.models) == 217
    assert len(table.attachments) == 15
    assert table.settings_version == 2.74
    assert all(each.description for each in table.settings.values())


def test_the_table_is_read_quickly():
    catalogue.cache_clear()
    began = time.perf_counter()
    catalogue()
    assert time.perf_counter() - began < 0.3  # about 3 ms on a machine with nothing else to do


def test_the_defaults_of_the_table_pass_its_own_checks():
    for name, each in catalogue().models.items():
        settings = {key: value for key, value in each.defaults.items() if key not in ("seed", "mode")}
        flags = ("image_prompt_type", "video_prompt_type", "audio_prompt_type")
        made = request(name, {key: value for key, value in settings.items() if key not in flags})
        assert not [problem for problem in made.problems() if "needs" not in problem], name


def test_users_own_models_are_looked_up_by_their_architecture():
    assert catalogue().model("my_finetune", "t2v_1.3B") is model(T2V)
    assert catalogue().model("my_finetune", "k5_lite_t2v").base == "k5_lite_t2v"
    assert catalogue().model("my_finetune") is None


# Checks


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_inference_step": 4}, "num_inference_steps"),
        ({"no_such_thing_at_all": 4}, "unknown setting."),
        ({"prompt": "x"}, "field 'prompt'"),
        ({"model_type": "x"}, "field 'model'"),
        ({"seed": 4}, "field 'seed'"),
        ({"state": {}}, "from outside"),
        ({"num_inference_steps": "many"}, "a whole number"),
        ({"num_inference_steps": True}, "a whole number"),
        ({"num_inference_steps": 4.5}, "a whole number"),
        ({"num_inference_steps": -4}, "below 0"),
        ({"guidance_scale": float("nan")}, "finite numbers"),
        ({"guidance_scale": -1}, "below 0"),
        ({"resolution": "big"}, "a size"),
        ({"resolution": "0x480"}, "a size"),
        ({"video_length": "5 seconds"}, "frames"),
        ({"video_length": 0}, "frames"),
        ({"multi_prompts_gen_type": "FGG"}, "did you mean 'FG'"),
        ({"guidance_phases": 9}, "known are 1, 2, 3"),
        ({"sample_solver": "unipcc"}, "did you mean 'unipc'"),
        ({"image_prompt_type": 5}, "a text of letters"),
        ({"image_prompt_type": "q"}, "not one of its letters"),
        ({"activated_loras": "one"}, "a list of texts"),
        ({"perturbation_layers": [9, True]}, "a list of whole numbers"),
        ({"priority": "yes"}, "true or false"),
        ({"custom_settings": []}, "a mapping"),
        ({"negative_prompt": 5}, "a text"),
        ({"image_start": 5}, "'files'"),
        ({"num_inference_steps": 10**400}, "a whole number"),
        ({"guidance_scale": -(10**400)}, "a number"),
        ({"video_length": 10**400}, "frames"),
        ({"video_length": f"{'9' * 400}s"}, "frames"),
        ({"guidance_phases": 10**5000}, "can't be sent"),
        ({"base_model_type": 10**5000}, "can't be sent"),
        ({"perturbation_layers": [10**5000]}, "can't be sent"),
    ],
)
def test_what_can_not_be_right_is_a_problem(settings, words):
    with pytest.raises(errors.ValidationError) as caught:
        request(settings=settings).validate()
    assert words in caught.value.message
    assert caught.value.hint


NESTED = [None]
NESTED.append(NESTED)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("value", [float("nan"), [{"a": float("-inf")}], {"a": object()}, 10**5000, NESTED], ids=type)
@pytest.mark.parametrize("name", ["custom_settings", "self_refiner_plan", "model_mode"])
def test_what_json_has_not_is_a_problem_before_anything_is_sent(name, value, strict):
    with pytest.raises(errors.ValidationError) as caught:
        request(settings={name: {"deep": value} if name == "custom_settings" else value}, strict=strict).validate()
    assert f"{name}: it can't be sent" in caught.value.message


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_inference_steps": 400}, "outside WanGP's own range of 1 to 100"),
        ({"guidance3_scale": 4.0, "sliding_window_size": 81}, "does not use it"),
        ({"temperature": 1.0}, "does not use it"),
        ({"override_attention": "sage9"}, "did you mean"),
        ({"audio_prompt_type": "q"}, "not one of its letters"),
    ],
)
def test_what_may_be_wrong_is_a_warning(settings, words):
    made = request(settings=settings)
    assert made.problems() == []
    assert any(words in warning for warning in made.warnings()), made.warnings()


def test_settings_that_fit_are_neither():
    settings = {
        "num_inference_steps": 20,
        "resolution": "832x480",
        "video_length": "5s",
        "image_start": None,
        "prompt_enhancer": "T",
    }
    assert request(settings=settings).problems() == []
    assert request(settings=settings).warnings() == []
    assert request(settings={"type": "WanGP v12.60", "skip_steps_cache_type": "tea"}).warnings() == []


def test_an_unknown_model_is_a_warning_with_the_nearest():
    made = request("t2v_1.3")
    assert made.problems() == []
    assert "Did you mean t2v_1.3B" in made.warnings()[0]
    assert "Did you mean t2v" in request("Wan2.1 Text2video 14b").warnings()[0]
    assert "mean" not in request("$$$").warnings()[0]
    assert request("mine", {"base_model_type": T2V, "sample_solver": "nope"}).problems()
    assert "not one of its letters" in " ".join(request("mine", {"image_prompt_type": "q"}).problems())


def test_an_unknown_model_takes_everything():
    made = request("mine", files={"image_start": "a.png", "audio_guide2": "b.wav", "video_guide": "c.mp4"})
    assert made.problems() == []
    params = make_task(made, "id").params
    assert (params["image_prompt_type"], params["audio_prompt_type"], params["video_prompt_type"]) == ("S", "B", "V")


def test_not_strict_sends_what_the_table_does_not_know():
    made = request(settings={"new_setting": 1, "num_inference_steps": -1}, strict=False, files={"new_guide": "x.mp4"})
    assert made.problems() == []
    assert len(made.warnings()) >= 3
    assert make_task(made, "id").params["new_setting"] == 1
    assert make_task(made, "id").with_media(dict.fromkeys(make_task(made, "id").attachments, "n"))["new_guide"] == "n"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"duration_s": 0}, "duration_s"),
        ({"duration_s": 1e308}, "duration_s: at most 86400 seconds"),
        ({"duration_s": 10**400}, "duration_s"),
        ({"width": 10**400, "height": 480}, "width"),
        ({"width": 640, "height": 10**400}, "height"),
        ({"width": 640}, "both"),
        ({"width": 0, "height": 480}, "width"),
        ({"preset": "drafts"}, "draft"),
        ({"preset": 5}, "preset"),
        ({"seed": 10**9}, "seed"),
        ({"files": {"image_strat": "a.png"}}, "image_start"),
        ({"files": {"zzzz": "a.png"}}, "under this name"),
        ({"files": {"image_refs": []}}, "a file is required"),
        ({"files": {"image_refs": [5]}}, "a file is required"),
        ({"files": {"video_guide": ["a.mp4", "b.mp4"]}}, "one file only"),
        ({"files": {"video_guide": "a.png"}}, "no video"),
        ({"files": {"image_start": "a.mp4"}}, "no image"),
        ({"files": {"audio_guide": "a.png"}}, "no audio"),
    ],
)
def test_fields_are_checked(fields, words):
    with pytest.raises(errors.ValidationError) as caught:
        VideoRequest("a cat", T2V, **fields).validate()
    assert words in caught.value.message


def test_prompt_and_model_are_needed_unless_a_file_is_edited():
    with pytest.raises(errors.ValidationError):
        VideoRequest("", "").validate()
    edit = VideoRequest("", "", settings={"mode": "edit_remux"}, files={"video_source": "a.mp4"})
    edit.validate()
    assert edit.warnings() == []
    assert "model_type" not in make_task(edit, "id").params


# Flags from the files given


@pytest.mark.parametrize(
    ("name", "files", "settings", "flags"),
    [
        (T2V, (), {}, {}),
        (I2V, ("image_start",), {}, {}),  # the model's own default
        (I2V, ("image_start", "image_end"), {}, {"image_prompt_type": "SE"}),
        (I2V, ("video_source",), {}, {"image_prompt_type": "V"}),
        (VACE, ("video_guide", "video_mask", "image_refs"), {}, {"video_prompt_type": "UVAI"}),
        (VACE, ("video_guide",), {"video_prompt_type": "PV"}, {"video_prompt_type": "PV"}),
        (VACE, ("video_guide", "image_refs"), {"video_prompt_type": "PV"}, {"video_prompt_type": "PVI"}),
        (LTX, ("image_start", "audio_guide"), {}, {"image_prompt_type": "S", "audio_prompt_type": "A"}),
        ("animate", ("video_guide", "image_refs"), {}, {}),
        ("infinitetalk_multi", ("audio_guide", "audio_guide2"), {}, None),
        ("qwen_image_edit_20B", ("image_guide", "image_mask"), {"image_mode": 2}, {"video_prompt_type": "AV"}),
        ("t2v_1.3B", ("video_source",), {"mode": "edit_remux"}, {}),
    ],
)
def test_flags_follow_from_the_media(name, files, settings, flags):
    found = make_flags(model(name), settings, set(files))
    assert found.problems == []
    assert flags is None or found.values == flags
    if flags is None:
        assert "A" in found.values["audio_prompt_type"]
        assert "B" in found.values["audio_prompt_type"]


@pytest.mark.parametrize(
    ("name", "files", "settings", "words"),
    [
        (I2V, (), {}, "needs a start image or an end image or a video to continue"),
        (T2V, ("image_start",), {}, "takes no such input"),
        (T2V, ("audio_guide",), {}, "takes no such input"),
        ("animate", ("video_guide",), {}, "needs reference images"),
        (VACE, ("video_guide",), {"video_prompt_type": "VA"}, "a mask video is required"),
        (I2V, (), {"image_prompt_type": "S"}, "a start image is required"),
    ],
)
def test_media_that_do_not_fit_are_problems(name, files, settings, words):
    (problem,) = make_flags(model(name), settings, set(files)).problems
    assert words in problem


def test_every_model_can_be_asked_for_with_what_it_needs():
    suffix = {"image": "png", "video": "mp4", "audio": "wav", "file": "npz"}
    settings = catalogue().settings
    for name in catalogue().models:
        files, made = {}, request(name)
        for _ in range(4):
            problems = [each for each in made.problems() if "needs" in each]
            if not problems:
                break
            key = problems[0].partition(":")[0]
            files[key] = f"x.{suffix[settings[key].media]}"
            made = request(name, files=files)
        assert made.problems() == [], name


# Ways to ask


def test_the_ways_to_ask_name_the_files():
    assert VideoRequest.text_to_video("a", T2V, seed=4).seed == 4
    asked = VideoRequest.image_to_video("a", I2V, start="a.png", end="b.png", duration_s=2.0)
    assert asked.files == {"image_start": "a.png", "image_end": "b.png"}
    asked = VideoRequest.video_to_video("a", VACE, control="a.mp4", mask="m.mp4", references=["r.png"])
    assert asked.files == {"video_guide": "a.mp4", "video_mask": "m.mp4", "image_refs": ["r.png"]}
    asked = VideoRequest.sound_driven("a", LTX, sound="a.wav", start="a.png", files={"image_end": "e.png"})
    assert asked.files == {"audio_guide": "a.wav", "image_start": "a.png", "image_end": "e.png"}
    asked = VideoRequest.still("a", "qwen_image_20B", settings={"num_inference_steps": 8}, width=512, height=512)
    assert asked.settings == {"image_mode": 1, "num_inference_steps": 8}
    for each in (asked, VideoRequest.from_dict(asked.to_dict())):
        each.validate()


def test_exported_settings_are_taken(tmp_path):
    exported = {
        "prompt": "a boat",
        "model_type": T2V,
        "seed": 7,
        "type": "WanGP v12.60",
        "settings_version": 2.4,
        "num_inference_steps": 12,
        "image_start": None,
        "video_guide": "clip.mp4",
    }
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(exported), encoding="utf-8")
    for source in (exported, path, str(path)):
        asked = VideoRequest.from_settings(source, duration_s=3.0)
        assert (asked.prompt, asked.model, asked.seed, asked.duration_s) == ("a boat", T2V, 7, 3.0)
        assert asked.settings == {"num_inference_steps": 12}
        assert asked.files == {"video_guide": "clip.mp4"}
    assert VideoRequest.from_settings({"prompt": "x", "seed": -1}).seed is None


@pytest.mark.parametrize("text", ["[1]", "no json", "[" * 100_000])
def test_a_file_without_settings_says_so(tmp_path, text):
    path = tmp_path / "settings.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(errors.ValidationError) as caught:
        VideoRequest.from_settings(path)
    assert caught.value.code == "invalid_settings_file"


def test_a_settings_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.json", "a\0b"):
        with pytest.raises(errors.StorageError):
            VideoRequest.from_settings(path)


# Lengths and sizes


@pytest.mark.parametrize(
    ("name", "seconds", "fps", "frames"),
    [
        (T2V, 5.0, None, 81),
        (T2V, 0.01, None, 5),
        (T2V, 2.0, None, 33),
        (T2V, 2.0, 24.0, 49),
        (LTX, 4.0, None, 97),
        ("minimax_h3_fl2va", 5.0, None, 124),
        ("minimax_h3_fl2va", 1.0, None, 107),
        ("flux", 2.0, None, 32),
        (None, 2.0, None, 32),
    ],
)
def test_seconds_become_frames_that_the_model_makes(name, seconds, fps, frames):
    assert get_frames(model(name) if name else None, seconds, fps) == frames


def test_frames_are_snapped_to_the_nearest():
    assert [snap_frames(model(T2V), each) for each in (1, 6, 7, 8, 82)] == [5, 5, 9, 9, 81]
    assert snap_frames(None, 0.2) == 1
    assert get_seconds(model(T2V), 80) == 5.0
    assert get_seconds(None, 32) == 2.0
    assert default_frames(model(LTX)) == 241
    assert default_frames(None) == 81


def test_sizes_are_snapped_and_fitted():
    assert snap_size(model(T2V), 1920, 1080) == (1920, 1088)
    assert snap_size(model(LTX), 1000, 500) == (992, 512)
    assert snap_size(model("k5_pro_t2v_10s_sft_sparse"), 1920, 1080) == (1024, 512)
    assert snap_size(None, 3, 3) == (16, 16)
    assert default_size(None) == (832, 480)
    width, height = fit_size(model(T2V), 1920, 1080)
    assert abs(width / height - 16 / 9) < 0.05
    assert width * height == pytest.approx(832 * 480, rel=0.1)
    assert fit_size(model(T2V), 320, 240) == (320, 240)
    assert parse_size("832 x 480") == (832, 480)


@pytest.mark.parametrize("name", [T2V, "ltx2_distilled", "ace_step_v1", None])
@pytest.mark.parametrize("preset", PRESETS)
def test_presets_fit_any_model(preset, name):
    settings = preset_settings(preset, model(name) if name else None)
    made = VideoRequest("a", name or "mine", settings=settings, preset=preset)
    assert made.problems() == []
    assert [warning for warning in made.warnings() if "model" not in warning] == []


def test_a_preset_gives_way_to_settings():
    params = make_task(request(preset="draft", settings={"num_inference_steps": 7}), "id").params
    assert params["num_inference_steps"] == 7
    assert params["resolution"] == "416x240"
    assert make_task(request(preset="fine"), "id").params["num_inference_steps"] == 45
    assert make_task(request(preset="draft", width=640, height=640), "id").params["resolution"] == "320x320"


# The task


def test_a_task_has_what_the_server_needs():
    task = make_task(request(duration_s=5.0, width=1000, height=500), "job-1", 11)
    assert task.params == {
        "prompt": "a cat",
        "model_type": T2V,
        "seed": 11,
        "settings_version": 2.74,
        "multi_prompts_gen_type": "FG",
        "output_filename": "blend_job-1",
        "client_id": "job-1",
        "video_length": 81,
        "resolution": "992x496",
    }
    assert task.name == "a_cat_11"


def test_length_and_seed_of_other_kinds():
    assert make_task(request("ace_step_v1", duration_s=500.0), "id").params["duration_seconds"] == 240
    assert make_task(request(settings={"force_fps": "24"}, duration_s=1.0), "id").params["video_length"] == 25
    assert make_task(request(settings={"force_fps": "auto"}, duration_s=1.0), "id").params["video_length"] == 17
    assert make_task(request(seed=0), "id", 5).seed == 0
    assert 0 <= make_task(request(), "id").seed <= 999_999_999
    assert make_task(request(settings={"output_filename": " shot 7 "}), "id").name == "shot 7"
    assert make_task(VideoRequest("???", T2V, seed=1), "id").name == "wan2gp_1"


def test_a_queue_file_holds_the_task_and_its_media(tmp_path):
    for name in ("a.png", "b.PNG", "v.mp4"):
        (tmp_path / name).write_bytes(name.encode() * 1000)
    files = {
        "image_refs": [tmp_path / "a.png", tmp_path / "b.PNG"],
        "video_guide": f"{tmp_path / 'v.mp4'}|start_frame=0,end_frame=48",
    }
    task = make_task(request(VACE, files=files), "job-1")
    checks = []
    write_queue(task, tmp_path / "queue.zip", lambda: checks.append(1))
    with zipfile.ZipFile(tmp_path / "queue.zip") as archive:
        ((entry),) = json.loads(archive.read("queue.json"))
        assert entry["id"] == 1
        params = entry["params"]
        assert params["image_refs"] == ["blend_job-1_image_refs_0.png", "blend_job-1_image_refs_1.png"]
        assert params["video_guide"] == "blend_job-1_video_guide_2.mp4|start_frame=0,end_frame=48"
        assert archive.read("blend_job-1_image_refs_1.png") == b"b.PNG" * 1000
        assert len(archive.namelist()) == 4
    assert len(checks) == 3


def test_a_queue_file_of_what_is_not_there(tmp_path):
    for path in (tmp_path / "none.png", tmp_path, "a\0b.png"):
        task = make_task(VideoRequest("a", "mine", files={"image_start": path}, strict=False), "id")
        with pytest.raises(errors.StorageError):
            write_queue(task, tmp_path / "queue.zip", lambda: None)


def test_a_file_that_can_not_be_read(tmp_path, monkeypatch):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "open", lambda path, mode: Broken())
    task = make_task(VideoRequest("a", "mine", files={"image_start": "a.png"}, strict=False), "id")
    with pytest.raises(errors.StorageError) as caught:
        write_queue(task, tmp_path / "queue.zip", lambda: None)
    assert "a.png" in caught.value.message


def test_settings_that_json_has_not(tmp_path):
    task = make_task(request(settings={"self_refiner_plan": object()}), "id")
    with pytest.raises(errors.ValidationError) as caught:
        write_queue(task, tmp_path / "queue.zip", lambda: None)
    assert caught.value.code == "not_json"


# Forms


def test_a_form_has_the_models_own_limits():
    schema = settings_schema(I2V)
    json.dumps(schema)
    assert schema["title"] == "Wan2.2 Image2video 14B"
    assert schema["frames"] == {"minimum": 5, "maximum": 737, "step": 4, "default": 81}
    assert schema["fps"] == 16.0
    steps = schema["settings"]["video_length"]
    assert (steps["minimum"], steps["step"]) == (5, 4)
    assert schema["settings"]["guidance_scale"]["default"] == 3.5
    assert schema["settings"]["sample_solver"]["choices"][:2] == ["", "unipc"]
    assert schema["settings"]["image_refs"] == {
        "type": "media",
        "group": "media",
        "description": "Reference images (needs I in video_prompt_type).",
        "default": None,
        "media": "image",
        "many": True,
    }
    assert "temperature" not in schema["settings"]
    assert "client_id" not in schema["settings"]
    assert set(schema["groups"]) >= {"prompt", "output", "media"}


def test_forms_of_other_models():
    sound = settings_schema("ace_step_v1")
    assert sound["fps"] is None
    assert sound["frames"] is None
    assert sound["size"] is None
    assert sound["settings"]["duration_seconds"]["maximum"] == 240
    mine = settings_schema("mine")
    assert mine["known"] is False
    assert len(mine["settings"]) > 100
    for name in catalogue().models:
        json.dumps(settings_schema(name))
