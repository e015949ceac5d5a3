"""The mock ComfyUI beyond the recordings, which test_shapes.py has: what it makes, keeps, refuses and counts."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from support.http import Pool
from support.waiting import HANG_GUARD_S, wait_for

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


class Client:
    """Plain HTTP against one mock."""

    def __init__(self, mock: MockComfyUI) -> None:
        self.mock = mock
        self._pool = Pool(HANG_GUARD_S)

    def close(self) -> None:
        self._pool.clear()

    def get(self, path: str, **more: Any) -> Any:
        return self._pool.request("GET", self.mock.url + path, **more)

    def post(self, path: str, data: Any = None) -> Any:
        body = None if data is None else json.dumps(data)
        return self._pool.request("POST", self.mock.url + path, body=body)

    def queue(self, prompt: dict[str, Node], **more: Any) -> str:
        answer = self.post("/prompt", {"prompt": prompt, **more})
        assert answer.status == 200, answer.data
        return str(answer.json()["prompt_id"])

    def refused(self, prompt: dict[str, Node]) -> dict[str, Any]:
        answer = self.post("/prompt", {"prompt": prompt})
        assert answer.status == 400
        return dict(answer.json())

    def run(self, prompt: dict[str, Node], **more: Any) -> dict[str, Any]:
        """Run a prompt to its end; return the history entry."""
        return self.entry(self.queue(prompt, **more))

    def entry(self, prompt_id: str) -> dict[str, Any]:
        return wait_for(lambda: self.mock.engine.entry(prompt_id))

    def images(self, entry: dict[str, Any]) -> list[bytes]:
        items = [item for ui in entry["outputs"].values() for item in ui["images"]]
        return [self.get("/view", fields=item).data for item in items]

    def upload(self, name: str, data: bytes, **fields: str) -> Any:
        form = {"image": (name, data, "application/octet-stream"), **fields}
        return self._pool.request("POST", f"{self.mock.url}/upload/image", fields=form)


@pytest.fixture
def client() -> Iterator[Client]:
    with MockComfyUI(speed=FAST) as mock:
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


def test_nodes_that_no_recording_has(client: Client) -> None:
    client.upload("m.png", encode(Pixels.plain(4, 4, b"abc")))
    client.upload("notes.txt", b"hello")
    prompt = {
        "1": node("LoadImageMask", image="m.png", channel="red"),
        "2": node("PreviewAny", source=["1", 0]),
        "3": node("ProbeValidate", n=4),
        "4": node("ImageScaleBy", image=["5", 0], upscale_method="area", scale_by=1.5),
        "5": empty(16, 12),
        "6": save("4"),
    }
    outputs = client.run(prompt)["outputs"]
    assert "Pixels" in outputs["2"]["text"][0]
    assert outputs["3"]["text"] == ["4"]
    assert decode(client.get("/view", fields=outputs["6"]["images"][0]).data).width == 24
    error = error_of(client.run({"1": node("LoadImage", image="notes.txt"), "2": save()}))
    assert error["exception_type"] == "PIL.UnidentifiedImageError"
    client.mock.inject(Fault("slow_node", on="EmptyImage", value=0.0))
    assert client.run({"1": empty(color=5), "2": save()})["status"]["completed"]
    with pytest.raises(ValueError, match=r"there are 0\.33\.0, 0\.3\.64, 0\.3\.40"):
        MockComfyUI(version="0.1.0")


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
        own.upload("gone.wav", wav(b"\0\0"))
        own.queue({**blocker, "2": node("ProbeSleepOut", image=["1", 0], seconds=1, nonce=2)})
        waiting = own.queue({"1": node("LoadAudio", audio="gone.wav"), "2": node("PreviewAudio", audio=["1", 0])})
        mock.files.delete("input", "", "gone.wav")
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


# Validation beyond the recordings


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


# Queue, interrupting, history


def test_jobs_of_a_workflow(client: Client) -> None:
    ids = [
        client.queue({"1": empty(color=number), "2": save()}, extra_data={"extra_pnginfo": {"workflow": {"id": name}}})
        for number, name in enumerate(("a", "b"))
    ]
    client.entry(ids[-1])
    assert [job["id"] for job in client.get("/api/jobs?workflow_id=a").json()["jobs"]] == ids[:1]


def test_history_is_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_HISTORY", 2)
    ids = [client.queue({"1": empty(color=number), "2": save()}) for number in range(3)]
    client.entry(ids[-1])
    assert list(client.mock.engine.history()) == ids[1:]


# Progress and previews


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


# Sockets


def test_userdata_keeps_to_its_folder(client: Client) -> None:
    assert client.post("/userdata/..%2Fx.json", {}).status == 403
    assert client.post("/userdata/none.json/move/other.json").status == 404
    assert client.get("/userdata/..%2Fx.json").status == 403
