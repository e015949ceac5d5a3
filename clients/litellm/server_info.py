"""The identity of a text server and the cache of it: dialect, models, windows and response formats.

LiteLLM alone answers ``/health/liveliness`` with ``"I'm alive!"``; the others differ by their model lists and one
small request each. ``/openapi.json`` is never requested: LiteLLM takes seconds to make it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..core.errors import BackendError, ProtocolError
from ..core.json_fields import as_text, get_member
from ..core.options import ClientOptions
from .errors import RequestContext, make_error, parse_refusal
from .models import ModelInfo, get_rows, parse_deployed_windows, parse_models, parse_token_count
from .tokens import TokenMeter

if TYPE_CHECKING:
    from ..core.scope import Scope
    from ..http.session import HTTPSession

LITELLM, LLAMACPP, OLLAMA, LMSTUDIO, VLLM, OPENAI = "litellm", "llamacpp", "ollama", "lmstudio", "vllm", "openai"
UNKNOWN_VERSION = "unknown"
FRESH_S = 300.0
PROBE_FIRST_BYTE_S = 15.0
ERRORS = range(400, 600)


@dataclass(frozen=True)
class Reply:
    """A small response with any status; ``value`` is its JSON, None for other content."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    value: Any = None

    @property
    def content_type(self) -> str:
        """The media type without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Profile:
    """The state of a server at one time: its ``dialect``, ``version`` and models."""

    dialect: str
    version: str = UNKNOWN_VERSION
    models: tuple[ModelInfo, ...] = ()
    latency_s: float = 0.0
    at: float = field(default_factory=time.monotonic)

    @property
    def names(self) -> list[str]:
        """The names of all models."""
        return [each.name for each in self.models]

    def model(self, name: str) -> ModelInfo | None:
        """Return the entry of a model, None if it is not listed."""
        return next((each for each in self.models if each.name == name), None)


class ServerProfileCache:
    """The client's knowledge of its server; thread-safe (each member is replaced whole).

    ``has_key`` is True if requests carry a key; ``format_modes`` is the way that worked to request JSON from a model;
    ``unanswered`` are the ids of jobs with a request that was sent and has no response yet.
    """

    def __init__(self, *, has_key: bool = False) -> None:
        self.has_key = has_key
        self.meter = TokenMeter()
        self.format_modes: dict[str, str] = {}
        self.unanswered: set[str] = set()
        self._windows: dict[str, int] = {}
        self._profile: Profile | None = None

    def profile(
        self, http: HTTPSession, scope: Scope | None, options: ClientOptions, *, fresh: bool = False
    ) -> Profile:
        """Return the server's profile, fetched if it is unknown or old; raises the errors of the requests."""
        known = self._profile
        if known is None or fresh or time.monotonic() - known.at > FRESH_S:
            version = known.version if known else UNKNOWN_VERSION
            known = ServerProbe(http, scope, options, has_key=self.has_key).profile()
            if known.version == UNKNOWN_VERSION:
                known = replace(known, version=version)
            self._renew(known, forget=fresh)
        return known

    def _renew(self, profile: Profile, *, forget: bool) -> None:
        """Store a new profile and drop learnt windows: a model may have been reloaded with another one."""
        if forget or self._profile is None or self._profile.models != profile.models:
            self._windows = {}
        self._profile = profile

    def forget(self) -> None:
        """Fetch the profile again with the next request: the list of models is out of date."""
        self._profile = None

    def note_version(self, version: str | None) -> None:
        """Store the version from a response's headers."""
        if version and self._profile is not None:
            self._profile = replace(self._profile, version=version)

    @property
    def version(self) -> str:
        """The server's version, empty if unknown."""
        return self._profile.version if self._profile is not None else UNKNOWN_VERSION

    def window(self, model: str) -> int | None:
        """Return the model's window in tokens, None if unknown; a window learnt from an error counts most."""
        info = self._profile.model(model) if self._profile else None
        return self._windows.get(model) or (info.window if info else None)

    def learn_window(self, model: str, tokens: int) -> None:
        """Store the window from the server's error until its list of models changes."""
        self._windows[model] = tokens


class ServerProbe:
    """One round of requests to identify a server."""

    def __init__(
        self, http: HTTPSession, scope: Scope | None, options: ClientOptions, *, has_key: bool = False
    ) -> None:
        from ..http.transport import Timeouts

        first_byte_s = min(PROBE_FIRST_BYTE_S, options.first_byte_timeout_s)
        self._timeouts = Timeouts(options.connect_timeout_s, first_byte_s, options.read_timeout_s)
        self._http = http
        self._scope = scope
        self._has_key = has_key
        self._max_bytes = options.max_response_bytes

    def profile(self) -> Profile:
        """Fetch the complete profile."""
        started = time.monotonic()
        alive = self.get("/health/liveliness")
        latency_s = time.monotonic() - started
        if alive.status == 200 and alive.value == "I'm alive!":
            listing = self._fetch_listing(litellm=True)
            version = self._fetch_version("/health/readiness", "litellm_version")
            return Profile(LITELLM, version, tuple(self._merge_groups(parse_models(listing.value))), latency_s)
        listing = self._fetch_listing(litellm=False)
        dialect, version, models = self._identify(listing.value)
        return Profile(dialect, version, tuple(models), latency_s)

    def get(self, path: str) -> Reply:
        """GET without raising on an HTTP error status."""
        return self._read("GET", path, None)

    def post(self, path: str, payload: Any) -> Reply:
        """POST a request without side effects, without raising on an HTTP error status."""
        return self._read("POST", path, json.dumps(payload, allow_nan=False).encode())

    def _read(self, method: str, path: str, body: bytes | None) -> Reply:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        with self._http.request(
            method, path, scope=self._scope, body=body, headers=headers, expect=ERRORS, timeouts=self._timeouts
        ) as response:
            content = response.read(self._max_bytes)
            try:
                value = json.loads(content)
            except (ValueError, RecursionError):
                value = None
            return Reply(response.status, response.headers, content, value)

    def _fetch_listing(self, *, litellm: bool) -> Reply:
        reply = self.get("/v1/models")
        if reply.status >= 400:
            raise self._make_error(reply, litellm)
        if not isinstance(reply.value, Mapping) or not isinstance(reply.value.get("data"), list):
            raise ProtocolError(
                f"{self._http.url} is not a text server: its list of models is not valid.",
                code="web_page" if reply.content_type == "text/html" else "not_a_text_server",
                backend=self._http.backend,
                hint="Is this the address of LiteLLM? There may be a login page or another program at this address.",
            )
        return reply

    def _make_error(self, reply: Reply, litellm: bool) -> BackendError:
        where = RequestContext(str(self._http.url), has_key=self._has_key, litellm=litellm)
        error = make_error(
            parse_refusal(reply.status, remove_secrets(reply.body, self._http), reply.content_type),
            where,
            reply.headers,
        )
        return self._http.clean(error)

    def _merge_groups(self, models: list[ModelInfo]) -> list[ModelInfo]:
        """Add the capabilities and windows that ``/v1/models`` lacks: pictures, tool calls."""
        groups = {row.get("model_group"): row for row in get_rows(self.get("/model_group/info").value)}
        models = [_merge_group(replace(each, listed=each.window is not None), groups.get(each.name)) for each in models]
        if all(each.window for each in models if each.writes):
            return models
        windows = parse_deployed_windows(self.get("/model/info").value)
        return [each if each.window else replace(each, window=windows.get(each.name)) for each in models]

    def _identify(self, listing: Mapping[str, Any]) -> tuple[str, str, list[ModelInfo]]:
        models = parse_models(listing)
        owners = {row.get("owned_by") for row in listing["data"] if isinstance(row, Mapping)}
        if "llamacpp" in owners:
            return LLAMACPP, self._fetch_version("/props", "build_info"), models
        if "vllm" in owners:
            return VLLM, self._fetch_version("/version", "version"), models
        version = self._fetch_version("/api/version", "version")
        if version != UNKNOWN_VERSION:
            return OLLAMA, version, models
        detailed = parse_models(self.get("/api/v0/models").value)
        if detailed:
            return LMSTUDIO, UNKNOWN_VERSION, detailed
        return OPENAI, UNKNOWN_VERSION, models

    def _fetch_version(self, path: str, member: str) -> str:
        return as_text(get_member(self.get(path).value, member)) or UNKNOWN_VERSION


def remove_secrets(body: bytes, http: HTTPSession) -> bytes:
    """Remove the key from a server's bytes before they are cut to length."""
    return http.redact(body.decode("utf-8", "replace")).encode()


def _merge_group(model: ModelInfo, group: Mapping[str, Any] | None) -> ModelInfo:
    """Add a window and capabilities that are certain; for models unknown to LiteLLM, "no" means nothing."""
    if group is None:
        return model
    return replace(
        model,
        window=model.window or parse_token_count(group.get("max_input_tokens")),
        sees=True if group.get("supports_vision") is True else model.sees,
        calls_tools=True if group.get("supports_function_calling") is True else model.calls_tools,
    )
