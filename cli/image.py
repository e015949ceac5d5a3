"""The terminal verb for stills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..blender.requests import image_request
from . import base

if TYPE_CHECKING:
    import argparse


def add(parsers: Any) -> None:
    """Add the verb."""
    generate = parsers.add_parser("generate-image", help="generate an image and put it into the film")
    generate.add_argument("--prompt", help="what the picture should show; default: the scene's")
    generate.add_argument("--avoid", help="what not to see")
    generate.add_argument("--seed", help="0 to 18446744073709551615; default: the scene's if locked, else a new one")
    generate.add_argument("--steps", type=base.whole_number(1, 1000))
    start = generate.add_mutually_exclusive_group()
    start.add_argument("--camera", action="store_true", help="start from the current view of the scene's camera")
    start.add_argument("--image", metavar="FILE", help="start from an image file")
    generate.add_argument(
        "--workflow", metavar="FILE", help="a workflow saved by ComfyUI, or a picture or clip made by one"
    )
    base.add_common(generate)
    generate.set_defaults(verb=generate_image)


def generate_image(options: argparse.Namespace) -> int:
    """``generate-image``: generate, place, and save if asked to."""
    source = "CAMERA" if options.camera else "FILE" if options.image else None
    more = {"negative_prompt": options.avoid, "input_source": source, "input_image": options.image}
    return base.run(options, image_request.submit_image, "prompt", "seed", "steps", "workflow", **more)
