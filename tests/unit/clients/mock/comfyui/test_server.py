"""The mock ComfyUI's own behaviour: what it makes, keeps, refuses and counts.

That its messages and answers have the shapes of the real server's is the business of test_mock_comfyui_shapes.
"""

import contextlib
import io
import json
import threading
import time
import uuid
import wave
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
import websocket
from PIL import Image

from movie_director.clients.mock import Fault
from movie_director.clients.mock.comfyui import engine
from movie_director.clients.mock.comfyui.custom_nodes import ASYNC_NODES
from movie_director.clients.mock.comfyui.files import FileStore
from movie_director.clients.mock.comfyui.nodes import NODES
from movie_director.clients.mock.comfyui.object_info import NODE_CLASSES, classes_in
from movie_director.clients.mock.comfyui.server import MockComfyUI
from movie_director.clients.mock.comfyui.versions import ServerFlags
from movie_director.clients.mock.media.pixels import Pixels
from movie_director.clients.mock.media.png import decode, encode

GUARD_S = 20.0
FAST = float("inf")
Node = dict[str, Any]


def node(class_type: str, **inputs: Any) -> Node:
    return {"class_type": class_type, "inputs": inputs}


def empty(width: int = 16, height: int = 12, color: int = 0x336699, batch_size: int = 1) -> Node:
    return node("EmptyImage", width=width, height=height, batch_size=batch_size, color=color)


def save(source: str = "1", prefix: str = "out/shot", **more: Any) -> Node:
    return node("SaveImage", images=[source, 0], filename_prefix=prefix, **more)


def text_to_image(width: int = 96, height: int = 96, seed: int = 7, **more: Any) -> dict[str, Node]:
    """The workflow of a still: model, texts, an empty latent, sampler, decoder, file."""
    sampler = {"seed": seed, "steps": 2, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    return {
        "4": node("CheckpointLoaderSimple", ckpt_name="demo_film_look.safetensors"),
        "5": node("EmptyLatentImage", width=width, height=height, batch_size=more.pop("batch_size", 1)),
        "6": node("CLIPTextEncode", text="A harbour at night", clip=["4", 1]),
        "7": node("CLIPTextEncode", text="blurry", clip=["4", 1]),
        "3": node(
            "KSampler",
            model=["4", 0],
            positive=["6", 0],
            negative=["7", 0],
            latent_image=["5", 0],
            **{**sampler, **more},
        ),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": save("8"),
    }


class Answer:
    """An answer of urllib3, old or new: the old one has no ``json``."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def json(self) -> Any:
        return json.loads(self._response.data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)


class Client:
    """Plain HTTP against one mock."""

    def __init__(self, mock: MockComfyUI) -> None:
        self.mock = mock
        self._pool = urllib3.PoolManager(retries=False, timeout=GUARD_S)

    def close(self) -> None:
        self._pool.clear()

    def get(self, path: str, **more: Any) -> Answer:
        return Answer(self._pool.request("GET", self.mock.url + path, **more))

    def post(self, path: str, data: Any = None) -> Answer:
        body = None if data is None else json.dumps(data)
        return Answer(self._pool.request("POST", self.mock.url + path, body=body))

    def queue(self, prompt: dict[str, Node], **more: Any) -> str:
        answer = self.post("/prompt", {"prompt": prompt, **more})
        assert answer.status == 200, answer.data
        return str(answer.json()["prompt_id"])

    def refused(self, prompt: dict[str, Node]) -> dict[str, Any]:
        answer = self.post("/prompt", {"prompt": prompt})
        assert answer.status == 400
        return dict(answer.json())

    def run(self, prompt: dict[str, Node], **more: Any) -> dict[str, Any]:
        """Runs a prompt to its end; the history entry."""
        return self.entry(self.queue(prompt, **more))

    def entry(self, prompt_id: str) -> dict[str, Any]:
        return wait_for(lambda: self.mock.engine.entry(prompt_id))

    def images(self, entry: dict[str, Any]) -> list[bytes]:
        items = [item for ui in entry["outputs"].values() for item in ui["images"]]
        return [self.get("/view", fields=item).data for item in items]

    def upload(self, name: str, data: bytes, **fields: str) -> Answer:
        form = {"image": (name, data, "application/octet-stream"), **fields}
        return Answer(self._pool.request("POST", f"{self.mock.url}/upload/image", fields=form))


def wait_for(look: Callable[[], Any]) -> Any:
    pause = threading.Event()
    deadline = time.monotonic() + GUARD_S
    while not (seen := look()):
        assert time.monotonic() < deadline, "it does not come"
        pause.wait(0.005)
    return seen


@pytest.fixture
def client() -> Iterator[Client]:
    with MockComfyUI(speed=FAST) as mock:
        own = Client(mock)
        yield own
        own.close()


@pytest.fixture
def real_time() -> Iterator[Client]:
    with MockComfyUI() as mock:
        own = Client(mock)
        yield own
        own.close()


# Pictures


def test_text_to_image_makes_a_png_with_the_prompt_in_it(client: Client) -> None:
    workflow = {"nodes": [], "links": []}
    prompt = text_to_image()
    entry = client.run(prompt, extra_data={"extra_pnginfo": {"workflow": workflow}})
    (data,) = client.images(entry)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (96, 96)
        text = picture.text
    assert json.loads(text["prompt"]) == prompt
    assert json.loads(text["workflow"]) == workflow


def test_the_seed_decides_the_picture(client: Client) -> None:
    one, two, again = (client.images(client.run(text_to_image(seed=seed)))[0] for seed in (1, 2, 1))
    assert decode(one) == decode(again) != decode(two)


def test_a_batch_makes_pictures_of_their_own(client: Client) -> None:
    images = client.images(client.run(text_to_image(batch_size=3)))
    assert len({decode(image).data for image in images}) == 3


def test_an_uploaded_picture_is_built_on(client: Client) -> None:
    half = [b"\x10\x10\x10" * 48 + b"\xe0\xe0\xe0" * 48] * 96
    name = client.upload("view.png", encode(Pixels.from_rows(96, half))).json()["name"]
    prompt = text_to_image(denoise=0.5)
    prompt["1"] = node("LoadImage", image=name)
    prompt["2"] = node("ImageScale", image=["1", 0], upscale_method="lanczos", width=128, height=72, crop="center")
    prompt["5"] = node("VAEEncode", pixels=["2", 0], vae=["4", 2])
    (data,) = client.images(client.run(prompt))
    row = decode(data).row(36)
    assert len(row) == 3 * 128
    assert sum(row[3 * 80 : 3 * 110]) > 2 * sum(row[3 * 18 : 3 * 48])


def test_a_second_pass_builds_on_the_first(client: Client) -> None:
    prompt = text_to_image()
    prompt["10"] = node("KSampler", **{**prompt["3"]["inputs"], "latent_image": ["3", 0], "seed": 99})
    prompt["8"]["inputs"]["samples"] = ["10", 0]
    assert len(client.images(client.run(prompt))) == 1


def test_decoding_what_was_never_sampled(client: Client) -> None:
    prompt = text_to_image()
    prompt["8"]["inputs"]["samples"] = ["5", 0]
    assert decode(client.images(client.run(prompt))[0]) == Pixels.plain(96, 96, b"\x80\x80\x80")
    prompt["1"] = empty(20, 20)
    prompt["5"] = node("VAEEncode", pixels=["1", 0], vae=["4", 2])
    assert decode(client.images(client.run(prompt))[0]) == Pixels.plain(20, 20, b"\x33\x66\x99")


@pytest.mark.parametrize(
    ("width", "height", "size"), [(8, 6, (8, 6)), (8, 0, (8, 6)), (0, 6, (8, 6)), (0, 0, (16, 12)), (1, 1, (1, 1))]
)
def test_scaling_with_a_side_left_open(client: Client, width: int, height: int, size: tuple[int, int]) -> None:
    scale = node("ImageScale", image=["1", 0], upscale_method="area", width=width, height=height, crop="disabled")
    picture = decode(client.images(client.run({"1": empty(), "2": scale, "3": save("2")}))[0])
    assert (picture.width, picture.height) == size


def test_scaling_by_a_factor(client: Client) -> None:
    scaled = node("ImageScaleBy", image=["1", 0], upscale_method="area", scale_by=1.5)
    (data,) = client.images(client.run({"1": empty(16, 12), "2": scaled, "3": save("2")}))
    assert (decode(data).width, decode(data).height) == (24, 18)


def test_inverting_and_previewing(client: Client) -> None:
    prompt = {"1": empty(), "2": node("ImageInvert", image=["1", 0]), "3": node("PreviewImage", images=["2", 0])}
    entry = client.run(prompt)
    assert entry["outputs"]["3"]["images"][0]["type"] == "temp"
    assert decode(client.images(entry)[0]).data[:3] == bytes((0xCC, 0x99, 0x66))


def test_values_masks_and_any(client: Client) -> None:
    client.upload("m.png", encode(Pixels.plain(4, 4, b"abc")))
    prompt = {
        "1": node("PrimitiveInt", value=5),
        "2": node("PreviewAny", source=["1", 0]),
        "3": node("PrimitiveFloat", value="2.5"),
        "4": node("PreviewAny", source=["3", 0]),
        "5": node("PrimitiveString", value="words"),
        "6": node("PreviewAny", source=["5", 0]),
        "7": node("LoadImageMask", image="m.png", channel="red"),
        "8": node("PreviewAny", source=["7", 0]),
    }
    outputs = client.run(prompt)["outputs"]
    assert [outputs[key]["text"] for key in ("2", "4", "6")] == [["5"], ["2.5"], ["words"]]
    assert "Pixels" in outputs["8"]["text"][0]


def test_numbered_files_and_folders(client: Client) -> None:
    names = []
    for color in (1, 2):
        entry = client.run({"1": empty(color=color, batch_size=2), "2": save(prefix="a/b/c")})
        names += [(item["subfolder"], item["filename"]) for item in entry["outputs"]["2"]["images"]]
    assert names == [("a/b", f"c_{number:05}_.png") for number in (1, 2, 3, 4)]


def error_of(entry: dict[str, Any]) -> dict[str, Any]:
    event, data = entry["status"]["messages"][-1]
    assert event == "execution_error"
    assert entry["status"] == {"status_str": "error", "completed": False, "messages": entry["status"]["messages"]}
    return dict(data)


def test_a_prefix_that_leaves_the_folder_fails_at_the_end(client: Client) -> None:
    for prefix in ("../x", "/etc/x"):
        error = error_of(client.run({"1": empty(), "2": save(prefix=prefix)}))
        assert "outside the output folder" in error["exception_message"]
        assert error["current_inputs"]["filename_prefix"] == [prefix]


def test_files_that_are_no_pictures(client: Client) -> None:
    client.upload("notes.txt", b"hello")
    error = error_of(client.run({"1": node("LoadImage", image="notes.txt"), "2": save()}))
    assert error["exception_type"] == "PIL.UnidentifiedImageError"


def test_a_file_that_goes_between_check_and_run(client: Client) -> None:
    client.upload("gone.png", encode(Pixels.plain(4, 4, b"abc")))
    blocker = {"1": empty(8, 8), "2": node("ProbeSleepOut", image=["1", 0], seconds=1, nonce=1)}
    with MockComfyUI() as mock:
        own = Client(mock)
        own.upload("gone.png", encode(Pixels.plain(4, 4, b"abc")))
        own.queue(blocker)
        waiting = own.queue({"1": node("LoadImage", image="gone.png"), "2": save()})
        mock.files.delete("input", "", "gone.png")
        assert error_of(own.entry(waiting))["exception_type"] == "FileNotFoundError"
        own.close()


def test_the_input_file_counts_by_its_bytes(client: Client) -> None:
    prompt = {"1": node("LoadImage", image="in.png"), "2": save()}
    client.upload("in.png", encode(Pixels.plain(4, 4, b"abc")))
    first = client.run(prompt)
    same = client.run(prompt)
    client.upload("in.png", encode(Pixels.plain(4, 4, b"xyz")), overwrite="true")
    other = client.run(prompt)
    assert first["outputs"] == same["outputs"] != other["outputs"]


def test_output_for_the_socket_alone_is_never_cached(client: Client) -> None:
    prompt = {"1": empty(batch_size=2), "2": node("SaveImageWebsocket", images=["1", 0])}
    for cached in ([], ["1"]):
        entry = client.run(prompt)
        assert entry["outputs"] == {}
        assert entry["status"]["messages"][1][1]["nodes"] == cached


def test_free_drops_the_cache(client: Client) -> None:
    prompt = {"1": empty(), "2": save()}
    first = client.run(prompt)["outputs"]
    assert client.post("/free", {"unload_models": True}).status == 200
    assert client.run(prompt)["outputs"] == first
    assert client.post("/free", {"free_memory": True}).status == 200
    assert client.run(prompt)["outputs"] != first


def test_free_during_a_run_waits_for_its_end(real_time: Client) -> None:
    prompt = {
        "1": empty(),
        "2": node("ProbeSleep", image=["1", 0], seconds=0.3, honour_interrupt=True, nonce=1),
        "3": save("2"),
    }
    running = real_time.queue(prompt)
    wait_for(lambda: real_time.mock.engine.waiting()[0])
    real_time.post("/free", {"free_memory": True})
    first = real_time.entry(running)["outputs"]
    assert real_time.run(prompt)["outputs"] != first


def test_big_results(client: Client) -> None:
    prompt = {
        "1": node("ProbeBigFile", megabytes=2, ext="mp4", ui_key="gifs"),
        "2": node("ProbeBigText", kilobytes=3),
    }
    outputs = client.run(prompt)["outputs"]
    item = outputs["1"]["gifs"][0]
    answer = client.get("/view", fields=item)
    assert (len(answer.data), answer.headers["Content-Type"]) == (2 * 1024 * 1024, "video/mp4")
    assert len(outputs["2"]["text"][0]) == 3072


# Validation beyond the recordings


def test_a_list_value_is_unwrapped(client: Client) -> None:
    prompt = {"1": node("ProbeText", text={"__value__": ["plain", "list", "!"]})}
    assert client.run(prompt)["status"]["status_str"] == "error"
    assert client.run({"1": node("ProbeText", text="fine")})["outputs"]["1"]["text"] == ["fine"]


def test_a_plain_value_where_a_link_belongs_fails_in_the_run(client: Client) -> None:
    entry = client.run({"1": node("ImageInvert", image="no picture"), "2": save()})
    assert error_of(entry)["exception_type"] == "AttributeError"


def test_a_value_that_its_class_checks_itself(client: Client) -> None:
    assert client.run({"1": node("ProbeValidate", n=4)})["outputs"]["1"]["text"] == ["4"]


def test_a_choice_by_link_is_no_choice(client: Client) -> None:
    prompt = {
        "1": node("PrimitiveInt", value=1),
        "2": empty(),
        "3": node("ImageScale", image=["2", 0], upscale_method=["1", 0], width=4, height=4, crop="center"),
        "4": save("3"),
    }
    (error,) = client.refused(prompt)["node_errors"]["3"]["errors"]
    assert error["type"] == "return_type_mismatch"


def test_a_loop_in_an_old_release_has_no_words() -> None:
    loop = {"1": node("ImageInvert", image=["2", 0]), "2": node("ImageInvert", image=["1", 0]), "3": save("1")}
    with MockComfyUI(version="0.3.64") as mock:
        client = Client(mock)
        answer = client.refused(loop)
        assert (answer["error"]["type"], answer["node_errors"]) == ("prompt_outputs_failed_validation", {})
        client.close()


def test_a_loop_that_no_output_hangs_on_does_no_harm(client: Client) -> None:
    loop = {"1": node("ImageInvert", image=["2", 0]), "2": node("ImageInvert", image=["1", 0])}
    assert client.run({**loop, "3": empty(), "4": save("3")})["status"]["completed"]


def test_a_node_may_feed_two(client: Client) -> None:
    prompt = {"1": empty(), "2": node("ImageInvert", image=["1", 0]), "3": save("1", "a"), "4": save("2", "b")}
    assert set(client.run(prompt)["outputs"]) == {"3", "4"}


def test_a_broken_node_off_the_way_is_not_run(client: Client) -> None:
    assert client.run({"1": empty(), "2": save(), "9": {"class_type": "ImageInvert"}})["status"]["completed"]


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"there are 0\.33\.0, 0\.3\.64, 0\.3\.40"):
        MockComfyUI(version="0.1.0")


# object_info


def test_every_class_is_told_and_can_run() -> None:
    assert {*NODES, *ASYNC_NODES} == set(NODE_CLASSES)


@pytest.mark.parametrize("version", ["0.33.0", "0.3.64", "0.3.40"])
def test_object_info_names_uploads_and_models(version: str) -> None:
    with MockComfyUI(version=version, prefix="/ui") as mock:
        client = Client(mock)
        client.upload("b.png", b"b")
        client.upload("a.png", b"a")
        client.upload("c.png", b"c", subfolder="deep")
        info = client.get("/api/object_info").json()
        assert set(info) == set(classes_in(mock.version))
        assert ("SaveText" in info, "EmptyAudio" in info) == (version == "0.33.0", version != "0.3.40")
        assert info["LoadImage"]["input"]["required"]["image"] == [["a.png", "b.png"], {"image_upload": True}]
        assert info["SaveImage"]["output"] == (["IMAGE"] if version == "0.33.0" else [])
        models = client.get("/models/checkpoints").json()
        assert info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] == models
        assert client.get("/models/loras").json() == []
        client.close()


# Sound, assets, users


def wav(samples: bytes, width: int = 2) -> bytes:
    stored = io.BytesIO()
    with wave.open(stored, "wb") as writer:
        writer.setparams((1, width, 22050, 0, "NONE", ""))
        writer.writeframes(samples)
    return stored.getvalue()


def test_sound_that_was_uploaded_and_what_is_none(client: Client) -> None:
    for name, data in (
        ("a.wav", wav(bytes(range(256)) * 4)),
        ("b.wav", wav(b"\x80" * 10, width=1)),
        ("c.wav", b"RIFF"),
    ):
        client.upload(name, data)
    keep = {"2": node("SaveAudio", audio=["1", 0], filename_prefix="audio/x")}
    (item,) = client.run({"1": node("LoadAudio", audio="a.wav"), **keep})["outputs"]["2"]["audio"]
    assert item == {"filename": "x_00001.flac", "subfolder": "audio", "type": "output"}
    file = client.mock.files.get("output", "audio", "x_00001.flac")
    assert file is not None
    assert file.data.startswith(b"fLaC")
    assert (
        "8 bits a sample" in error_of(client.run({"1": node("LoadAudio", audio="b.wav"), **keep}))["exception_message"]
    )
    assert error_of(client.run({"1": node("LoadAudio", audio="c.wav"), **keep}))["exception_type"].startswith("av.")
    (problem,) = client.refused({"1": node("LoadAudio", audio="no.wav"), **keep})["node_errors"]["1"]["errors"]
    assert problem["details"] == "audio - Invalid audio file: no.wav"


def test_sound_that_goes_between_check_and_run(client: Client) -> None:
    client.upload("a.wav", wav(b"\0\0"))
    client.mock.inject(Fault("slow_node", on="LoadAudio", value=0.0))
    take = client.mock.faults.take

    def taken(kind: str, *subjects: str, **more: Any) -> Fault | None:
        if kind == "slow_node":
            client.mock.files.delete("input", "", "a.wav")
        return take(kind, *subjects, **more)

    client.mock.faults.take = taken  # type: ignore[method-assign]
    keep = {"2": node("PreviewAudio", audio=["1", 0])}
    assert (
        error_of(client.run({"1": node("LoadAudio", audio="a.wav"), **keep}))["exception_type"] == "FileNotFoundError"
    )


def test_a_video_is_told_as_animated_images_and_has_its_sound(client: Client) -> None:
    client.upload("a.wav", wav(b"\1\2" * 500))
    prompt = {
        "1": empty(30, 20, batch_size=3),
        "2": node("CreateVideo", images=["1", 0], fps=8.0, audio=["4", 0]),
        "3": node("SaveVideo", video=["2", 0], filename_prefix="video/x", format="auto", codec="auto"),
        "4": node("LoadAudio", audio="a.wav"),
    }
    told = client.run(prompt)["outputs"]["3"]
    assert told["animated"] == [True]
    (item,) = told["images"]
    file = client.mock.files.get("output", "video", item["filename"])
    assert file is not None
    assert file.media_type == "video/mp4"
    assert b"\1\2" * 500 in file.data
    assert file.data.count(b"JFIF") == 3 or file.data.count(b"\xff\xd8") >= 3
    assert b"CreateVideo" in file.data, "the prompt is in the file"


def test_a_choice_that_is_none_of_a_dynamic_combo_s(client: Client) -> None:
    prompt = {"1": empty(), "2": node("SaveImageAdvanced", images=["1", 0], filename_prefix="x", format="bmp")}
    (problem,) = client.refused(prompt)["node_errors"]["2"]["errors"]
    assert (problem["type"], problem["extra_info"]["received_value"]) == ("value_not_in_list", "bmp")


def test_optional_inputs_are_judged_only_where_given(client: Client) -> None:
    video = {"1": empty(batch_size=2), "3": node("SaveVideo", video=["2", 0], filename_prefix="v", format="auto")}
    video["3"]["inputs"]["codec"] = "auto"
    assert client.run(video | {"2": node("CreateVideo", images=["1", 0], fps=8.0)})["status"]["completed"]
    wrong = node("CreateVideo", images=["1", 0], fps=8.0, audio=["1", 0])
    (problem,) = client.refused(video | {"2": wrong})["node_errors"]["2"]["errors"]
    assert problem["type"] == "return_type_mismatch"


def test_assets_are_listed_with_those_of_uploads() -> None:
    with MockComfyUI(speed=float("inf"), flags=ServerFlags(assets=True)) as mock:
        client = Client(mock)
        client.upload("notes.txt", b"text", subfolder="deep")
        prompt = {"1": node("ProbeMultiOut", nonce=1), "2": node("PreviewAny", source="hello")}
        outputs = client.run(prompt)["outputs"]
        listed = client.get("/api/assets").json()
        ids = {outputs["1"]["gifs"][0]["id"], outputs["1"]["3d"][0]["id"]}
        assert {each["id"] for each in listed["assets"] if "job_id" in each} == ids
        assert outputs["1"]["result"] == ["mesh.glb", None, None]
        kinds = [(each["loader_path"], each["metadata"]["kind"]) for each in listed["assets"]]
        assert kinds == [("mesh.glb", "model"), ("clip.mp4", "video"), ("deep/notes.txt", "text")]
        page = client.get("/api/assets?limit=1").json()
        assert (len(page["assets"]), page["total"], page["has_more"]) == (1, 3, True)
        client.close()


def test_a_node_that_ends_the_process_and_a_fault_that_does() -> None:
    with MockComfyUI(speed=FAST) as mock:
        client = Client(mock)
        mock.files.put("temp", "", "before.png", b"")
        with contextlib.suppress(urllib3.exceptions.HTTPError):  # the answer may be lost with the process
            client.queue({"1": node("ProbeCrash", nonce=1)})
        wait_for(lambda: mock.files.get("temp", "", "before.png") is None)
        assert not mock.down, "at this speed it is back at once"
        mock.inject(Fault("vanish", on="EmptyImage", value=60))
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            client.queue({"1": empty(), "2": save()})
        wait_for(lambda: mock.down)
        mock.go_down(0.0)
        assert client.get("/history").json() == {}
        client.close()


# Queue, interrupting, history


def sleeper(seconds: float, nonce: int = 1, **more: Any) -> dict[str, Node]:
    inputs = {"seconds": seconds, "honour_interrupt": True, "nonce": nonce, **more}
    return {"1": empty(8, 8), "2": node("ProbeSleep", image=["1", 0], **inputs), "3": save("2")}


def test_positions_front_and_delete(real_time: Client) -> None:
    engine = real_time.mock.engine
    running = real_time.queue(sleeper(30))
    wait_for(lambda: engine.waiting()[0])
    second, third = real_time.queue(sleeper(0, 2)), real_time.queue(sleeper(0, 3))
    first = real_time.queue(sleeper(0, 4), front=True)
    assert [item[1] for item in sorted(engine.waiting()[1], key=lambda item: item[0])] == [first, second, third]
    real_time.post("/queue", {"delete": [second, running, "unknown"]})
    assert [item[1] for item in engine.waiting()[1]] == [first, third]
    assert real_time.post("/interrupt").status == 200
    assert real_time.entry(running)["status"]["messages"][-1][0] == "execution_interrupted"
    order = [real_time.entry(each)["status"]["messages"][0][1]["timestamp"] for each in (first, third)]
    assert order == sorted(order)


def test_clear_empties_the_queue(real_time: Client) -> None:
    running = real_time.queue(sleeper(30))
    real_time.queue(sleeper(0, 2))
    wait_for(lambda: real_time.mock.engine.waiting()[0])
    real_time.post("/queue", {"clear": True})
    assert real_time.mock.engine.remaining() == 1
    assert real_time.post("/interrupt", {"prompt_id": running}).status == 200
    assert real_time.entry(running)["status"]["status_str"] == "error"


def test_history_of_many(client: Client) -> None:
    ids = [client.queue({"1": empty(color=number), "2": save()}) for number in range(4)]
    client.entry(ids[-1])
    assert list(client.get("/history").json()) == ids
    assert list(client.get("/history?max_items=2").json()) == ids[2:]
    assert list(client.get("/history?max_items=2&offset=1").json()) == ids[1:3]
    client.post("/history", {"delete": [ids[0], "unknown"]})
    assert list(client.get("/history").json()) == ids[1:]
    client.post("/history", {"clear": True})
    assert client.get("/history").json() == {}


def test_history_is_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_HISTORY", 2)
    ids = [client.queue({"1": empty(color=number), "2": save()}) for number in range(3)]
    client.entry(ids[-1])
    assert list(client.mock.engine.history()) == ids[1:]


def test_jobs_by_state_workflow_and_page(real_time: Client) -> None:
    extra = {"extra_pnginfo": {"workflow": {"id": "w-1"}}}
    done = real_time.queue({"1": empty(), "2": save()}, extra_data=extra)
    real_time.entry(done)
    failed = real_time.queue(
        {"1": empty(), "2": node("ProbeError", image=["1", 0], kind="value", nonce=1), "3": save("2")}
    )
    real_time.entry(failed)
    running = real_time.queue(sleeper(30))
    wait_for(lambda: real_time.mock.engine.waiting()[0])
    waiting = real_time.queue(sleeper(0, 2))

    def listed(query: str) -> list[str]:
        return [job["id"] for job in real_time.get(f"/api/jobs?{query}").json()["jobs"]]

    assert listed("sort_order=asc") == [done, failed, running, waiting]
    assert listed("status=completed,failed&sort_order=asc") == [done, failed]
    assert listed("workflow_id=w-1") == [done]
    assert set(listed("limit=2")) == {waiting, running}
    page = real_time.get("/api/jobs?limit=2&offset=1&sort_order=asc").json()["pagination"]
    assert page == {"offset": 1, "limit": 2, "total": 4, "has_more": True}
    assert real_time.get(f"/api/jobs/{running}").json()["status"] == "in_progress"
    assert real_time.post(f"/api/jobs/{running}/cancel").json() == {"cancelled": True}


def test_text_and_odd_outputs_as_jobs_see_them(client: Client) -> None:
    prompt_id = client.queue({"1": node("ProbeText", text="hi")})
    client.entry(prompt_id)
    job = client.get(f"/api/jobs/{prompt_id}").json()
    assert job["preview_output"] == {"content": "hi", "nodeId": "1", "mediaType": "text"}
    assert job["outputs_count"] == 0
    odd = client.queue({"1": node("ProbeBigFile", megabytes=0, ext="xyz", ui_key="latents")})
    client.entry(odd)
    assert "preview_output" not in client.get(f"/api/jobs/{odd}").json()


def test_a_job_of_other_hands_has_no_workflow(client: Client) -> None:
    prompt_id = client.queue({"1": empty(), "2": save()}, extra_data={"extra_pnginfo": None})
    client.entry(prompt_id)
    assert "workflow_id" not in client.get(f"/api/jobs/{prompt_id}").json()


# Progress and previews


def messages_of(client: Client, prompt: dict[str, Node], **more: Any) -> list[Any]:
    """All messages of one run, seen by its owner: a new one each time, for a shared id is forgotten with the first."""
    owner = uuid.uuid4().hex
    own = websocket.create_connection(f"{client.mock.url.replace('http', 'ws')}/ws?clientId={owner}", timeout=GUARD_S)
    client.queue(prompt, client_id=owner, **more)
    seen: list[Any] = []
    while not (seen and isinstance(seen[-1], dict) and seen[-1]["data"].get("node", "") is None):
        data = own.recv()
        seen.append(data if isinstance(data, bytes) else json.loads(data))
    own.shutdown()
    return seen


def test_previews_come_unless_switched_off(client: Client) -> None:
    assert sum(isinstance(each, bytes) for each in messages_of(client, text_to_image())) == 2
    off = messages_of(client, text_to_image(seed=8), extra_data={"preview_method": "none"})
    assert not any(isinstance(each, bytes) for each in off)


def test_the_oldest_release_knows_no_preview_method() -> None:
    with MockComfyUI(version="0.3.40", speed=FAST) as mock:
        client = Client(mock)
        seen = messages_of(client, text_to_image(), extra_data={"preview_method": "none"})
        assert sum(isinstance(each, bytes) for each in seen) == 2
        client.close()


def test_progress_is_throttled_by_time(real_time: Client) -> None:
    slow = node("ProbeSlow", image=["1", 0], steps=20, delay=0.03, previews=False, nonce=1)
    seen = messages_of(real_time, {"1": empty(), "2": slow, "3": save("2")})
    values = [each["data"]["value"] for each in seen if isinstance(each, dict) and each["type"] == "progress"]
    assert (values[0], values[-1]) == (1, 20)
    assert 4 < len(values) < 10


# Files


def test_the_oldest_files_go_when_there_is_too_much() -> None:
    store = FileStore(max_kept=100)
    for number in range(5):
        store.put("output", "", str(number), bytes(40))
    assert store.names("output") == ["3", "4"]
    store.put("output", "", "large", bytes(500))
    assert store.names("output") == ["large"]
    store.put("output", "", "large", b"1")
    store.put("output", "", "small", b"2")
    assert store.names("output") == ["large", "small"]


def test_upload_names_without_an_extension(client: Client) -> None:
    names = [client.upload("noext", data).json()["name"] for data in (b"1", b"2", b"1")]
    assert names == ["noext", "noext (1)", "noext"]


def test_annotated_names_name_the_folder(client: Client) -> None:
    client.mock.files.put("output", "sub", "x.png", b"1")
    assert client.mock.files.find("sub/x.png [output]") is not None
    assert client.mock.files.find("sub/x.png") is None


def test_re_encoding(client: Client) -> None:
    client.upload("p.png", encode(Pixels.plain(2, 2, b"abc")))
    client.upload("p.txt", b"no picture")
    whole = client.get("/view?filename=p.png&type=input&preview=webp;90")
    assert (whole.status, decode(whole.data).data) == (200, b"abc" * 4)
    assert "Etag" not in whole.headers
    assert client.get("/view?filename=p.txt&type=input&preview=webp").status == 500
    assert client.get("/view?filename=p.txt&type=input&channel=rgb").status == 500


def test_userdata_keeps_to_its_folder(client: Client) -> None:
    assert client.post("/userdata/..%2Fx.json", {}).status == 403
    assert client.post("/userdata/none.json/move/other.json").status == 404


# Sockets


def test_junk_on_the_socket_is_logged_and_ignored(client: Client) -> None:
    own = websocket.create_connection(f"{client.mock.url.replace('http', 'ws')}/ws?clientId=me", timeout=GUARD_S)
    own.recv()
    own.send_binary(b"\xff\xfe")
    own.send("null")
    own.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
    assert json.loads(own.recv())["type"] == "feature_flags"
    assert [record.body for record in client.mock.requests.matching("WS /ws")][:2] == [b"\xff\xfe", b"null"]
    own.shutdown()
