"""What WanGP refuses while it loads a task: media that the letters of the settings ask for and that are not there.

The words are the program's own, in the order in which it looks.
"""

from collections.abc import Callable, Collection


def complaint(values: Callable[[str], str], there: Collection[str], *, still: bool) -> str | None:
    """The first complaint about a task, None where there is none. ``values`` gives a setting of letters, ``there`` are
    the attachments that came, ``still`` says that an image is to be made."""
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
    return next((words for asked, name, words in wanted if asked and name not in there), None)
