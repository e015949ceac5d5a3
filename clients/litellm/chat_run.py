"""One chat job: choose a model, fit the messages into its window, request the answer, check it and retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core.context import JobContext
from ..core.errors import BackendError, ContextWindowExceeded, GenerationError, InvalidOutput, MissingResource
from ..core.json_fields import as_int, is_number
from ..core.model import Result
from . import structured_output
from .chat_stream import ChatStream, describe_completion
from .completion import Completion
from .context_window import FALLBACK_WINDOW, SUMMARISE, SUMMARY_TOKENS, Fit, fit, prepend_summary, transcript
from .errors import is_format_refusal
from .models import Choice, choose
from .payload import Messages, add_system_text, make_body, make_messages
from .request import ChatRequest
from .server_info import OLLAMA, ServerProbe, ServerProfileCache
from .token_count import count_on_server
from .tokens import estimate_messages

if TYPE_CHECKING:
    from ..http.session import HTTPSession

_SHRINK = 0.75
_COUNT_FROM = 0.5
"""From this share of the window on, an estimate is checked against the server's own counter."""

_TOO_FEW = 0.4
"""The server has cut a prompt if its own count is below this share of the estimate."""


class ChatRun:
    """Runs one ``ChatRequest``; on the job's worker thread."""

    def __init__(
        self, http: HTTPSession, job: JobContext, request: ChatRequest, profile_cache: ServerProfileCache
    ) -> None:
        self._http = http
        self._job = job
        self._request = request
        self._profile_cache = profile_cache
        self._profile = profile_cache.profile(http, job, job.options)
        self._exchange = ChatStream(http, job, profile_cache, self._profile)
        self._choice = Choice("", "")
        self._fitted: Fit | None = None
        self._guessed_window: int | None = None
        self._summary = ""
        self._summarised = 0
        self._usage: dict[str, Any] | None = None
        self._problems: list[BackendError] = []

    def run(self) -> Result:
        """Run the request and return its result."""
        request = self._request
        validator = structured_output.Validator(request.schema) if request.schema is not None else None
        messages = make_messages(request)
        self._choice = self._choose()
        self._job.sending(model=self._choice.name, dialect=self._profile.dialect, version=self._profile.version)
        try:
            if validator is not None:
                return self._answer_structured(
                    add_system_text(messages, structured_output.make_instruction(request.schema)), validator
                )
            answer = self._ask(messages, None, self._job.text if request.stream else _ignore_text)
        except MissingResource:
            self._profile_cache.forget()
            raise
        return self._result(answer, {})

    def _choose(self) -> Choice:
        request = self._request
        if request.model is not None:
            return Choice(request.model, "the request names it", automatic=False)
        sees = bool(request.images) or any(isinstance(each.get("content"), list) for each in request.messages or ())
        choice = choose(self._profile.models, sees=sees, calls_tools=bool(request.tools))
        if choice is None:
            raise MissingResource(
                f"{self._http.url} has no model that can write text.",
                kind="model",
                hint="Add one to the server's configuration, or load one.",
                context={"models": self._profile.names[:20]},
            )
        self._job.log(f"Model: {choice.name} ({choice.reason})")
        return choice

    # Requesting

    def _ask(self, messages: Messages, way: str | None, emit: Callable[[str], None]) -> Completion:
        """Request an answer to as many messages as the window holds; learn the window if the server rejects them."""
        while True:
            fitted = self._fit(messages)
            try:
                answer = self._exchange.ask(self._body(self._replace_dropped(fitted), way), emit)
            except ContextWindowExceeded as error:
                self._learn_window(error, fitted)
                if len(self._fit(messages).messages) >= len(fitted.messages):
                    raise
                self._job.log(
                    "The prompt was too long for the model's context window; trying again with fewer messages."
                )
                continue
            self._fitted = self._fitted or fitted
            self._account(answer, fitted.messages)
            return answer

    def _body(self, messages: Messages, way: str | None) -> dict[str, Any]:
        body = make_body(self._request, messages, self._choice.name, self._profile.dialect)
        chosen = structured_output.make_response_format(way, self._request.schema) if way is not None else None
        if chosen is not None:
            body["response_format"] = chosen
        return body

    def _account(self, answer: Completion, messages: Messages) -> None:
        model = self._choice.name
        usage = answer.usage or {}
        counted = as_int(usage.get("prompt_tokens"), least=1)
        cut = counted is not None and counted < _TOO_FEW * estimate_messages(messages)
        if cut and self._profile.dialect == OLLAMA:
            message = f"{model} read only {counted} tokens: the server cut off the beginning of the prompt."
            hint = "Raise the context length in Ollama (num_ctx), or shorten the prompt."
            self._problems.append(ContextWindowExceeded(message, code="prompt_cut", hint=hint))
        elif not self._summary:
            self._profile_cache.meter.learn(model, messages, counted)
        if answer.usage is not None:
            self._usage = _add_usage(self._usage, answer.usage)

    # The window

    def _fit(self, messages: Messages) -> Fit:
        request, model = self._request, self._choice.name
        limits = [each for each in (request.window, self._profile_cache.window(model), self._guessed_window) if each]
        window = min(limits) if limits and request.overflow != "refuse" else None
        if window is not None and not self._profile_cache.meter.knows(model):
            self._calibrate(messages, window)
        return fit(messages, window, request.max_tokens, lambda each: self._profile_cache.meter.tokens(model, each))

    def _calibrate(self, messages: Messages, window: int) -> None:
        model = self._choice.name
        if estimate_messages(messages) > _COUNT_FROM * window:
            server_probe = ServerProbe(self._http, self._job, self._job.options, has_key=self._profile_cache.has_key)
            self._profile_cache.meter.learn(
                model, messages, count_on_server(server_probe, self._profile, model, messages)
            )

    def _learn_window(self, error: ContextWindowExceeded, fitted: Fit) -> None:
        """Learn from a context-window error: the window's size or, if that was known, the error of the estimate.

        If the error names no size, one is guessed for this job only.
        """
        model = self._choice.name
        limit, needed = error.context.get("limit"), error.context.get("needed")
        if isinstance(needed, int) and needed > fitted.tokens:
            self._profile_cache.meter.learn(model, fitted.messages, needed, weight=1.0)
        if isinstance(limit, int):
            self._profile_cache.learn_window(model, limit)
        else:
            self._guessed_window = round(fitted.tokens * _SHRINK)

    def _replace_dropped(self, fitted: Fit) -> Messages:
        if self._request.overflow == "summarise" and len(fitted.dropped) != self._summarised:
            self._summary = self._summarise_dropped(fitted)
            self._summarised = len(fitted.dropped)
        return prepend_summary(fitted.messages, self._summary) if self._summary else fitted.messages

    def _summarise_dropped(self, fitted: Fit) -> str:
        """Return a summary of the dropped turns, or an empty text if the model can't make one."""
        self._job.message("Summarising the conversation so far")
        room = 2 * (fitted.window or FALLBACK_WINDOW)  # characters: safe for any script, if short of English
        asked = [
            {"role": "system", "content": SUMMARISE},
            {"role": "user", "content": transcript(fitted.dropped)[-room:]},
        ]
        request = ChatRequest(messages=asked, max_tokens=SUMMARY_TOKENS)
        try:
            answer = self._exchange.ask(
                make_body(request, asked, self._choice.name, self._profile.dialect), _ignore_text
            )
        except GenerationError as error:
            self._job.log(f"The oldest messages were left out, without a summary: {error.message}")
            return ""
        return answer.text.strip()

    # Structured answers

    def _answer_structured(self, messages: Messages, validator: structured_output.Validator) -> Result:
        """Request answers until one fits the schema; only that one is emitted, in one piece.

        A tool call is returned as it is: the answer follows once the call has been answered.
        """
        attempts = 0
        while True:
            answer = self._ask_for_json(messages)
            attempts += 1
            if answer.tool_calls and not answer.text.strip():
                return self._result(answer, {}, attempts=attempts)
            value, problems = structured_output.parse(answer.text, validator)
            if not problems:
                if self._request.stream:
                    self._job.text(answer.text)
                return self._result(answer, {"data": value}, attempts=attempts)
            if attempts > self._request.max_repairs:
                raise InvalidOutput(
                    f"{self._choice.name} did not answer in the requested format: {problems[0]}.",
                    text=answer.text,
                    problems=problems,
                    hint="Try again, simplify the schema, or choose a larger model.",
                    partial=self._result(answer, {}, attempts=attempts),
                )
            self._job.log(f"The answer does not fit the schema: {problems[0]}; trying again.")
            messages = [
                *messages,
                {"role": "assistant", "content": answer.text},
                {"role": "user", "content": structured_output.make_correction(problems)},
            ]

    def _ask_for_json(self, messages: Messages) -> Completion:
        """Request JSON in the strictest way that the server supports, and remember that way."""
        modes, model = self._profile_cache.format_modes, self._choice.name
        *ways, last = structured_output.get_ways(self._profile.dialect, modes.get(model))
        for way in ways:
            try:
                answer = self._ask(messages, way, self._count_characters())
            except BackendError as error:
                if not is_format_refusal(error):
                    raise
                self._job.log(f"{model} does not support {way} answers; trying a less strict format.")
                continue
            modes[model] = way
            return answer
        answer = self._ask(messages, last, self._count_characters())
        modes[model] = last
        return answer

    def _count_characters(self) -> Callable[[str], None]:
        written = 0

        def count(text: str) -> None:
            nonlocal written
            written += len(text)
            self._job.message(f"Writing ({written} characters)")

        return count

    # The result

    def _result(self, answer: Completion, fields: dict[str, Any], *, attempts: int = 1) -> Result:
        request, fitted = self._request, self._fitted
        metadata: dict[str, Any] = {
            **describe_completion(answer),
            "model": self._choice.name,
            "model_choice": self._choice.to_dict(),
            "server": {"dialect": self._profile.dialect, "version": self._profile_cache.version},
            "seed": request.seed,
            "request": request.to_dict(),
            "attempts": attempts,
            "fit": {**(fitted.to_dict() if fitted else {}), "policy": request.overflow, "summary": self._summary},
        }
        return Result(
            text=answer.text,
            usage=self._usage,
            problems=(*self._problems, *_completion_problems(answer)),
            metadata=metadata,
            **fields,
        )


def _completion_problems(answer: Completion) -> list[BackendError]:
    """Return the problems of an answer that arrived completely."""
    if answer.finish_reason == "length":
        message = "The answer was cut off at the token limit."
        return [GenerationError(message, code="cut_at_max_tokens", hint="Raise max_tokens, or ask for a shorter text.")]
    if answer.finish_reason == "content_filter":
        message = "The provider's content policy cut the answer off."
        return [GenerationError(message, code="content_policy", hint="Rephrase it, or choose another model.")]
    return []


def _add_usage(total: dict[str, Any] | None, usage: dict[str, Any]) -> dict[str, Any]:
    """Add up the token usage of several answers; of members that are not numbers the newest stays."""
    if total is None:
        return usage
    added = dict(total)
    for name, value in usage.items():
        known = total.get(name)
        added[name] = known + value if is_number(value) and is_number(known) else value
    return added


def _ignore_text(_text: str) -> None:
    """Discard text that is not shown to the user."""
