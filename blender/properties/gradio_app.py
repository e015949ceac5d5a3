"""A scene's settings for any Gradio app: the chosen endpoint, and a field for each of its inputs."""

# No postponed annotations here: Blender reads the properties from them.

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, IntProperty, PointerProperty, StringProperty
from bpy.types import PropertyGroup

from ..platform.paths import PATH_OPTIONS
from . import search_choices


class MOVIE_DIRECTOR_PG_gradio_field(PropertyGroup):
    """One input of the endpoint; its ``name`` is the app's name for it.

    The value of a field that takes no file is the custom property ``value``: so it has the limits, choices and help
    that the app names, which Blender draws and keeps. ``kind`` is a ``FieldKind``, and ``choices`` the values of its
    choices as a JSON list. An ``optional`` field is left out unless it is ``given``.
    """

    label: StringProperty()
    kind: StringProperty()
    media: StringProperty()
    choices: StringProperty()
    lines: IntProperty(default=1)
    slider: BoolProperty()
    required: BoolProperty()
    optional: BoolProperty()
    given: BoolProperty(name="Use", description="Send a value; otherwise the app decides")
    source: EnumProperty(name="From", items=search_choices.file_sources, description="Where the file comes from")
    path: StringProperty(
        name="File", subtype="FILE_PATH", options=PATH_OPTIONS, description="Several files are parted by ;"
    )
    image: PointerProperty(name="Image", type=bpy.types.Image, description="One of the film's images")


class MOVIE_DIRECTOR_PG_gradio(PropertyGroup):
    """The endpoint of the next call, and its fields; saved with the scene.

    ``app`` is the app that they are of. ``remembered`` holds the last values for each endpoint of each app, as JSON.
    """

    app: StringProperty()
    endpoint: StringProperty(name="Endpoint", description="What the app is to do")
    label: StringProperty()
    fields: CollectionProperty(type=MOVIE_DIRECTOR_PG_gradio_field)
    remembered: StringProperty(default="{}")
