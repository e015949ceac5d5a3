"""The node classes of the mock ComfyUI for video, sound and text."""

from __future__ import annotations

from .specs import NodeClass, Spec, choice, dynamic_choice, integer, number, text

NEWEST = ("0.33.0",)
WITH_SOUND = ("0.33.0", "0.3.64")
_HIDDEN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
_FPS = number(24.0, 0.01, 1000.0, step=0.01)


def _saver(title: str, kind: str, folder: str, releases: tuple[str, ...] = (), **inputs: Spec) -> NodeClass:
    """Declare a node that writes an input of type ``kind`` to a file."""
    name = "images" if kind == "IMAGE" else kind.lower()
    wanted: dict[str, Spec] = {name: [kind], "filename_prefix": text(default=f"{folder}ComfyUI"), **inputs}
    category = kind.lower()
    return NodeClass(title, category, wanted, hidden=_HIDDEN, is_output=True, releases=releases)


MEDIA: dict[str, NodeClass] = {
    "SaveAnimatedWEBP": _saver(
        "SaveAnimatedWEBP",
        "IMAGE",
        "",
        fps=number(6.0, 0.01, 1000.0, step=0.01),
        lossless=["BOOLEAN", {"default": True}],
        quality=integer(80, 0, 100),
        method=choice("default", "fastest", "slowest"),
    ),
    "SaveAnimatedPNG": _saver(
        "SaveAnimatedPNG", "IMAGE", "", fps=number(6.0, 0.01, 1000.0, step=0.01), compress_level=integer(4, 0, 9)
    ),
    "SaveWEBM": _saver("SaveWEBM", "IMAGE", "", codec=choice("vp9", "av1"), fps=_FPS, crf=number(32.0, 0.0, 63.0)),
    "CreateVideo": NodeClass(
        "Create Video",
        "video",
        {"images": ["IMAGE"], "fps": number(30.0, 1.0, 120.0, step=1.0)},
        ("VIDEO",),
        optional={"audio": ["AUDIO"]},
    ),
    "SaveVideo": _saver(
        "Save Video", "VIDEO", "video/", format=choice("auto", "mp4"), codec=dynamic_choice(auto={}, h264={})
    ),
    "EmptyAudio": NodeClass(
        "Empty Audio",
        "audio",
        {
            "duration": number(60.0, 0.0, 1e18, step=0.01),
            "sample_rate": integer(44100, 1, 192000),
            "channels": integer(2, 1, 2),
        },
        ("AUDIO",),
        releases=WITH_SOUND,
    ),
    "LoadAudio": NodeClass("Load Audio", "audio", {"audio": [[], {"audio_upload": True}]}, ("AUDIO",)),
    "SaveAudio": _saver("Save Audio (FLAC)", "AUDIO", "audio/"),
    "SaveAudioMP3": _saver(
        "Save Audio (MP3)", "AUDIO", "audio/", WITH_SOUND, quality=choice("V0", "128k", "320k", default="V0")
    ),
    "PreviewAudio": NodeClass("Preview Audio", "audio", {"audio": ["AUDIO"]}, hidden=_HIDDEN, is_output=True),
    "StringConcatenate": NodeClass(
        "Concatenate",
        "utils/string",
        {"string_a": text(multiline=True), "string_b": text(multiline=True), "delimiter": text(default="")},
        ("STRING",),
    ),
    "SaveText": NodeClass(
        "Save Text",
        "utils",
        {
            "text": text(forceInput=True),
            "filename_prefix": text(default="ComfyUI"),
            "format": choice("txt", "md", "json"),
        },
        is_output=True,
        releases=NEWEST,
    ),
    "SaveImageAdvanced": NodeClass(
        "Save Image (Advanced)",
        "image",
        {
            "images": ["IMAGE"],
            "filename_prefix": text(default="ComfyUI"),
            "format": dynamic_choice(
                png={
                    "bit_depth": choice("8-bit", "16-bit", default="8-bit"),
                    "input_color_space": choice("sRGB", default="sRGB"),
                }
            ),
        },
        hidden=_HIDDEN,
        is_output=True,
        releases=NEWEST,
        newer_outputs=("IMAGE",),
        output_names=("images",),
    ),
}
