"""Sound and voice requests from a scene's settings, on the main thread; place and length from the strips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ...clients.core.errors import ValidationError
from .. import commands
from ..platform import sequencer
from ..state import settings
from . import image_request

if TYPE_CHECKING:
    from ...clients.core.job import Job
    from ...clients.core.request import Request

SOUND, VOICE = "audioldm", "rvc"
MAX_SEED = 2**32 - 1
SOUND_WISHES = ("prompt", "negative_prompt", "match_strip", "seconds", "seed", "shot")
SPEAK_WISHES = ("text", "voice", "speaker", "speaker_voice", "take", "pitch", "accept_terms", "shot")
CONVERT_WISHES = ("recording", "voice", "pitch", "accept_terms")
TRAIN_WISHES = ("new_voice", "samples", "epochs", "shared_folder", "server_folder", "accept_terms")
"""What a caller may overrule of the scene's settings."""

SPEAKERS = {
    "SERVER": "server",
    "RVC_SERVER": "rvc-server",
    "PIPER": "piper",
    "ESPEAK": "espeak-ng",
    "APPLIO": "applio",
}
"""The client's names of those who read lines."""


def submit_sound(context: bpy.types.Context, overrides: Mapping[str, Any]) -> Job:
    """Submit a sound effect, as long as the selected strip if there is one; raises ``ValidationError``."""
    from ...clients.audioldm import SoundRequest

    own = _scene(context).movie_director.sound
    props = _wishes(own, SOUND_WISHES, overrides)
    home = sequencer.scene_of(context)
    shot, place = image_request.shot_place(home, props["shot"])
    if shot is not None:
        props["prompt"] = overrides.get("prompt", shot.sound)
    _need(props["prompt"], "There is no prompt.", "no_prompt", "Write what should be heard.")
    if not place and props["match_strip"] and "seconds" not in overrides:
        place = place_of_strip(home)
    length = place.get("length") or sequencer.strip_frames(home, props["seconds"])
    seed = image_request.resolve_seed(own, overrides, MAX_SEED)
    fields: dict[str, Any] = {"prompt": props["prompt"], "duration_s": length / sequencer.rate(home), "seed": seed}
    fields["sample_rate"] = home.render.ffmpeg.audio_mixrate
    if props["negative_prompt"].strip():
        fields["negative_prompt"] = props["negative_prompt"]
    request = SoundRequest(**fields, metadata=image_request.provenance(home, props["prompt"]))
    job = _submit(context, SOUND, request, props["prompt"], {**place, "length": length, "shot": ""})
    if "seed" not in overrides:
        own.seed = str(seed)
    return job


def submit_line(context: bpy.types.Context, overrides: Mapping[str, Any]) -> Job:
    """Submit a spoken line, from where the selected strip begins; raises ``ValidationError``."""
    from ...clients.rvc import SpeakRequest

    props = _wishes(_scene(context).movie_director.voice, SPEAK_WISHES, overrides)
    home = sequencer.scene_of(context)
    shot, place = image_request.shot_place(home, props["shot"])
    if shot is not None and "text" not in overrides:
        props["text"] = spoken(shot.dialogue)
    _need(props["text"], "There is no line to speak.", "no_text", "Write what should be said.")
    _need_voice(props["voice"])
    metadata = image_request.provenance(home, props["text"])
    fields = {**_voice_fields(props), **_speaker_fields(props)}
    request = SpeakRequest(props["text"], props["voice"], metadata=metadata, **fields)
    place = place or place_of_strip(home)
    return _submit(context, VOICE, request, props["text"], {**place, "length": 0, "shot": ""})


def submit_conversion(context: bpy.types.Context, overrides: Mapping[str, Any]) -> Job:
    """Submit a recording to be given another voice; from a strip, it is placed in step with it.

    Raises ``ValidationError`` if there is neither a file nor a selected sound strip.
    """
    from ...clients.rvc import ConvertRequest

    props = _wishes(_scene(context).movie_director.voice, CONVERT_WISHES, overrides)
    home = sequencer.scene_of(context)
    strip = sound_strip(home)
    place: dict[str, Any] = {}
    if props["recording"].strip():
        source = Path(bpy.path.abspath(props["recording"].strip()))
    elif strip is not None:
        source = Path(bpy.path.abspath(strip.sound.filepath))
        place = {"frame": sequencer.content_start(strip)}
    else:
        raise ValidationError(
            "No recording is chosen.", code="no_recording", hint="Select a sound strip, or choose a file."
        )
    _need_voice(props["voice"])
    title = f"{source.stem} as {props['voice']}"
    metadata = image_request.provenance(home, title)
    request = ConvertRequest(audio=source, voice=props["voice"], metadata=metadata, **_voice_fields(props))
    return _submit(context, VOICE, request, title, {**place, "length": 0})


def submit_training(context: bpy.types.Context, overrides: Mapping[str, Any]) -> Job:
    """Submit the training of a new voice from a folder of recordings; raises ``ValidationError``."""
    from ...clients.rvc import TrainRequest

    props = _wishes(_scene(context).movie_director.voice, TRAIN_WISHES, overrides)
    _need(props["new_voice"], "The new voice has no name.", "no_voice", "Enter one: letters, digits, - and _.")
    _need(props["samples"], "No samples are chosen.", "no_samples", "Choose a folder with recordings of the voice.")
    home = sequencer.scene_of(context)
    title = f"Voice {props['new_voice']}"
    request = TrainRequest(
        props["new_voice"].strip(),
        [Path(bpy.path.abspath(props["samples"].strip()))],
        epochs=props["epochs"],
        shared_folder=_path(props["shared_folder"]),
        server_folder=props["server_folder"].strip() or None,
        accept_terms=props["accept_terms"],
        metadata=image_request.provenance(home, title),
    )
    settings.output_folder()
    target = image_request.target_for(home, kind="voice", title=title, prompt=props["new_voice"].strip())
    return commands.submit(VOICE, request, target)


def place_of_strip(scene: bpy.types.Scene) -> dict[str, Any]:
    """Return first frame and length of the selected strip as target fields; {} if none is selected."""
    chosen = sequencer.selected(scene)
    if not chosen:
        return {}
    start, end = sequencer.bounds(chosen[0])
    return {"frame": start, "length": end - start}


def sound_strip(scene: bpy.types.Scene) -> Any:
    """Return the selected sound strip, None if there is none."""
    return next((strip for strip in sequencer.selected(scene) if strip.type == "SOUND"), None)


def spoken(dialogue: str) -> str:
    """Return a line of dialogue without its speaker."""
    name, colon, words = dialogue.partition(":")
    return words.strip() if colon and len(name.split()) <= 3 else dialogue.strip()


def _submit(context: bpy.types.Context, backend: str, request: Request, title: str, place: dict[str, Any]) -> Job:
    settings.output_folder()  # says so now if there is none
    home = sequencer.scene_of(context)
    target = image_request.target_for(home, kind="sound", title=image_request.short(title), prompt=title, **place)
    job = commands.submit(backend, request, target)
    sequencer.show_scene(context, home)
    return job


def _scene(context: bpy.types.Context) -> Any:
    return context.scene


def _wishes(own: Any, names: tuple[str, ...], overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {name: overrides.get(name, getattr(own, name, "")) for name in names}


def _voice_fields(props: Mapping[str, Any]) -> dict[str, Any]:
    return {"pitch": props["pitch"], "accept_terms": props["accept_terms"]}


def _speaker_fields(props: Mapping[str, Any]) -> dict[str, Any]:
    """Return who reads the line; raises ``ValidationError`` for a reader that is not set up."""
    reader = props["speaker"]
    if reader == "RECORDING":
        _need(props["take"], "There is no recording of the line.", "no_recording", "Choose its file.")
        return {"recording": _path(props["take"])}
    if reader == "AUTO" or settings.preferences().demo_mode:  # the demo's server reads all by itself
        return {}
    row = settings.speech_settings(settings.preferences().backends.rvc)
    where = "Set it in the preferences of Movie Director, under RVC: Who Reads the Lines."
    if reader == "SERVER":
        _need(row.server_url, "No speech server is set.", "no_speech_server", where)
    if reader == "PIPER":
        _need(row.piper_voice, "No voice is set for Piper.", "no_piper_voice", where)
    voice = props["speaker_voice"].strip() if reader != "PIPER" else ""
    return {"speaker": SPEAKERS[reader], **({"speaker_voice": voice} if voice else {})}


def _path(text: str) -> Path | None:
    return Path(bpy.path.abspath(text.strip())) if text.strip() else None


def _need(text: str, message: str, code: str, hint: str) -> None:
    if not text.strip():
        raise ValidationError(message, code=code, hint=hint)


def _need_voice(voice: str) -> None:
    _need(voice, "No voice is chosen.", "no_voice", "Type into the field to see the server's voices, or train one.")
