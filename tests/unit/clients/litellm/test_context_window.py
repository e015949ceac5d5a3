"""What of a conversation fits a window."""

from __future__ import annotations

from typing import Any

from movie_director.clients.litellm.context_window import fit, get_text, transcript


def said(role: str, size: int) -> dict[str, Any]:
    return {"role": role, "content": "x" * size}


def test_oldest_turns_go_and_the_system_text_stays():
    messages = [said("system", 10), said("user", 50), said("assistant", 50), said("tool", 5), said("user", 50)]

    def count(given: list[dict[str, Any]]) -> int:
        return sum(len(each["content"]) for each in given)

    assert fit(messages, None, None, count).messages == messages
    assert fit(messages, 200, 10, count).dropped == []
    fitted = fit(messages, 120, 10, count)
    assert fitted.messages == [messages[0], messages[4]]
    assert fitted.dropped == messages[1:4]
    assert fitted.to_dict() == {"dropped": 3, "estimated_tokens": 60, "window": 120}
    assert fit(messages, 20, None, count).messages == [messages[0], messages[4]]
    assert fit([said("assistant", 5), said("user", 5)], 10, 5, count).messages == [said("user", 5)]


def test_a_transcript_has_the_texts():
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "b"}]
    assert get_text({"content": parts}) == "a b"
    assert transcript([{"role": "user", "content": parts}, {"role": "assistant", "content": None}]) == (
        "user: a b\n\nassistant: "
    )
