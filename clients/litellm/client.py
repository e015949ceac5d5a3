"""Text from a LiteLLM proxy, or from a server that speaks as it does: llama.cpp, Ollama, LM Studio, vLLM."""

from __future__ import annotations

from typing import ClassVar, cast

from ..core.client import BaseAPIClient
from ..core.context import CancelContext, JobContext
from ..core.delivery import outcome_unknown
from ..core.json_fields import parse_version
from ..core.model import BackendCancel, Result, ServerInfo
from ..core.options import ClientOptions
from ..core.request import Request
from .models import choose
from .payload import Messages, load_pictures
from .request import ChatRequest
from .server_info import LITELLM, LLAMACPP, VLLM, ServerProbe, ServerProfileCache
from .token_count import TokenCount, count_on_server

_CAPABILITIES = frozenset({"stream", "cancel", "structured", "tools", "conversation"})
_COUNTING = frozenset({LITELLM, LLAMACPP, VLLM})
_DISCONNECT_IGNORED_BEFORE = (1, 107)
"""LiteLLM 1.106.2 stops the model when the client leaves before the first token; 1.109.1 was seen not to."""


class LiteLLMClient(BaseAPIClient):
    """Text from a LiteLLM proxy or a plain OpenAI-compatible server; ``base_url`` with or without ``/v1``.

    Answers are always streamed, since only so does closing the connection stop the model. A chat can't be found again
    on the server, so nothing can be re-joined: a job that may have been sent before ends as ``JobLost``.
    """

    name: ClassVar[str] = "litellm"
    request_types: ClassVar[tuple[type[Request], ...]] = (ChatRequest,)
    default_options: ClassVar[ClientOptions] = ClientOptions(
        first_byte_timeout_s=600.0, stream_idle_timeout_s=180.0, max_retries=2
    )
    pasted_routes: ClassVar[tuple[str, ...]] = ("/v1",)

    def set_up(self) -> None:
        """Create the cache of server profiles."""
        self.profile_cache = ServerProfileCache(
            has_key=any(name.lower() in _KEY_HEADERS for name in self.auth_headers())
        )

    def probe(self) -> ServerInfo:
        """Return the server's dialect, version and models."""
        profile = self.profile_cache.profile(self.http, None, self.options, fresh=True)
        writers = [each for each in profile.models if each.writes]
        choice = choose(profile.models)
        capabilities = set(_CAPABILITIES)
        if any(each.sees for each in writers):
            capabilities.add("vision")
        if profile.dialect in _COUNTING:
            capabilities.add("token_counter")
        return ServerInfo(
            profile.version,
            profile.dialect,
            frozenset(capabilities),
            tuple(each.name for each in writers),
            profile.latency_s,
            {
                "default_model": choice.name if choice else None,
                "windows": {each.name: self.profile_cache.window(each.name) for each in writers},
            },
        )

    def count_tokens(self, messages: Messages, model: str | None = None) -> TokenCount:
        """Return how many tokens a prompt of these messages has, by the server's counter or else by estimate; blocks,
        seconds at most.
        """
        profile = self.profile_cache.profile(self.http, None, self.options)
        chosen = choose(profile.models)
        name = model or (chosen.name if chosen else "")
        server_probe = ServerProbe(self.http, None, self.options, has_key=self.profile_cache.has_key)
        counted = count_on_server(server_probe, profile, name, load_pictures(messages))
        if counted is not None:
            return TokenCount(counted, "server")
        return TokenCount(self.profile_cache.meter.tokens(name, messages), "estimate")

    def run(self, job: JobContext) -> Result:
        """Request the answer and stream it."""
        from .chat_run import ChatRun  # imported here: urllib3 costs 90 ms

        return ChatRun(self.http, job, cast(ChatRequest, job.request), self.profile_cache).run()

    def rejoin(self, job: JobContext) -> Result:
        """Raise ``JobLost``: chats have no id by which a server could be asked."""
        raise outcome_unknown(
            "The connection was lost during the answer, and text servers keep no answers.",
            "Ask again; the server may still have finished the first answer.",
        )

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Return the effect on the model of closing the stream, which the worker has already done.

        In mid-stream the model stops at once, and with plain servers always. Before the first token newer versions of
        LiteLLM may let the model run until it writes, and offer no cancel; the version is in the headers of the first
        response.
        """
        version = parse_version(self.profile_cache.version)[:2]
        silent = job.job_id in self.profile_cache.unanswered and job.state.get("dialect") == LITELLM
        self.profile_cache.unanswered.discard(job.job_id)
        if silent and not () < version < _DISCONNECT_IGNORED_BEFORE:
            return BackendCancel.UNSUPPORTED
        return BackendCancel.CONFIRMED


_KEY_HEADERS = frozenset({"authorization", "x-litellm-api-key", "api-key"})
