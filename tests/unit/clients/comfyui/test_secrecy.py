"""Keys in what a ComfyUI server says."""

from movie_director.clients.comfyui.secrecy import MOST_LEVELS, redacted


def hide(text: str) -> str:
    return text.replace("secret", "*")


def test_every_text_is_redacted_and_the_rest_stays():
    said = {"a secret": ["secret", 1, None, True, {"x": "no secret"}], "n": 1.5}
    assert redacted(said, hide) == {"a *": ["*", 1, None, True, {"x": "no *"}], "n": 1.5}
    assert redacted("secret", hide) == "*"
    assert redacted(None, hide) is None


def test_what_lies_too_deep_is_left_out():
    deep = "secret"
    for _ in range(100_000):
        deep = [deep]
    found, levels = redacted(deep, hide), 0
    while found is not None:
        (found,) = found
        levels += 1
    assert levels == MOST_LEVELS
