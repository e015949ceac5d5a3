"""A chat with a history."""

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
from .context_window import SUMMARY_HEAD, get_text
from .payload import Messages, make_picture_part
from .request import ChatRequest, image_problems, message_problems
from .schema import schema_of
from .tokens import estimate_messages

VERSION = 1
_SUMMARY_TURN = 2
"""The number of messages of a summary: the summary, and a reply of the model, since many templates need turns."""


class Conversation:
    """A chat with one client; ``options`` are fields of ``ChatRequest`` for every turn.

    The whole history is kept and saved. What part of it is sent is decided for each turn on the job's worker: with
    ``overflow="trim"``, the default here, the oldest turns are left out when the model's window is full; with
    ``"summarise"`` the model sums them up once, and the summary replaces them from then on; with ``"refuse"`` the
    server's error is the job's error. The system text is always sent.

    A turn's pictures stay in its message, as file names: the files are read again each time they are sent.

    A turn whose job failed or was cancelled is removed, so that it can be asked again. One turn at a time; only
    ``count_tokens``, ``save`` and ``load`` do I/O. Thread-safe.
    """

    def __init__(self, client: BaseAPIClient, system: str | None = None, **options: Any) -> None:
        self.client = client
        self.system = system
        self.options: dict[str, Any] = {"overflow": "trim", **_serialise_options(options)}
        self._lock = threading.RLock()
        self._history: Messages = []
        self._summary = ""
        self._covered = 0
        self._changes: dict[str, Any] = {}
        self._pending: Job | None = None
        self._before: tuple[Messages, dict[str, Any]] = ([], {})

    @property
    def messages(self) -> Messages:
        """The whole history, the system text first; the current turn has no answer yet."""
        with self._lock:
            self._settle()
            head = [{"role": "system", "content": self.system}] if self.system else []
            return [*head, *(dict(each) for each in self._history)]

    def ask(self, text: str, **changes: Any) -> Job:
        """Add a user message and submit the conversation; ``changes`` are request fields for this turn only.

        Raises ``ValidationError`` (code ``turn_under_way``) while the previous turn has no answer.
        """
        with self._lock:
            self._require_idle()
            images = changes.pop("images", ())
            return self._submit([*self._history, self._make_question(text, images)], changes)

    def answer_tools(self, answers: Mapping[str, str], **changes: Any) -> Job:
        """Answer all tool calls of the last answer, by their ids, and submit the conversation.

        The turn's changes still apply, except ``tool_choice``, so that the model may write its answer. Raises
        ``ValidationError`` (code ``wrong_tool_answers``) for other ids than those of the calls.
        """
        with self._lock:
            self._require_idle()
            asked = [call["id"] for call in self._history[-1].get("tool_calls") or ()] if self._history else []
            if not asked or set(asked) != set(answers):
                raise ValidationError(
                    f"The tool calls to answer are {', '.join(asked) or 'none'}, not {', '.join(answers) or 'none'}.",
                    code="wrong_tool_answers",
                    backend=self.client.name,
                    hint="Answer each call of the last answer's tool_calls once, by its id.",
                )
            results = [{"role": "tool", "tool_call_id": each, "content": answers[each]} for each in asked]
            kept = {name: value for name, value in self._changes.items() if name != "tool_choice"}
            return self._submit([*self._history, *results], {**kept, **changes})

    def regenerate(self, **changes: Any) -> Job:
        """Request the last answer again, with the turn's changes and these; the old answer returns if the job fails."""
        with self._lock:
            self._require_idle()
            at = self._find_last_question()
            return self._submit(
                [*self._history[:at], self._rebuild_question(at, changes)], {**self._changes, **changes}
            )

    def edit(self, text: str, **changes: Any) -> Job:
        """Replace the last question and request a new answer; otherwise like ``regenerate``."""
        with self._lock:
            self._require_idle()
            at = self._find_last_question()
            question = self._rebuild_question(at, changes, text)
            return self._submit([*self._history[:at], question], {**self._changes, **changes})

    def branch(self, turns: int | None = None) -> Conversation:
        """Return a new conversation with the first ``turns`` of this one (default: all)."""
        with self._lock:
            self._require_idle()
            starts = [at for at, each in enumerate(self._history) if each["role"] == "user"]
            end = starts[turns] if turns is not None and turns < len(starts) else len(self._history)
            other = type(self)(self.client, self.system, **self.options)
            other._history = [dict(each) for each in self._history[:end]]
            if self._covered <= end:
                other._summary, other._covered = self._summary, self._covered
            if end == len(self._history):
                other._changes = dict(self._changes)
            return other

    def estimate_tokens(self) -> int:
        """Return the estimated tokens of the whole history; ``tokens`` gives the error of the estimate."""
        return round(estimate_messages(self.messages))

    def count_tokens(self, model: str | None = None) -> Any:
        """Return the client's ``TokenCount`` of the whole history; asks the server, so it blocks."""
        count = getattr(self.client, "count_tokens")  # noqa: B009 - a client of another kind has none
        return count(self.messages, model or self.options.get("model"))

    # Saving

    def to_dict(self) -> dict[str, Any]:
        """Return the conversation as JSON-ready data, without the client."""
        with self._lock:
            self._settle()
            return {
                "version": VERSION,
                "system": self.system,
                "options": dict(self.options),
                "messages": [dict(each) for each in self._history],
                "summary": self._summary,
                "covered": self._covered,
                "changes": dict(self._changes),
            }

    @classmethod
    def from_dict(cls, client: BaseAPIClient, data: Mapping[str, Any]) -> Self:
        """Create a conversation from the data of ``to_dict``; ``ValidationError`` (``invalid_conversation``) for other
        data.
        """
        try:
            if data["version"] != VERSION:
                raise ValueError(f"version {data['version']!r}")
            conversation = cls(client, data["system"], **data["options"])
            conversation._history = [dict(each) for each in data["messages"]]
            conversation._summary, conversation._covered = str(data["summary"]), int(data["covered"])
            conversation._changes = dict(data.get("changes", {}))
            problems = [
                each for at, message in enumerate(conversation._history) for each in message_problems(at, message)
            ]
            if problems:
                raise ValueError(" ".join(problems))
        except (KeyError, TypeError, ValueError) as error:
            raise ValidationError(
                f"This is not a saved conversation: {error}.",
                code="invalid_conversation",
                backend=client.name,
                hint="Choose a file that Conversation.save has written.",
            ) from error
        return conversation

    def save(self, path: str | Path) -> None:
        """Write the conversation as JSON, completely or not at all; ``StorageError`` if that fails."""
        path = Path(path)
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=1)
        with storage_errors(path.parent):
            write_whole(path, text, private=True)

    @classmethod
    def load(cls, client: BaseAPIClient, path: str | Path) -> Self:
        """Read a file written by ``save``; ``StorageError`` if it can't be read, ``ValidationError`` for other
        content.
        """
        with input_errors(Path(path)):
            text = Path(path).read_text(encoding="utf-8")
        try:
            data = json.loads(text)
        except ValueError:
            data = {}
        return cls.from_dict(client, data if isinstance(data, Mapping) else {})

    # One turn

    def _submit(self, history: Sequence[Mapping[str, Any]], changes: Mapping[str, Any]) -> Job:
        changes = _serialise_options(changes)
        covered = self._covered if self._covered < len(history) else 0
        note = _make_summary_turn(self._summary) if covered and self._summary else []
        messages = [*note, *(dict(each) for each in history[covered:])]
        request = ChatRequest(messages=messages, system=self.system, **{**self.options, **changes})
        self._pending = self.client.submit(request)
        self._before = self._history, self._changes
        self._history, self._changes = [dict(each) for each in history], changes
        self._covered = covered
        return self._pending

    def _settle(self) -> None:
        """Add the answer of the current turn to the history, if its job has ended; remove the turn if it failed."""
        job = self._pending
        if job is None or not job.done():
            return
        self._pending = None
        if job.cancelled() or job.exception(0) is not None:
            self._history, self._changes = self._before
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
        self._history.append(answer)

    def _require_idle(self) -> None:
        self._settle()
        if self._pending is not None:
            raise ValidationError(
                "The previous question has no answer yet.",
                code="turn_under_way",
                backend=self.client.name,
                hint="Wait for it or cancel it.",
            )

    def _make_question(self, text: str, images: Any) -> dict[str, Any]:
        problems = [*text_problems("text", text), *image_problems(images)]
        if problems:
            raise ValidationError(
                problems[0], problems=problems, backend=self.client.name, hint="Correct it and ask again."
            )
        shown = [make_picture_part(each) for each in images]
        return {"role": "user", "content": [{"type": "text", "text": text}, *shown] if shown else text}

    def _rebuild_question(self, at: int, changes: dict[str, Any], text: str | None = None) -> dict[str, Any]:
        """Return an earlier question with its pictures, with another ``text`` or other ``images`` if given."""
        asked = self._history[at]
        shown = (
            [part for part in asked["content"] if part["type"] != "text"] if isinstance(asked["content"], list) else []
        )
        question = self._make_question(get_text(asked) if text is None else text, changes.pop("images", ()))
        if shown and isinstance(question["content"], str):
            question["content"] = [{"type": "text", "text": question["content"]}, *shown]
        return question

    def _find_last_question(self) -> int:
        for at in range(len(self._history) - 1, -1, -1):
            if self._history[at]["role"] == "user":
                return at
        raise ValidationError(
            "Nothing has been asked yet.", code="nothing_asked", backend=self.client.name, hint="Ask something first."
        )


def _serialise_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return request fields as JSON: a dataclass as its schema, files as their names."""
    plain = dict(options)
    schema, images = plain.get("schema"), plain.get("images")
    if isinstance(schema, type) and dataclasses.is_dataclass(schema):
        plain["schema"] = schema_of(schema)
    if not image_problems(images):
        plain["images"] = [str(each) for each in plain["images"]]
    return plain


def _make_summary_turn(summary: str) -> Messages:
    return [{"role": "user", "content": SUMMARY_HEAD + summary}, {"role": "assistant", "content": "Understood."}]
