"""A backend that another add-on registers while Blender runs: its preferences, its connection test, its server line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy
import pytest
from conftest import enable, own, preferences, ui
from fakes import Context, Layout

NAME = "sixth"


def info_of(**given: Any) -> Any:
    """Make the information of a sixth backend, which is LiteLLM under another name."""
    client = type("SixthClient", (own("clients.litellm").LiteLLMClient,), {"name": NAME})
    mock = type("MockSixth", (own("clients.mock.litellm").MockLiteLLM,), {"name": NAME})
    named = {"label": "Sixth", "purpose": "Proofs", "demo_label": "proofs", **given}
    return own("clients.registry").BackendInfo(client, None, mock, "http://127.0.0.1:6666", uses_gpu=False, **named)


@pytest.fixture
def sixth() -> Iterator[Any]:
    """The registered backend."""
    backends = own("clients.registry").BACKENDS
    backends[NAME] = info_of()
    yield backends[NAME]
    backends.pop(NAME, None)


def traces() -> list[str]:
    """Return what Blender and the extension know of it."""
    found = [name for name in dir(bpy.types) if NAME in name]
    found += [name for name in dir(preferences().backends) if NAME in name]
    found += [name for name in ui().probes if NAME in name]
    found += [backend for backend, _field in own("blender.state.secrets")._typed if NAME in backend]
    return found


def draw_preferences() -> Layout:
    """Draw the preferences and return what was drawn."""
    layout = Layout()
    kind = own("preferences").MovieDirectorPreferences
    stand_in = type("Preferences", (), {"layout": layout, "__getattr__": lambda _, name: getattr(preferences(), name)})
    kind.draw(stand_in(), Context())
    return layout


def test_it_has_a_row_in_the_preferences(sixth: Any) -> None:
    row = preferences().backends.sixth
    row.api_key = "typed"
    row.url = "http://127.0.0.1:7777"
    settings = own("blender.state.settings").runtime_settings().backends[NAME]
    assert (settings.base_url, settings.api_key) == ("http://127.0.0.1:7777", "typed")
    row.url = ""
    assert own("blender.state.settings").server_url(NAME, row) == "http://127.0.0.1:6666"
    assert "Sixth: Proofs" in draw_preferences().texts()


def test_its_fields_are_open_at_first_if_it_says_so() -> None:
    backends = own("clients.registry").BACKENDS
    backends[NAME] = info_of()
    closed = draw_preferences().properties()
    backends[NAME] = info_of(expanded=True, takes_speakers=True)
    assert draw_preferences().properties().count("url") == closed.count("url") + 1
    assert preferences().backends.sixth.speech_url == ""
    del backends[NAME]
    assert traces() == []


def test_its_connection_is_tested_and_shown(film: Any, sixth: Any) -> None:
    def server_line() -> Layout:
        layout = Layout()
        own("ui.server_line").draw_server(layout, Context(), NAME)
        return layout

    assert "Sixth: not tested yet" in server_line().texts()
    with own("clients.mock").MockBackends(only=[NAME]) as mocks:
        preferences().backends.sixth.url = mocks.sixth.url
        assert bpy.ops.movie_director.test_connection("EXEC_DEFAULT", backend=NAME) == {"FINISHED"}
        assert mocks.sixth.requests
    assert server_line().texts() == ["Sixth: connected"]
    assert "Sixth" in draw_preferences().text()
    bpy.ops.movie_director.demo_mode(enable=True)
    assert server_line().texts() == ["Demo mode: proofs"]
    assert bpy.ops.movie_director.test_connection("EXEC_DEFAULT", backend=NAME) == {"FINISHED"}
    bpy.ops.movie_director.demo_mode(enable=False)


def test_the_terminal_tests_its_connection(film: Any, sixth: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert own("cli.command_line").run(["test-connection", NAME, "--demo"]) == 0
    assert "Sixth" in capsys.readouterr().out


def test_its_jobs_are_done(film: Any, sixth: Any) -> None:
    preferences().demo_mode = True
    request = own("clients.litellm").ChatRequest(prompt="A logline")
    assert own("blender.state.runtime_ref").runtime().submit(NAME, request).result(60.0).text
    preferences().demo_mode = False


def test_taking_it_out_leaves_nothing(film: Any, sixth: Any) -> None:
    preferences().remember_keys = False
    preferences().backends.sixth.api_key = "typed"
    own("blender.commands").probe(NAME)
    assert len(traces()) == 4
    del own("clients.registry").BACKENDS[NAME]
    assert traces() == []
    preferences().remember_keys = True
    assert not hasattr(preferences().backends, NAME)


def test_it_outlives_the_extension_s_being_disabled(film: Any, sixth: Any) -> None:
    from conftest import PACKAGE

    bpy.ops.preferences.addon_disable(module=PACKAGE)
    assert not [name for name in dir(bpy.types) if NAME in name]
    own("clients.registry").BACKENDS["seventh"] = sixth
    enable()
    assert preferences().backends.sixth.url == ""
    assert preferences().backends.seventh.url == ""
    del own("clients.registry").BACKENDS["seventh"]
    assert not hasattr(preferences().backends, "seventh")
