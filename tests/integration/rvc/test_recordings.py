"""The recordings of the real RVC servers: replayed through the client, and reproduced by the mock."""

from __future__ import annotations

import ast
import base64
import io
import itertools
import json
import threading
import time
import urllib.error
import urllib.request
import wave
import zipfile

import pytest
from support.replay import RECORDINGS, ReplayServer, response_of, shape
from support.replay import exchanges as read_exchanges
from support.rvc_scenarios import SCENARIOS
from support.voices import voices, write_tone
from support.waiting import HANG_GUARD_S

from movie_director.clients import RVCClient, errors
from movie_director.clients.mock import Fault
from movie_director.clients.mock.rvc.applio import MockApplio
from movie_director.clients.mock.rvc.server import MockRVC
from movie_director.clients.rvc import ConvertRequest

FOLDER = RECORDINGS / "rvc"
ROOT = RECORDINGS.parents[1]
REST = "rvc-python-0.1.5"
BOUNDARY = "----recboundary7MA4YWxk"


def read(server, scenario):
    return read_exchanges(FOLDER / server / f"{scenario}.jsonl")


def test_every_scenario_is_covered_by_a_test_that_exists():
    files = {path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.glob("*/*.jsonl")}
    assert files == set(SCENARIOS)
    for test in set(itertools.chain.from_iterable(SCENARIOS.values())):
        name, _, function = test.partition("::")
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        assert function in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, test


def call(url, method, path, body=None, content_type="application/json"):
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    headers = {"Content-Type": content_type} if data is not None else {}
    request = urllib.request.Request(f"{url}{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=HANG_GUARD_S) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


# --- rvc-python


def form(name, filename, data, media_type):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    return f"{head}Content-Type: {media_type}\r\n\r\n".encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def zipped(*names):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, b"PTH")
    return target.getvalue()


def sent_again(recorded, line):
    """Return the body and content type of a recorded request: audio and archives were shortened in the recording."""
    sent, path = recorded.sent, recorded.path
    if path in ("/convert_file", "/upload_model"):
        return None
    if isinstance(sent, dict) and str(sent.get("audio_data", "")).startswith("UklGR"):
        return {"audio_data": base64.b64encode(line).decode()}
    return sent


@pytest.mark.parametrize("scenario", ["probe", "models", "params", "convert", "upload_model"])
def test_the_mock_rvc_python_has_the_recorded_shapes(scenario, tmp_path):
    line = write_tone(tmp_path / "line.wav", 0.5).read_bytes()
    uploads = iter(
        [
            form("file", "villain.zip", zipped("villain/villain.pth", "villain/added.index"), "application/zip"),
            form("file", "x.zip", b"not a zip", "application/zip"),
            form("file", "flat.zip", zipped("flat.pth"), "application/zip"),
        ]
        if scenario == "upload_model"
        else [form("file", "line.wav", line, "audio/wav"), form("audio", "line.wav", line, "audio/wav")]
    )
    known = {"broken": 40_000, "heroine": 40_000}
    faults = [Fault("voice_broken", on="broken", times=None)]
    with MockRVC(voices=known, speaks=False, speed=float("inf"), faults=faults) as mock:
        for recorded in read(REST, scenario):
            if recorded.path == "/docs":
                continue
            body, media_type = sent_again(recorded, line), "application/json"
            if recorded.path in ("/convert_file", "/upload_model"):
                body, media_type = next(uploads), f"multipart/form-data; boundary={BOUNDARY}"
            status, headers, answer = call(mock.url, recorded.method, recorded.path, body, media_type)
            where = (recorded.method, recorded.path, recorded.sent)
            assert status == recorded.status, where
            ours, theirs = ({name.lower() for name in each} for each in (headers, dict(recorded.headers)))
            assert ours == theirs, where
            assert headers["content-type"] == dict(recorded.headers)["content-type"]
            if recorded.body is None:
                assert answer[:4] == b"RIFF"
                continue
            value = json.loads(answer)
            assert shape(value) == shape(recorded.body), where
            if recorded.path not in ("/openapi.json", "/models") and "input" not in str(value):
                assert value == recorded.body, where
            if recorded.path == "/models":
                assert sorted(value["models"]) == sorted(recorded.body["models"])


def test_rvc_python_is_recognised_by_its_recording():
    with ReplayServer(read(REST, "probe")) as server, RVCClient(server.url) as client:
        info = client.probe()
    assert (info.dialect, info.version) == ("rvc-python", "0.1.5")
    assert info.models == ("broken", "heroine")
    assert info.capabilities == {"convert", "list", "upload_model"}


def test_resampling_by_the_server_plays_slow_and_is_never_asked_for(tmp_path):
    line = write_tone(tmp_path / "line.wav", 0.5)
    with voices(tmp_path) as (mock, client):
        call(mock.url, "POST", "/models/demo-voice")
        call(mock.url, "POST", "/params", {"params": {"resample_sr": 48_000}})
        sound = base64.b64encode(line.read_bytes()).decode()
        _, _, slow = call(mock.url, "POST", "/convert", {"audio_data": sound})
        with wave.open(io.BytesIO(slow)) as file:
            assert (file.getframerate(), file.getnframes()) == (40_000, 24_000)  # as recorded: 0.5 s became 0.6 s
        result = client.submit(ConvertRequest(line, "demo-voice")).result(HANG_GUARD_S)
        assert result.metadata["duration_s"] == pytest.approx(0.5, abs=0.01)


def test_the_mock_is_mute_while_it_converts_as_recorded(tmp_path):
    waits = {}
    for scenario in ("blocking", "disconnect"):
        notes = (FOLDER / REST / f"{scenario}.jsonl").read_text(encoding="utf-8").splitlines()
        (said,) = [json.loads(each)["text"] for each in notes if json.loads(each)["channel"] == "timing"]
        assert " took 1." in said  # of the two seconds that the conversion took
    line = write_tone(tmp_path / "line.wav", 0.5)
    with voices(tmp_path, speed=2.0) as (mock, client):
        job = client.submit(ConvertRequest(line, "demo-voice", f0_method="harvest"))
        mock.wait_for_request("POST /convert_file", HANG_GUARD_S)
        job.cancel()  # the client leaves, the server goes on
        started = time.monotonic()
        call(mock.url, "GET", "/models")
        waits["after the client has left"] = time.monotonic() - started
        while client.runner.busy():
            threading.Event().wait(0.01)
    assert waits["after the client has left"] > 0.5


def test_a_recorded_refusal_is_typed(tmp_path):
    recorded = [each for each in read(REST, "convert") if each.status == 500]
    assert recorded
    line = write_tone(tmp_path / "line.wav", 0.5)
    with voices(tmp_path, Fault("conversion_failed")) as (_, client):
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
    assert isinstance(error, errors.GenerationError)
    assert recorded[0].body["detail"] in error.message


# --- RVC-WebUI

MAIN, OF_2023 = "rvc-webui-main-gradio-3.14", "rvc-webui-2.2.231006-gradio-3.34"
DIALECTS = {MAIN: "rvc-webui", OF_2023: "rvc-webui-2.2"}
webuis = pytest.mark.parametrize("server", [MAIN, OF_2023])


def webui(server, **given):
    return MockRVC(dialect=DIALECTS[server], voices={"heroine": 40_000}, speed=1000.0, **given)


def config_in(server):
    (found,) = [each.body for each in read(server, "probe") if each.path == "/config"]
    return found


@webuis
def test_the_mock_webui_has_the_recorded_functions_and_small_answers(server):
    recorded = config_in(server)
    with webui(server) as mock:
        config = json.loads(call(mock.url, "GET", "/config")[2])
        ours = {name: value for name, value in config.items() if name not in ("components", "dependencies")}
        theirs = {name: value for name, value in recorded.items() if name not in ("components", "dependencies")}
        assert list(ours.items()) == list(theirs.items())
        for function, known in zip(config["dependencies"], recorded["dependencies"], strict=True):
            assert function["api_name"] == known["api_name"]
            wanted = len(known["inputs"]) if "inputs" in known else known["n_inputs"]
            assert len(function["inputs"]) == wanted, known["api_name"]
            assert function.get("types") == known["types"]
            assert function["queue"] == known["queue"]
            if "outputs" in known:
                assert len(function["outputs"]) == len(known["outputs"]), known["api_name"]
        for each in read(server, "probe"):
            if each.path in ("/", "/config", "/docs", "/openapi.json", "/info") or not each.status:
                continue
            status, _, body = call(mock.url, each.method, each.path)
            assert status == each.status, each.path
            assert json.loads(body) == each.body, each.path


@webuis
def test_the_recorded_webui_is_recognised(server):
    with ReplayServer([each for each in read(server, "probe") if each.path == "/config"]) as replay:
        replay.route("POST", "/run/{name}", lambda _: response_of(read(server, "models_and_load")[0]))
        with RVCClient(replay.url) as client:
            info = client.probe()
    assert (info.dialect, info.models) == (DIALECTS[server], ("heroine",))


def without_times(value):
    if isinstance(value, dict):
        return {name: each for name, each in value.items() if "duration" not in name}
    return value


@webuis
@pytest.mark.parametrize("scenario", ["models_and_load", "infer_convert", "upload_then_convert"])
def test_the_mock_webui_answers_as_recorded(server, scenario, tmp_path):
    if not (FOLDER / server / f"{scenario}.jsonl").exists():
        assert (server, scenario) == (MAIN, "upload_then_convert")
        return
    line = write_tone(tmp_path / "line.wav", 0.2).read_bytes()
    with webui(server) as mock:
        mock.flavour._files["/srv/dataset/a.wav"] = line
        renamed: dict[str, str] = {}
        for each in read(server, scenario):
            body, media_type, path = each.sent, "application/json", each.path
            if path == "/upload":
                body, media_type = (
                    form("files", "line.wav", line, "audio/wav"),
                    f"multipart/form-data; boundary={BOUNDARY}",
                )
            elif body is None and each.method == "POST":
                body = b"nope"
            elif isinstance(body, dict):
                body = json.loads(with_our_paths(json.dumps(body), renamed))
                body["data"] = [with_sound(value, line) for value in body["data"]]
            status, _, answer = call(mock.url, each.method, with_our_paths(path, renamed), body, media_type)
            assert status == each.status, each
            if each.body is None:
                assert answer[:4] == b"RIFF" or each.status >= 400
                continue
            value = json.loads(answer)
            assert shape(value) == shape(each.body), (path, value)
            if "data" not in each.body or each.path == "/run/infer_refresh":
                assert without_times(value) == without_times(each.body) or each.path == "/upload"
            if path_in(value):
                renamed[path_in(each.body)] = path_in(value)


def with_sound(value, line):
    if isinstance(value, dict) and str(value.get("data", "")).startswith("data:audio/wav;base64,UklGR"):
        return {**value, "data": "data:audio/wav;base64," + base64.b64encode(line).decode()}
    return value


def with_our_paths(text, renamed):
    for theirs, ours in renamed.items():
        text = text.replace(theirs, ours)
    return text


def path_in(value):
    """Return the path of the file that an answer names, empty for none."""
    if isinstance(value, list) and isinstance(value[0], str):
        return value[0]
    last = value["data"][-1] if isinstance(value, dict) and isinstance(value.get("data"), list) else None
    return last["name"] if isinstance(last, dict) and "name" in last else ""


def told(value):
    """Return what a text of a training is about: title, status and stage, and the form of what stands beside it."""
    text, *rest = value["data"]
    if text is None:
        return ("end", len(rest))
    lines = text.splitlines()
    stage = [line for line in lines if line.startswith(("Current stage", "✓", "Traceback", "Step", "step"))]
    return (*lines[:2][: 2 if text.startswith("【") else 1], *stage, json.dumps(rest).replace("mi-test", "NAME"))


def collapsed(rows):
    return [each for each, _ in itertools.groupby(rows)]


def drive(mock, body, path="/run/predict"):
    answers = []
    while True:
        status, _, answer = call(mock.url, "POST", path, body)
        assert status == 200
        answers.append(json.loads(answer))
        assert [*answers[-1]] == ["data", "is_generating", "duration", "average_duration"]
        if not answers[-1]["is_generating"]:
            return answers


@pytest.mark.parametrize(
    ("server", "scenario"),
    [(MAIN, "train_all_http_iterate"), (MAIN, "train_steps"), (OF_2023, "train_all_http_fn_index")],
)
def test_the_mock_s_trainings_tell_what_was_recorded(server, scenario):
    recorded = [each for each in read(server, scenario) if each.path != "/run/infer_refresh"]
    sessions = {each.sent["session_hash"]: each for each in recorded}
    with webui(server) as mock:
        for session, first in sessions.items():
            theirs = [each.body for each in recorded if each.sent["session_hash"] == session]
            ours = drive(mock, first.sent, first.path)
            if server == OF_2023:  # its texts were shortened in the recording
                assert [len(each["data"]) for each in collapsed(ours)][:1] == [1]
                steps = [
                    [line for line in str(each["data"][0]).splitlines() if line.lower().startswith("step")]
                    for each in ours
                ]
                known = [
                    [line for line in str(each["data"][0]).splitlines() if line.lower().startswith("step")]
                    for each in theirs
                ]
                assert steps[:4] == known[:4]
                assert ours[-1]["data"] == theirs[-1]["data"] == [None]
                continue
            assert collapsed(map(told, ours)) == collapsed(map(told, theirs))


def test_the_mock_s_main_branch_is_busy_and_stopped_as_recorded():
    recorded = {}
    for each in read(MAIN, "train_busy_and_stop"):
        recorded.setdefault((each.sent["session_hash"], each.sent.get("fn_index", each.path)), []).append(each)
    with webui(MAIN) as mock:
        mock.voices["mi-test"] = 48_000
        long = recorded[("long", "/run/train_start_all")][0].sent
        for _ in range(3):
            call(mock.url, "POST", "/run/train_start_all", long)
        wrong, idle = recorded[("stop", 9)][0], recorded[("stop", 21)]
        second = recorded[("second", "/run/train_preprocess")][0]
        third = recorded[("third", "/run/train_preprocess")]
        assert without_times(post(mock, second)) == without_times(second.body)
        assert without_times(post(mock, wrong)) == without_times(wrong.body)
        assert without_times(post(mock, idle[0]))["data"][0] == "【One-click training】\nStatus：Stopped"
        ended = drive(mock, long, "/run/train_start_all")
        assert "Status：Stopped" in ended[-2]["data"][0]
        assert shape(ended[-2]) == shape(recorded[("long", "/run/train_start_all")][-2].body)
        assert without_times(post(mock, idle[1])) == without_times(idle[1].body)
        ours = drive(mock, third[0].sent, third[0].path)
        assert collapsed(told(each)[:2] for each in ours) == collapsed(told(each.body)[:2] for each in third)


def post(mock, recorded):
    status, _, answer = call(mock.url, "POST", recorded.path, recorded.sent)
    assert status == recorded.status
    return json.loads(answer)


def test_by_its_name_a_generator_of_2023_starts_anew_each_time():
    recorded = [each for each in read(OF_2023, "train_all_http_iterate") if each.path == "/run/train_start_all"]
    assert {each.body["data"][0] for each in recorded} == {"Step 1: Processing data"}
    with webui(OF_2023) as mock:
        for _ in range(3):
            assert without_times(post(mock, recorded[0])) == without_times(recorded[0].body)
        for each in read(OF_2023, "train_steps")[:3]:
            assert shape(post(mock, each)) == shape(each.body)


def test_train_start_of_2023_says_the_same_whatever_happened():
    first, unprepared = read(OF_2023, "train_start_blocking")
    with webui(OF_2023) as mock:
        drive(
            mock,
            {"fn_index": 15, "data": read(OF_2023, "train_all_http_fn_index")[0].sent["data"], "session_hash": "a"},
        )
        assert without_times(post(mock, first)) == without_times(first.body)
        assert post(mock, unprepared) == unprepared.body == {"error": None}


def test_the_queue_of_the_page_is_not_used_but_what_it_leaves_behind_is_known(tmp_path):
    left = [
        json.loads(each) for each in (FOLDER / MAIN / "queue_ws_train.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    busy = [each["json"] for each in left if each["channel"] == "http" and each["dir"] == "recv"]
    for server in (MAIN, OF_2023):
        for scenario in ("queue_ws_convert", "queue_ws_train"):
            text = (FOLDER / server / f"{scenario}.jsonl").read_text(encoding="utf-8")
            assert '"/queue/join"' in text
    with webui(MAIN) as mock:
        body = read(MAIN, "train_all_http_iterate")[0].sent
        for _ in range(2):
            call(mock.url, "POST", "/run/train_start_all", body)  # and then nobody asks any more
        second = {"data": ["/srv/dataset", "mi-x", "48k", 2], "session_hash": "afterleave"}
        status, _, answer = call(mock.url, "POST", "/run/train_preprocess", second)
        assert status == 200
        assert without_times(json.loads(answer)) == without_times(busy[0])
        stopped = json.loads(
            call(mock.url, "POST", "/run/predict", {"fn_index": 21, "data": [], "session_hash": "st"})[2]
        )
        assert without_times(stopped) == without_times(busy[1])
        again = {**second, "session_hash": "afterleave2"}
        assert without_times(json.loads(call(mock.url, "POST", "/run/train_preprocess", again)[2])) == without_times(
            busy[2]
        )
        with RVCClient(mock.url) as client:
            client.probe()
        assert not [each for each in mock.requests if "queue/join" in each.path]


# --- Applio, and a server that is not served

APPLIO = "applio-gradio-6.20"


def streamed(mock, path):
    """Return the data of an event stream."""
    _, _, body = call(mock.url, "GET", path)
    return [json.loads(each[6:]) for each in body.decode().splitlines() if each.startswith("data: ")]


@pytest.mark.parametrize("scenario", ["models", "upload_convert", "tts", "train_steps"])
def test_the_mock_applio_answers_as_recorded(scenario, tmp_path):
    line = write_tone(tmp_path / "line.wav", 0.5, rate=48_000).read_bytes()
    renamed: dict[str, str] = {}
    event_id = ""
    with MockApplio(voices={"heroine": 48_000}, speed=1000.0) as mock:
        for each in read(APPLIO, scenario):
            body, media_type = each.sent, "application/json"
            if each.path.endswith("/upload"):
                body, media_type = (
                    form("files", "line.wav", line, "audio/wav"),
                    f"multipart/form-data; boundary={BOUNDARY}",
                )
            elif each.method == "POST":
                body = json.loads(with_our_paths(json.dumps(body), renamed))
            if "/call/" in each.path and each.method == "GET":
                ours = streamed(mock, f"{each.path.rpartition('/')[0]}/{event_id}")
                assert shape(ours) == shape(each.events), (each.path, ours)
                assert texts_in(ours) == texts_in(each.events) or renamed
                for theirs, own in zip(paths_in(each.events), paths_in(ours), strict=True):
                    renamed[theirs] = own
                continue
            status, _, answer = call(mock.url, each.method, with_our_paths(each.path, renamed), body, media_type)
            assert status == each.status, each
            if each.body is None:
                assert answer[:4] == b"RIFF" or each.status >= 400
                continue
            value = json.loads(answer)
            assert shape(value) == shape(each.body), (each.path, value)
            if path_in(value):
                renamed[path_in(each.body)] = path_in(value)
            event_id = value.get("event_id", event_id) if isinstance(value, dict) else event_id


def texts_in(events):
    return [value for event in events for value in event if isinstance(value, str)]


def paths_in(events):
    return [value["path"] for event in events for value in event if isinstance(value, dict) and "path" in value]


def test_the_mock_applio_has_the_recorded_functions():
    recorded = {each.path: each for each in read(APPLIO, "probe")}
    listed = recorded["/gradio_api/info"].body["named_endpoints"]
    with MockApplio() as mock:
        ours = json.loads(call(mock.url, "GET", "/gradio_api/info")[2])["named_endpoints"]
        config = json.loads(call(mock.url, "GET", "/config")[2])
    assert set(ours) <= set(listed) | {"/refresh_pth_and_index_list"}
    for name, endpoint in ours.items():
        theirs = listed[name]["parameters"]
        labels = [each["label"] for each in endpoint["parameters"]]
        assert len(labels) == len(theirs), name
        assert [a for a, b in zip(labels, theirs, strict=True) if a != b["label"] and not a.startswith("Effect ")] == []
        for mine, known in zip(endpoint["parameters"], theirs, strict=True):
            if "parameter_default" in known and not mine["label"].startswith(("Effect", "Voice", "Index")):
                assert mine["parameter_default"] == known["parameter_default"], (name, mine["label"])
    for key in ("version", "api_prefix", "title", "protocol"):
        assert config[key] == recorded["/config"].body[key]


def test_the_recorded_applio_is_recognised():
    probed = [each for each in read(APPLIO, "probe") if each.path in ("/config", "/gradio_api/info")]
    (listed,) = [each for each in read(APPLIO, "models") if each.path == "/gradio_api/run/refresh_pth_and_index_list"]
    with ReplayServer(probed) as replay:
        replay.route("POST", "/gradio_api/run/{name}", lambda _: response_of(listed))
        with RVCClient(replay.url) as client:
            info = client.probe()
    assert (info.dialect, info.version, info.models) == ("applio", "Gradio 6.20.0", ("heroine",))


def test_the_mock_applio_s_queue_tells_what_was_recorded():
    recorded = read(APPLIO, "queue_v4_events")
    joins = [each for each in recorded if each.path.endswith("/queue/join")]
    streams = [each for each in recorded if "/queue/data" in each.path]
    with MockApplio(speed=1.0) as mock:
        number = mock.app.by_name["run_preprocess_script"].id
        for join, stream in zip(joins, streams, strict=True):
            status, _, answer = call(mock.url, "POST", "/gradio_api/queue/join", {**join.sent, "fn_index": number})
            assert (status, shape(json.loads(answer))) == (join.status, shape(join.body))
            event_id = json.loads(answer)["event_id"]
            cancelled = stream is streams[1]
            if cancelled:
                body = {"session_hash": join.sent["session_hash"], "fn_index": number, "event_id": event_id}
                assert json.loads(call(mock.url, "POST", "/gradio_api/cancel", body)[2]) == {"success": True}
            else:
                mock.clock.speed = 100.0
            path = f"/gradio_api/queue/data?session_hash={join.sent['session_hash']}"
            ours = [each for each in streamed(mock, path) if each["msg"] != "heartbeat"]
            theirs = stream.events
            assert [each["msg"] for each in ours][-2:] == [each["msg"] for each in theirs][-2:]
            known = {each["msg"]: each for each in theirs}
            for each in ours:
                assert set(each) == set(known[each["msg"]]), each["msg"]


def test_rvc_0_3_5_is_not_taken_for_one_of_ours():
    recorded = read("rvc-0.3.5", "inference")
    assert any(each.path.startswith("/inference") and each.status == 200 for each in recorded)
    with ReplayServer([each for each in recorded if each.method == "GET"]) as replay, RVCClient(replay.url) as client:
        with pytest.raises(errors.ProtocolError) as caught:
            client.probe()
    assert caught.value.code == "not_rvc"
