"""The preferences: one row a backend, made from the registry; keys are saved only if the user chooses so."""

# No postponed annotations here: Blender reads the properties from them.

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty, PointerProperty, StringProperty
from bpy.types import AddonPreferences, PropertyGroup

from .blender.platform import formatting, paths
from .blender.state import secrets, settings
from .blender.state.ui_state import ui
from .clients.core.errors import BackendError
from .clients.registry import BACKENDS, BackendInfo

if TYPE_CHECKING:
    from bpy.types import Context, UILayout


def _secret_property(field: str, **arguments: Any) -> Any:
    """Make a text property held in memory, and in the preferences file only if the user chooses so."""
    return StringProperty(get=secrets.getter(field), set=secrets.setter(field), options={"SKIP_SAVE"}, **arguments)


def _row_type(name: str, info: BackendInfo) -> type[PropertyGroup]:
    """Make the type of one backend's preferences; each has its own for the sake of its own default address."""
    annotations = {
        "url": StringProperty(name="URL", description=f"Where {info.label} listens; empty: {info.default_url}"),
        "api_key": _secret_property(
            "api_key", name="API Key", subtype="PASSWORD", description="Sent as a bearer token; few servers need it"
        ),
        "saved_api_key": StringProperty(subtype="PASSWORD", options={"HIDDEN"}),
        "headers": _secret_property(
            "headers",
            name="Extra Headers",
            description="Sent with every request: 'Name: value'; separate several with |",
        ),
        "saved_headers": StringProperty(options={"HIDDEN"}),
        "connect_timeout_s": _seconds("Connect", "Longest wait for a connection"),
        "read_timeout_s": _seconds(
            "Silence", "Longest silence within a response, however long the whole response takes"
        ),
        "job_timeout_s": _seconds("Whole Job", "Longest time for a whole job"),
        "verify_tls": BoolProperty(
            name="Check Certificate", default=True, description="Refuse https servers whose certificate is not trusted"
        ),
        "ca_file": StringProperty(
            name="CA File", subtype="FILE_PATH", description="Trusted certificates (PEM), for a server with its own"
        ),
        "concurrency": IntProperty(
            name="Jobs at Once", min=0, max=16, description="0: one at a time if the server uses the graphics card"
        ),
    }
    if info.takes_speakers:
        annotations |= _speech_properties()
    members = {"__annotations__": annotations, "backend_name": name, "__doc__": f"How to reach {info.label}."}
    return type(f"MOVIE_DIRECTOR_PG_{name}", (PropertyGroup,), members)


def _speech_properties() -> dict[str, Any]:
    """Make the properties of who reads the lines that RVC speaks."""
    return {
        "speech_url": StringProperty(
            name="Speech Server", description="A server with /v1/audio/speech, such as http://127.0.0.1:8880"
        ),
        "speech_key": _secret_property(
            "speech_key", name="Its Key", subtype="PASSWORD", description="Sent as a bearer token; few servers need it"
        ),
        "saved_speech_key": StringProperty(subtype="PASSWORD", options={"HIDDEN"}),
        "speech_model": StringProperty(name="Its Model", description="The server's own name of a model; empty: tts-1"),
        "piper_voice": StringProperty(
            name="Piper Voice", subtype="FILE_PATH", description="A voice's .onnx file; used by the program piper"
        ),
    }


def _seconds(name: str, description: str) -> Any:
    return FloatProperty(
        name=name, min=0.0, subtype="TIME_ABSOLUTE", description=f"{description}; 0: this server's default"
    )


class MOVIE_DIRECTOR_PG_backends(PropertyGroup):
    """One row a backend, by its name; ``_set_row`` adds them."""


class MovieDirectorPreferences(AddonPreferences):
    """What holds for all films of this user."""

    bl_idname = __package__

    backends: PointerProperty(type=MOVIE_DIRECTOR_PG_backends)
    demo_mode: BoolProperty(
        name="Demo Mode",
        description="Use demo servers inside Blender instead of AI servers: everything works, with painted test "
        "pictures",
    )
    remember_keys: BoolProperty(
        name="Remember Keys",
        default=True,
        update=secrets.remember_changed,
        description="Save keys and extra headers in Blender's preferences file; otherwise they are forgotten "
        "when Blender quits",
    )
    output_folder: StringProperty(
        name="Results",
        subtype="DIR_PATH",
        default=settings.BESIDE_FILE,
        options=paths.PATH_OPTIONS,
        description="Where results are written; // is the folder of the .blend file",
    )
    unsaved_folder: StringProperty(
        name="Unsaved Films",
        subtype="DIR_PATH",
        description="Where results go while the film has no file yet; empty: save the film first",
    )
    strip_seconds: FloatProperty(
        name="Strip Length",
        min=0.04,
        soft_max=60.0,
        default=4.0,
        subtype="TIME_ABSOLUTE",
        description="Default length of a still, unless the scene says otherwise",
    )

    def draw(self, context: "Context") -> None:
        """Draw demo mode, the backends and where results go."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        _draw_demo(layout, self)
        for name, info in BACKENDS.items():
            _draw_backend(layout.box(), info, getattr(self.backends, name))
        _draw_results(layout.box(), self)


def _draw_demo(layout: "UILayout", preferences: MovieDirectorPreferences) -> None:
    row = layout.row()
    row.use_property_split = False
    row.scale_y = 1.3
    row.prop(preferences, "demo_mode", toggle=True, icon="GHOST_ENABLED")
    if preferences.demo_mode:
        layout.label(text="No server is used: test pictures are painted inside Blender", icon="INFO")


def _draw_backend(box: "UILayout", info: BackendInfo, row: Any) -> None:
    header, body = box.panel(f"movie_director_{info.name}", default_closed=not info.expanded)
    header.label(text=f"{info.label}: {info.purpose}" if info.purpose else info.label, icon="URL")
    test = header.row()
    test.alignment = "RIGHT"
    test.operator("movie_director.test_connection", text="Test Connection", icon="LINKED").backend = info.name
    _draw_answer(box, info)
    if not body:
        return
    _draw_overridable(body, info, row, "url", "URL", placeholder=info.default_url)
    _draw_overridable(body, info, row, "api_key", "KEY")
    body.prop(row, "headers")
    if info.takes_speakers:
        _draw_speech(body, row)
    _, details = _folded(body, f"movie_director_{info.name}_details", "Limits and Security")
    if details:
        _draw_details(details, row)


def _draw_speech(body: "UILayout", row: Any) -> None:
    _, speech = _folded(body, "movie_director_speech", "Who Reads the Lines")
    if speech:
        speech.label(text="RVC changes voices; a reader has to speak the line first", icon="INFO")
        speech.prop(row, "speech_url")
        speech.prop(row, "speech_key")
        speech.prop(row, "speech_model")
        speech.prop(row, "piper_voice")


def _draw_details(body: "UILayout", row: Any) -> None:
    body.label(text="0: this server's default", icon="INFO")
    times = body.column(align=True)
    times.prop(row, "connect_timeout_s", text="Wait for Connection")
    times.prop(row, "read_timeout_s", text="Longest Silence")
    times.prop(row, "job_timeout_s", text="Whole Job")
    body.prop(row, "concurrency")
    body.prop(row, "verify_tls")
    if row.verify_tls:
        body.prop(row, "ca_file")


def _folded(layout: "UILayout", identifier: str, text: str) -> tuple["UILayout", "UILayout | None"]:
    header, body = layout.panel(identifier, default_closed=True)
    header.label(text=text)
    return header, body


def _draw_overridable(
    layout: "UILayout", info: BackendInfo, row: Any, field: str, what: str, placeholder: str = ""
) -> None:
    """Draw a field, greyed with the reason where the environment overrules it."""
    overruled = bool(settings.environment_value(info.name, what))
    line = layout.row()
    line.enabled = not overruled
    if placeholder and bpy.app.version >= (4, 5, 0):
        line.prop(row, field, placeholder=placeholder)
    else:
        line.prop(row, field)
    if overruled:
        layout.label(text=f"Set by {settings.environment_name(info.name, what)} in the environment", icon="INFO")


def _draw_answer(layout: "UILayout", info: BackendInfo) -> None:
    """Draw the newest connection test's answer."""
    answer = ui.probe_of(info.name, settings.server_key(info.name))
    if answer is None:
        return
    if answer.pending:
        layout.label(text="Testing the connection...", icon="SORTTIME")
    elif answer.info is not None:
        layout.label(text=formatting.server_text(info.label, answer.info), icon="CHECKMARK")
    elif answer.error is not None:
        _draw_error(layout, answer.error)


def _draw_error(layout: "UILayout", error: BackendError) -> None:
    column = layout.column(align=True)
    column.alert = True
    for number, line in enumerate(formatting.wrap(error.message, 90)):
        column.label(text=line, icon="ERROR" if number == 0 else "BLANK1")
    hints = layout.column(align=True)
    for line in formatting.wrap(error.hint, 90):
        hints.label(text=line, icon="BLANK1")


def _draw_results(box: "UILayout", preferences: MovieDirectorPreferences) -> None:
    box.label(text="Results", icon="FILE_FOLDER")
    box.prop(preferences, "output_folder", text="Folder")
    if preferences.output_folder.startswith("//"):
        box.prop(preferences, "unsaved_folder")
    box.prop(preferences, "strip_seconds")
    box.prop(preferences, "remember_keys")
    if not bpy.app.online_access:
        box.label(text="Online access is off in Blender: only servers on this computer are used", icon="INFO")


_rows: dict[str, type[PropertyGroup]] = {}
_stop_watching: list[Callable[[], None]] = []


def _set_row(name: str, info: BackendInfo | None) -> None:
    """Give a backend of the registry its row, or with None take its row out."""
    old = _rows.pop(name, None)
    if old is not None:
        delattr(MOVIE_DIRECTOR_PG_backends, name)
        bpy.utils.unregister_class(old)
        ui.forget_backend(name)
        secrets.forget(name)
    if info is not None:
        row = _rows[name] = _row_type(name, info)
        bpy.utils.register_class(row)
        setattr(MOVIE_DIRECTOR_PG_backends, name, PointerProperty(type=row))


CLASSES = (MOVIE_DIRECTOR_PG_backends, MovieDirectorPreferences)
_register, _unregister = bpy.utils.register_classes_factory(CLASSES)


def register() -> None:
    """Add the preferences, with a row for each backend that there is or will be."""
    _register()
    for name, info in BACKENDS.items():
        _set_row(name, info)
    _stop_watching.append(BACKENDS.watch(_set_row))


def unregister() -> None:
    """Take the preferences out and forget the keys typed in this session."""
    while _stop_watching:
        _stop_watching.pop()()
    for name in tuple(_rows):
        _set_row(name, None)
    _unregister()
    secrets.forget()
