"""A chat that remembers what was said."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from ..core.client import BaseAPIClient
from ..core.errors import ValidationError
from ..core.job import Job
from ..core.request import text_problems
from ..files.part_file import write_whole
from ..files.storage_errors import input_errors, storage_errors
from .context_window import SUMMARY_HEAD, text_of
from .payload import Messages, picture_part
from .request import ChatRequest, image_problems, message_problems
from .schema import schema_of
from .tokens import estimate_messages

VERSION = 1
_SUMMARY_TURN = 2
"""Messages that stand for what was summed up: the summary, and the model's nod, since many templates want turns."""


class Conversation:
    """Turns of a chat with one client; ``options`` are fields of ``ChatRequest`` for every turn.

    Everything said is kept and saved. What of it is sent is decided for each turn, on the job's worker: with
    ``overflow="trim"``, the default here, the oldest turns are left out when the model's window is full; with
    ``"summarise"`` the model sums them up once, and the summary stands for them from then on; with ``"refuse"`` the
    server's refusal is the job's error. The system text always goes along.

    A turn's pictures stay in its message, files by their names: they are read anew whenever they are sent.

    A turn whose job failed or was cancelled is taken back, so that it can be asked again. One turn at a time; no
    method but ``count_tokens``, ``save`` and ``load`` does I/O. Thread-safe.
    """

    def __init__(self, client: BaseAPIClient, system: str | None = None, **options: Any) -> None:
        self.client = client
        self.system = system
        self.options: dict[str, Any] = {"overflow": "trim", **_plain(options)}
        self._lock = threading.RLock()
        self._said: Messages = []
        self._summary = ""
        self._covered = 0
        self._changes: dict[str, Any] = {}
        self._pending: Job | None = None
        self._before: tuple[Messages, dict[str, Any]] = ([], {})

    @property
    def messages(self) -> Messages:
        """All that was said, the system text first; a turn under way has no answer yet."""
        with self._lock:
            self._settle()
            head = [{"role": "system", "content": self.system}] if self.system else []
            return [*head, *(dict(each) for each in self._said)]

    def ask(self, text: str, **changes: Any) -> Job:
        """Add the user's turn and submit the conversation; ``changes`` are request fields for this turn only.

        Raises ``ValidationError`` (code ``turn_under_way``) while the turn before has no answer.
        """
        with self._lock:
            self._require_idle()
            images = changes.pop("images", ())
            return self._submit([*self._said, self._question(text, images)], changes)

    def answer_tools(self, answers: Mapping[str, str], **changes: Any) -> Job:
        """Answer all tool calls of the last answer, by their ids, and submit the conversation: the turn goes on, with
        the same changes but for its ``tool_choice``, so that the model may use what it has got.

        Raises ``ValidationError`` (code ``wrong_tool_answers``) for other ids than those of the calls.
        """
        with self._lock:
            self._require_idle()
            asked = [call["id"] for call in self._said[-1].get("tool_calls") or ()] if self._said else []
            if not asked or set(asked) != set(answers):
                raise ValidationError(
                    f"The calls to answer are {', '.join(asked) or 'none'}, not {', '.join(answers) or 'none'}.",
                    code="wrong_tool_answers",
                    backend=self.client.name,
                    hint="Answer each call of the last answer's tool_calls once, by its id.",
                )
            said = [{"role": "tool", "tool_call_id": each, "content": answers[each]} for each in asked]
            kept = {name: value for name, value in self._changes.items() if name != "tool_choice"}
            return self._submit([*self._said, *said], {**kept, **changes})

    def regenerate(self, **changes: Any) -> Job:
        """Ask for the last answer again, with the same changes and these; the old one is back if no new one comes."""
        with self._lock:
            self._require_idle()
            at = self._last_question()
            return self._submit([*self._said[:at], self._shown_anew(at, changes)], {**self._changes, **changes})

    def edit(self, text: str, **changes: Any) -> Job:
        """Ask the last question in other words, instead of the one that was asked; the rest is as in regenerate."""
        with self._lock:
            self._require_idle()
            at = self._last_question()
            question = self._shown_anew(at, changes, text)
            return self._submit([*self._said[:at], question], {**self._changes, **changes})

    def branch(self, turns: int | None = None) -> Conversation:
        """Return a conversation of its own that begins with the first ``turns`` of this one (all by default)."""
        with self._lock:
            self._require_idle()
            starts = [at for at, each in enumerate(self._said) if each["role"] == "user"]
            end = starts[turns] if turns is not None and turns < len(starts) else len(self._said)
            other = type(self)(self.client, self.system, **self.options)
            other._said = [dict(each) for each in self._said[:end]]
            if self._covered <= end:
                other._summary, other._covered = self._summary, self._covered
            if end == len(self._said):
                other._changes = dict(self._changes)
            return other

    def estimate_tokens(self) -> int:
        """Return about how many tokens all that was said has; see ``tokens`` for how far off that is."""
        return round(estimate_messages(self.messages))

    def count_tokens(self, model: str | None = None) -> Any:
        """Return the client's ``TokenCount`` of all that was said; asks the server, so it blocks."""
        count = getattr(self.client, "count_tokens")  # noqa: B009 - a client of another kind has none
        return count(self.messages, model or self.options.get("model"))

    # Keeping

    def to_dict(self) -> dict[str, Any]:
        """Return the conversation as JSON-ready data, without the client."""
        with self._lock:
            self._settle()
            return {
                "version": VERSION,
                "system": self.system,
                "options": dict(self.options),
                "messages": [dict(each) for each in self._said],
                "summary": self._summary,
                "covered": self._covered,
                "changes": dict(self._changes),
            }

    @classmethod
    def from_dict(cls, client: BaseAPIClient, data: Mapping[str, Any]) -> Self:
        """Make a conversation of what ``to_dict`` returned; ``ValidationError`` (``invalid_conversation``) for other
        data.
        """
        try:
            if data["version"] != VERSION:
                raise ValueError(f"version {data['version']!r}")
            conversation = cls(client, data["system"], **data["options"])
            conversation._said = [dict(each) for each in data["messages"]]
            conversation._summary, conversation._covered = str(data["summary"]), int(data["covered"])
            conversation._changes = dict(data.get("changes", {}))
            problems = [each for at, said in enumerate(conversation._said) for each in message_problems(at, said)]
            if problems:
                raise ValueError(" ".join(problems))
        except (KeyError, TypeError, ValueError) as error:
            raise ValidationError(
                f"This is no saved conversation: {error}.",
                code="invalid_conversation",
                backend=client.name,
                hint="Choose a file that Conversation.save has written.",
            ) from error
        return conversation

    def save(self, path: str | Path) -> None:
        """Write the conversation as JSON; the file appears whole or not at all. ``StorageError`` if it can't."""
        path = Path(path)
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=1)
        with storage_errors(path.parent):
            write_whole(path, text, private=True)

    @classmethod
    def load(cls, client: BaseAPIClient, path: str | Path) -> Self:
        """Read what ``save`` wrote; ``StorageError`` if it can't be read, ``ValidationError`` if it is none."""
        with input_errors(Path(path)):
            text = Path(path).read_text(encoding="utf-8")
        try:
            data = json.loads(text)
        except ValueError:
            data = {}
        return cls.from_dict(client, data if isinstance(data, Mapping) else {})

    # One turn

    def _submit(self, said: Sequence[Mapping[str, Any]], changes: Mapping[str, Any]) -> Job:
        changes = _plain(changes)
        covered = self._covered if self._covered < len(said) else 0
        note = _summary_turn(self._summary) if covered and self._summary else []
        messages = [*note, *(dict(each) for each in said[covered:])]
        request = ChatRequest(messages=messages, system=self.system, **{**self.options, **changes})
        self._pending = self.client.submit(request)
        self._before = self._said, self._changes
        self._said, self._changes = [dict(each) for each in said], changes
        self._covered = covered
        return self._pending

    def _settle(self) -> None:
        """Take in the end of the turn under way, if it has come."""
        job = self._pending
        if job is None or not job.done():
            return
        self._pending = None
        if job.cancelled() or job.exception(0) is not None:
            self._said, self._changes = self._before
            return
        result = job.result(0)
        answer: dict[str, Any] = {"role": "assistant", "content": result.text}
        if result.metadata["tool_calls"]:
            answer["tool_calls"] = result.metadata["tool_calls"]
        done = result.metadata["fit"]
        if done["summary"]:
            before = _SUMMARY_TURN if self._covered and self._summary else 0
            self._covered += done["dropped"] - before
            self._summary = done["summary"]
        self._said.append(answer)

    def _require_idle(self) -> None:
        self._settle()
        if self._pending is not None:
            raise ValidationError(
                "The turn before has no answer yet.",
                code="turn_under_way",
                backend=self.client.name,
                hint="Wait for it or cancel it.",
            )

    def _question(self, text: str, images: Any) -> dict[str, Any]:
        problems = [*text_problems("text", text), *image_problems(images)]
        if problems:
            raise ValidationError(
                problems[0], problems=problems, backend=self.client.name, hint="Correct it and ask again."
            )
        shown = [picture_part(each) for each in images]
        return {"role": "user", "content": [{"type": "text", "text": text}, *shown] if shown else text}

    def _shown_anew(self, at: int, changes: dict[str, Any], text: str | None = None) -> dict[str, Any]:
        """Return a question again, with other words or other ``images`` if they are given."""
        asked = self._said[at]
        shown = (
            [part for part in asked["content"] if part["type"] != "text"] if isinstance(asked["content"], list) else []
        )
        question = self._question(text_of(asked) if text is None else text, changes.pop("images", ()))
        if shown and isinstance(question["content"], str):
            question["content"] = [{"type": "text", "text": question["content"]}, *shown]
        return question

    def _last_question(self) -> int:
        for at in range(len(self._said) - 1, -1, -1):
            if self._said[at]["role"] == "user":
                return at
        raise ValidationError(
            "Nothing has been asked yet.", code="nothing_asked", backend=self.client.name, hint="Ask something first."
        )


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return request fields as they can be saved: a dataclass as its schema, files by their names."""
    plain = dict(options)
    schema, images = plain.get("schema"), plain.get("images")
    if isinstance(schema, type) and dataclasses.is_dataclass(schema):
        plain["schema"] = schema_of(schema)
    if not image_problems(images):
        plain["images"] = [str(each) for each in plain["images"]]
    return plain


def _summary_turn(summary: str) -> Messages:
    return [{"role": "user", "content": SUMMARY_HEAD + summary}, {"role": "assistant", "content": "Understood."}]
