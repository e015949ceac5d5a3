"""What a Gradio app says of itself, and how functions are found in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from faultserver import FaultServer, always, answer, closed_port
from support.gradio import as_json, bench, outline
from support.gradio_proto import VERSIONS, MockProto, wiring

from movie_director.clients import errors
from movie_director.clients.gradio.config import Dependency, parse_config, read_config, read_info

WAN2GP = Path(__file__).resolve().parents[3] / "recordings" / "wan2gp" / "config_outline.json"


@pytest.fixture
def at(tmp_path):
    with bench(tmp_path) as made:
        yield made


def small(**more):
    config = parse_config(outline(**more))
    assert config is not None
    return config


def test_functions_are_found_by_name_stem_id_and_chain():
    config = small()
    assert config.get_function("echo") is config.get_function("/echo") is config.dependency(0) is config.resolve(0)
    assert config.resolve("add").id == config.resolve(config.get_function("add")).id == 2
    assert [each.id for each in config.followers(config.get_function("echo"))] == [2]
    assert [each.id for each in config.chain(config.get_function("echo"))] == [0, 2]
    assert config.dependency(7).in_backend is False
    assert config.dependency(7).label == "number 7"
    assert config.get_function("steps").is_generator
    assert config.get_function("echo").target("click") == 3
    assert config.get_function("echo").target("upload") is None
    assert [each.id for each in config.find_triggered(3)] == [0]
    assert [each.id for each in config.find_triggered(config.components[3], "click")] == [0]
    assert config.find_triggered(3, "upload") == ()
    assert config.components[3].label == "Go"
    assert config.components[1].label == "text"
    assert config.components[4].label == ""
    assert [each.id for each in config.find_by_kind("state")] == [4]
    assert config.path("/info") == "/gradio_api/info"


def test_a_function_that_is_not_there_is_told_with_the_nearest():
    with pytest.raises(errors.MissingResource) as caught:
        small().get_function("ecko")
    assert (caught.value.kind, caught.value.nearest) == ("function", ("echo",))
    with pytest.raises(errors.MissingResource, match="number 99"):
        small().dependency(99)


def test_the_chain_of_wangp_is_found_without_a_number():
    config = parse_config(json.loads(WAN2GP.read_text(encoding="utf-8")))
    assert config is not None
    loads = [each for each in config.find_by_stem("load_queue_action") if each.target("upload") is not None]
    assert len(loads) == 1
    stems = [each.stem for each in config.chain(loads[0])]
    assert [each for each in stems if each in ("init_process_queue_if_any", "activate_status", "process_tasks")] == [
        "init_process_queue_if_any",
        "activate_status",
        "process_tasks",
    ]
    assert stems.index("finalize_generation_with_state") > stems.index("process_tasks")


def test_generation_3_names_the_event_once_and_no_ids():
    functions = [
        {"targets": [5, 6], "trigger": "click", "inputs": [1], "outputs": [], "api_name": None, "types": None},
        {"targets": [[5, "click"]], "inputs": None, "outputs": "x", "api_name": "go", "types": {"generator": True}},
    ]
    config = parse_config({"version": "3.34.0\n", "dependencies": functions})
    assert config is not None
    assert (config.version, config.generation, config.api_prefix) == ("3.34.0", 3, "")
    first, second = config.dependencies
    assert (first.id, second.id) == (0, 1)
    assert first.targets == ((5, "click"), (6, "click"))
    assert second.inputs == second.outputs == ()
    assert second.is_generator


def test_nonsense_in_the_outline_is_passed_over():
    config = parse_config(
        {
            "version": 5,
            "api_prefix": None,
            "max_file_size": True,
            "app_id": 12,
            "dependencies": ["x", {"id": True, "targets": [["x", "click"], 3], "trigger_after": "y"}],
            "components": ["x", {"id": "y"}, {"id": 3, "props": "z", "type": None}],
        }
    )
    assert config is not None
    assert (config.generation, config.max_file_size, config.app_id) == (0, None, "12")
    assert config.dependencies == (Dependency(1, "", (), (), ((3, ""),), None, True, False, True),)
    assert config.components[3].props == {}
    assert parse_config({"version": "5", "dependencies": None}) is None
    twice = parse_config(
        {"version": "5", "dependencies": [{"id": 0, "trigger_after": 1}, {"id": 1, "trigger_after": 0}]}
    )
    assert twice is not None
    assert [each.id for each in twice.chain(twice.dependency(0))] == [0, 1]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_generation_is_read(at, version):
    with MockProto(version=version, max_file_size=1000) as mock:
        access = at.access(mock.url)
        config = read_config(access)
        info = read_info(access, config, scope=at.scope)
    assert (config.version, config.generation) == (version, int(version[0]))
    assert config.api_prefix == ("" if version.startswith("4") else "/gradio_api")
    assert config.max_file_size == 1000
    assert [each.api_name or False for each in config.dependencies] == [
        each["api_name"] for each in wiring()["dependencies"]
    ]
    assert "/echo" in info["named_endpoints"]


def test_a_mount_below_a_path_is_kept(at):
    with MockProto(version="5.29.0", prefix="/apps/video") as mock:
        assert read_config(at.access(mock.url + "/")).title == "proto"


@pytest.mark.parametrize(("version", "generation"), [("9" * 5000, 999_999), ("5" + "x" * 5000, 5), ("", 0), ("x", 0)])
def test_a_version_is_a_number_or_none(version, generation):
    assert small(version=version).generation == generation


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("/gradio_api/", "/gradio_api/info"),
        ("gradio_api", "/gradio_api/info"),
        ("@192.0.2.1", "/%40192.0.2.1/info"),
        (".example.org/x", "/.example.org/x/info"),
        ("//192.0.2.1/x?y#z", "/192.0.2.1/x%3Fy%23z/info"),
        ("/a b\r\nc\ud800", "/a%20b%0D%0Ac%3F/info"),
        ("/", "/info"),
    ],
)
def test_routes_stay_on_the_server_whatever_it_says_of_them(prefix, path):
    assert small(api_prefix=prefix).path("/info") == path


REFUSALS = {
    "not_gradio": [
        answer(b"<html>Hello</html>", "Content-Type: text/html"),
        answer(b"nothing", status="404 Not Found"),
        answer(b"no json", "Content-Type: application/json"),
        as_json(["a", "list"]),
        as_json({"hello": "world"}),
    ],
    "not_blocks": [as_json({"version": "5.29.0", "mode": "blocks"})],
    "gradio_version": [as_json({"version": "2.9.4", "dependencies": []})],
    "redirected": [answer(b"", "Location: http://192.0.2.1/login", status="302 Found")],
    "sign_in_needed": [as_json({"detail": "Not authenticated"}, status="401 Unauthorized")],
}


@pytest.mark.parametrize(("code", "raw"), [(code, raw) for code, answers in REFUSALS.items() for raw in answers])
def test_what_is_no_gradio_app_is_told_with_its_address(at, code, raw):
    with FaultServer(always(raw)) as server:
        with pytest.raises(errors.BackendError) as caught:
            read_config(at.access(server.url), scope=at.scope)
        assert server.url in caught.value.message
    assert caught.value.code == code
    assert caught.value.backend == "wan2gp"
    assert caught.value.hint


def test_a_server_that_does_not_answer_may_be_loading(at):
    def mute(peer):
        peer.request()
        peer.wait_gone()

    with FaultServer(mute) as server, pytest.raises(errors.NetworkTimeout) as caught:
        read_config(at.access(server.url, first_byte_timeout_s=0.2), scope=at.scope)
    assert "may still be loading" in caught.value.message
    assert "try again" in caught.value.hint


def test_a_stall_within_the_outline_is_the_network_s(at):
    def stalling(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
        peer.wait_gone()

    with FaultServer(stalling) as server, pytest.raises(errors.NetworkTimeout) as caught:
        read_config(at.access(server.url, read_timeout_s=0.2), scope=at.scope)
    assert caught.value.code == "read"


def test_nobody_there(at):
    with pytest.raises(errors.ConnectionFailed):
        read_config(at.access(f"http://127.0.0.1:{closed_port()}"), scope=at.scope)


def test_an_outline_that_is_too_large_is_not_called_something_else(at):
    with FaultServer(always(as_json(outline()))) as server, pytest.raises(errors.ProtocolError) as caught:
        read_config(at.access(server.url, max_response_bytes=100), scope=at.scope)
    assert caught.value.code == "too_large"


def test_a_schema_that_is_none_is_empty(at):
    with FaultServer(always(as_json([]))) as server:
        assert read_info(at.access(server.url), small(), scope=at.scope) == {}
