"""The sections "Sound Effect" and "Voices"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..blender.platform import sequencer
from ..blender.requests import image_request, sound_request
from ..blender.state import settings
from .job_list import draw_running
from .labels import MainSidebar, Sidebar, action_button, paragraph, prompt_field
from .request_fields import draw_obstacle, draw_seed, draw_shots
from .server_line import draw_server

if TYPE_CHECKING:
    from bpy.types import Context, UILayout


class Sound(MainSidebar):
    """The settings of the next sound, and the button."""

    bl_label = "Sound Effect"

    def draw(self, context: Context) -> None:
        """Draw the prompt, its place and length."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        own: Any = context.scene.movie_director.sound
        draw_server(layout, context, sound_request.SOUND)
        draw_shots(layout, context, "SOUND")
        column = layout.column(align=True)
        prompt_field(column, own, "prompt", "SOUND", "What should be heard")
        prompt_field(column, own, "negative_prompt", "CANCEL", "What to avoid")
        _draw_length(layout, context, own)
        draw_seed(layout, own, "sound")
        column = layout.column()
        draw_obstacle(column, context, own.prompt, "Describe the sound first")
        action_button(column, "movie_director.sound_effect", "SOUND", enabled=_ready(context, own.prompt))
        draw_running(layout, context, sound_request.SOUND)


class Voice(MainSidebar):
    """The voice that speaks and converts, and a line for it."""

    bl_label = "Voices"

    def draw(self, context: Context) -> None:
        """Draw the voice, the line and the button."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        own: Any = context.scene.movie_director.voice
        draw_server(layout, context, sound_request.VOICE)
        draw_shots(layout, context, "LINE")
        column = layout.column(align=True)
        prompt_field(column, own, "voice", "OUTLINER_OB_SPEAKER", "Voice")
        column.prop(own, "pitch")
        prompt_field(layout, own, "text", "TEXT", "What should be said")
        _draw_reader(layout, own)
        column = layout.column()
        draw_obstacle(column, context, own.text, "Write the line first")
        action_button(column, "movie_director.speak_line", "PLAY_SOUND", enabled=_ready(context, own.text, own.voice))
        draw_running(layout, context, sound_request.VOICE)


class Convert(Sidebar):
    """A recording in the voice chosen above."""

    bl_label = "Convert Recording"

    def draw(self, context: Context) -> None:
        """Draw which recording, and the button."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        own: Any = context.scene.movie_director.voice
        strip = sound_request.sound_strip(sequencer.scene_of(context))
        layout.prop(own, "recording", text="")
        if not own.recording:
            text = f"Selected: {strip.name}" if strip is not None else "Select a sound strip, or choose a file."
            paragraph(layout, context, text, "INFO")
        ready = bool(own.recording) or strip is not None
        action_button(
            layout, "movie_director.convert_recording", "FILE_REFRESH", enabled=ready and _ready(context, own.voice)
        )


class Train(Sidebar):
    """A new voice from recordings."""

    bl_label = "Train Voice"

    def draw(self, context: Context) -> None:
        """Draw its name, the samples and the button."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        own: Any = context.scene.movie_director.voice
        column = layout.column(align=True)
        prompt_field(column, own, "new_voice", "USER", "Name of the new voice")
        column.prop(own, "samples", text="")
        column.prop(own, "epochs")
        column = layout.column(align=True)
        column.label(text="If the server is on another machine:")
        column.prop(own, "shared_folder", text="")
        prompt_field(column, own, "server_folder", "NETWORK_DRIVE", "Path of that folder on the server")
        layout.prop(own, "accept_terms")
        ready = _ready(context, own.new_voice, own.samples)
        action_button(layout, "movie_director.train_voice", "ADD", enabled=ready)


def _draw_reader(layout: UILayout, own: Any) -> None:
    """Draw who reads the line, and what that needs."""
    column = layout.column(align=True)
    column.prop(own, "speaker")
    if own.speaker == "RECORDING":
        column.prop(own, "take", text="")
    elif own.speaker == "SERVER":
        prompt_field(column, settings.preferences().backends.rvc, "speech_url", "URL", "Address of the speech server")
    elif own.speaker == "PIPER":
        column.prop(settings.preferences().backends.rvc, "piper_voice", text="")
    if own.speaker not in ("AUTO", "RECORDING", "PIPER"):
        prompt_field(column, own, "speaker_voice", "USER", "Reader's voice (empty: default)")


def _draw_length(layout: UILayout, context: Context, own: Any) -> None:
    home = sequencer.scene_of(context)
    chosen = sequencer.selected(home)
    layout.prop(own, "match_strip")
    if own.match_strip and chosen:
        start, end = sequencer.bounds(chosen[0])
        seconds = (end - start) / sequencer.rate(home)
        paragraph(layout, context, f"{chosen[0].name}: {seconds:.1f} s from frame {start}", "BLANK1")
    else:
        layout.prop(own, "seconds")


def _ready(context: Context, *texts: str) -> bool:
    return not image_request.obstacle(context) and all(text.strip() for text in texts)
