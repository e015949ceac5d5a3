"""Calls a function in one request, ``POST /run/...``, in every generation of Gradio.

Facts: the function must be identified by ``fn_index`` in the body, or Gradio 3.34 does not keep a generator between
its yields. Errors are a status 500 with ``{"error": text or null}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..core.errors import ProtocolError
from ..core.json_fields import as_number
from ..core.scope import Scope
from ..http.response import Response
from ..http.transport import Timeouts
from .component_values import unwrap
from .config import Dependency, GradioConfig
from .errors import REFUSALS, make_function_error, read_call_error
from .http import GradioHTTP

_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class RunReply:
    """One response: the raw values, and whether a generator has more."""

    raw: list[Any]
    is_generating: bool = False
    duration_s: float | None = None

    @property
    def data(self) -> list[Any]:
        """The values, updates unwrapped."""
        return [unwrap(each) for each in self.raw]


def run_endpoint(
    access: GradioHTTP,
    config: GradioConfig,
    dependency: Dependency,
    data: Sequence[Any],
    session_hash: str,
    scope: Scope,
    timeouts: Timeouts | None = None,
) -> RunReply:
    """Call a function, at most once, and return its response; raises the error of a failed function."""
    payload = {"data": list(data), "fn_index": dependency.id, "session_hash": session_hash}
    return post(access, config, dependency, json.dumps(payload, allow_nan=False).encode(), scope, timeouts)


def post(
    access: GradioHTTP,
    config: GradioConfig,
    dependency: Dependency,
    body: bytes | list[bytes],
    scope: Scope,
    timeouts: Timeouts | None = None,
) -> RunReply:
    """Send a call with a ready-made body."""
    # by name, Gradio 3.34 would restart a generator each time
    name = "predict" if config.generation == 3 or not dependency.api_name else dependency.api_name
    with access.request(
        "POST",
        config.path(f"/run/{quote(name, safe='', errors='replace')}"),
        scope=scope,
        body=body,
        headers=_JSON,
        expect=REFUSALS,
        repeatable=False,
        timeouts=timeouts,
    ) as response:
        if response.status >= 400 and not (response.status == 500 and response.content_type.endswith("json")):
            raise read_call_error(access, response, dependency.label)
        return _parse_reply(access, response, dependency)


def _parse_reply(access: GradioHTTP, response: Response, dependency: Dependency) -> RunReply:
    value = access.http.json_of(response)
    if not isinstance(value, Mapping) or not ("error" in value or isinstance(value.get("data"), list)):
        raise access.http.clean(
            ProtocolError(
                f"{access.server} answered the call of {dependency.label} with an invalid response.",
                code="bad_answer",
                hint="Is this the address of the right server?",
            )
        )
    if response.status >= 400 or not isinstance(value.get("data"), list):
        raise make_function_error(access, dependency.label, value.get("error"))
    return RunReply(value["data"], value.get("is_generating") is True, as_number(value.get("duration")))
