"""The terminal verbs for clips, sounds and voices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..blender.properties.sound import SPEAKER_ITEMS
from ..blender.properties.video import QUALITY_ITEMS
from ..blender.requests import sound_request, video_request
from . import base

if TYPE_CHECKING:
    import argparse


def add(parsers: Any) -> None:
    """Add the verbs."""
    _add_video(parsers)
    sound = parsers.add_parser("sound-effect", help="generate a sound and put it into the film")
    sound.add_argument("--prompt", help="what should be heard; default: the scene's")
    sound.add_argument("--avoid", help="what should not be heard")
    sound.add_argument("--seconds", type=base.seconds, help="default: the selected strip's length, else the scene's")
    sound.add_argument("--seed", help="0 to 4294967295; default: the scene's if locked, else a new one")
    base.add_common(sound)
    sound.set_defaults(verb=make_sound)

    speak = parsers.add_parser("speak", help="have a line spoken and put it into the film")
    speak.add_argument("--text", help="the line; default: the scene's")
    speak.add_argument("--read-by", choices=[item[0].lower().replace("_", "-") for item in SPEAKER_ITEMS])
    speak.add_argument("--reader-voice", metavar="NAME", help="the reader's own name of a voice")
    speak.add_argument("--take", metavar="FILE", help="a recording of the line, which is used instead of a reader")
    _add_voice(speak)
    base.add_common(speak)
    speak.set_defaults(verb=speak_line)

    convert = parsers.add_parser("convert", help="give a recording another voice and put it into the film")
    convert.add_argument("--recording", metavar="FILE", help="default: the selected sound strip's")
    _add_voice(convert)
    base.add_common(convert)
    convert.set_defaults(verb=convert_recording)

    train = parsers.add_parser("train-voice", help="make a new voice from recordings")
    train.add_argument("voice", help="its name: letters, digits, - and _")
    train.add_argument("samples", metavar="FOLDER", help="recordings of the voice alone")
    train.add_argument("--epochs", type=base.whole_number(1, 100_000))
    train.add_argument(
        "--shared-folder",
        metavar="FOLDER",
        help="for a server on another machine: a folder that both machines can open",
    )
    train.add_argument("--server-folder", metavar="PATH", help="the path of that folder on the server")
    train.add_argument("--accept-terms", action="store_true", default=None, help="you agree to Applio's terms of use")
    base.add_common(train)
    train.set_defaults(verb=train_voice)


def _add_video(parsers: Any) -> None:
    video = parsers.add_parser("generate-video", help="generate a clip and put it into the film")
    video.add_argument("--prompt", help="what happens; default: the scene's")
    video.add_argument("--avoid", help="what not to see")
    video.add_argument("--model", help="one of Wan2GP's models; default: the scene's")
    video.add_argument("--seconds", type=base.seconds, help="how long; default: the scene's")
    video.add_argument("--quality", choices=[item[0] for item in QUALITY_ITEMS])
    video.add_argument("--seed", help="0 to 999999999; default: the scene's if locked, else a new one")
    start = video.add_mutually_exclusive_group()
    start.add_argument(
        "--camera", action="store_true", help="the first frame is the current view of the scene's camera"
    )
    start.add_argument(
        "--strip", action="store_true", help="the first frame is the Sequencer's picture at the playhead"
    )
    start.add_argument("--image", metavar="FILE", help="the first frame is an image file")
    base.add_common(video)
    video.set_defaults(verb=make_video)


def _add_voice(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--voice", help="one of the server's; default: the scene's")
    verb.add_argument("--pitch", type=base.whole_number(-48, 48), help="semitones")
    verb.add_argument("--accept-terms", action="store_true", default=None, help="you agree to Applio's terms of use")


def make_video(options: argparse.Namespace) -> int:
    """``generate-video``: generate a clip, place it, and save if asked to."""
    source = "CAMERA" if options.camera else "STRIPS" if options.strip else "FILE" if options.image else None
    more = {"negative_prompt": options.avoid, "input_source": source, "input_image": options.image}
    names = ("prompt", "model", "seconds", "quality", "seed")
    return base.run(options, video_request.submit_video, *names, **more)


def make_sound(options: argparse.Namespace) -> int:
    """``sound-effect``: generate a sound, place it, and save if asked to."""
    names = ("prompt", "seconds", "seed")
    return base.run(options, sound_request.submit_sound, *names, negative_prompt=options.avoid)


def speak_line(options: argparse.Namespace) -> int:
    """``speak``: have a line spoken, place it, and save if asked to."""
    speaker = "RECORDING" if options.take else (options.read_by or "").upper().replace("-", "_") or None
    more = {"speaker": speaker, "speaker_voice": options.reader_voice}
    return base.run(options, sound_request.submit_line, "text", "voice", "take", "pitch", "accept_terms", **more)


def convert_recording(options: argparse.Namespace) -> int:
    """``convert``: convert a recording, place it, and save if asked to."""
    return base.run(options, sound_request.submit_conversion, "recording", "voice", "pitch", "accept_terms")


def train_voice(options: argparse.Namespace) -> int:
    """``train-voice``: train a voice and wait for it."""
    names = ("samples", "epochs", "shared_folder", "server_folder", "accept_terms")
    return base.run(options, sound_request.submit_training, *names, new_voice=options.voice)
