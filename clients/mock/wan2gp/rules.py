"""WanGP's check of a task's media: the letters of the prompt type settings require attachments.

The messages are the program's own, in the order in which it checks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection


def find_missing_media(values: Callable[[str], str], there: Collection[str], *, still: bool) -> str | None:
    """Return the message about the first missing attachment; None: all are there.

    ``values`` returns a setting by its name, ``there`` are the task's attachments; ``still``: it makes an image.
    """
    main = "".join(each for each in values("image_prompt_type") if not (still and each in "VL"))
    control = values("video_prompt_type")
    sound = "" if still else values("audio_prompt_type")
    guide, mask = ("image_guide", "image_mask") if still else ("video_guide", "video_mask")
    wanted = (
        ("V" in main, "video_source", "You must provide a Source Video file to continue"),
        ("A" in sound, "audio_guide", "You must provide an Audio Source"),
        ("A" in sound and "B" in sound, "audio_guide2", "You must provide a second Audio Source"),
        ("I" in control, "image_refs", "You must provide at least one Reference Image"),
        ("V" in control, guide, f"You must provide a Control {'Image' if still else 'Video'}"),
        (
            "V" in control and "A" in control and "U" not in control,
            mask,
            f"You must provide a {'Image' if still else 'Video'} Mask",
        ),
        ("S" in main, "image_start", "You must provide a Start Image"),
        ("E" in main and bool(set(main) & set("SVL")), "image_end", "You must provide an End Image"),
    )
    return next((message for asked, name, message in wanted if asked and name not in there), None)
