"""Separates a model's reasoning from its answer where a server sends both as text."""

from __future__ import annotations

OPEN, CLOSE = "<think>", "</think>"


class ThinkFilter:
    """Splits streamed text, in chunks of any size, into ``<think>`` spans and the answer.

    A span before the answer that never ends is reasoning (the model was cut off); a span inside the answer that never
    ends is answer text, returned by ``finish``.
    """

    def __init__(self) -> None:
        self.thoughts: list[str] = []
        self._held = ""
        self._inside = False
        self._span: list[str] = []
        self._answer_begun = False
        self._after_span = False

    def feed(self, text: str) -> str:
        """Add text and return the part that certainly belongs to the answer."""
        if not (self._held or self._inside or self._after_span) and "<" not in text:
            self._answer_begun = self._answer_begun or not text.isspace()
            return text
        text = self._held + text
        self._held = ""
        answer: list[str] = []
        while text:
            mark = CLOSE if self._inside else OPEN
            before, found, after = text.partition(mark)
            if not found:
                keep = _partial_mark(text, mark)
                before, self._held = text[: len(text) - keep], text[len(text) - keep :]
            self._sort(before, answer)
            if found:
                self._cross()
            text = after
        return "".join(answer)

    def finish(self) -> str:
        """Return the held-back text that belongs to the answer, at the end of the stream."""
        held, self._held = self._held, ""
        if not self._inside:
            answer: list[str] = []
            self._sort(held, answer)
            return "".join(answer)
        self._inside = False
        whole = "".join((*self._span, held))
        if self._answer_begun:
            return OPEN + whole
        self.thoughts.append(whole)
        return ""

    def _sort(self, text: str, answer: list[str]) -> None:
        if self._inside:
            self._span.append(text)
            return
        if self._after_span and not self._answer_begun:
            text = text.lstrip()
        if text:
            self._after_span = False
            self._answer_begun = self._answer_begun or not text.isspace()
            answer.append(text)

    def _cross(self) -> None:
        if self._inside:
            self.thoughts.append("".join(self._span))
            self._span = []
            self._after_span = True
        self._inside = not self._inside


def _partial_mark(text: str, mark: str) -> int:
    """Return how many of the last characters may be the start of the mark."""
    for length in range(min(len(mark) - 1, len(text)), 0, -1):
        if text.endswith(mark[:length]):
            return length
    return 0
