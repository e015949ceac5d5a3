"""The configuration of a Gradio app: version, routes, functions and components.

Facts: ``GET /config`` is at the root in every version; all other routes are under its ``api_prefix``, which is empty
before 5. A function ("dependency") is one wired event, found by its ``api_name`` (the second of the same name gets a
number: the stem stays over the releases of an app), or by its trigger; its position in the list is its id in versions
without ids. ``root`` echoes the Host header and is not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..core.errors import BackendError, MissingResource, NetworkTimeout, NotFound, ProtocolError
from ..core.json_fields import as_int, as_list, as_object, as_text, get_member, get_objects, is_int

if TYPE_CHECKING:
    from ..core.scope import Scope
    from .http import GradioHTTP

_NUMBER = re.compile(r"_\d+$")
_LEADING_NUMBER = re.compile(r"\d{1,6}")
OLDEST = 3
NEWEST = 6


@dataclass(frozen=True)
class Component:
    """A component of the app's page: ``kind`` such as ``textbox`` or ``state``."""

    id: int
    kind: str
    props: Mapping[str, Any] = field(repr=False)

    @property
    def label(self) -> str:
        """The label, or the text of a button."""
        for name in ("label", "value"):
            text = self.props.get(name)
            if isinstance(text, str) and text:
                return text
        return ""


@dataclass(frozen=True)
class Dependency:
    """A function of the app.

    ``targets`` are the components and events that trigger it, ``trigger_after`` the id of the function before it.
    ``api_name`` is empty for a hidden function: it can still be called by its id. ``in_backend`` is False for a step
    that runs only in the browser.
    """

    id: int
    api_name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    targets: tuple[tuple[int, str], ...]
    trigger_after: int | None
    in_backend: bool
    is_generator: bool
    queued: bool

    @property
    def stem(self) -> str:
        """The name without its number."""
        return _NUMBER.sub("", self.api_name)

    @property
    def label(self) -> str:
        """The name for messages."""
        return self.api_name or f"number {self.id}"

    def target(self, event: str) -> int | None:
        """Return the component that triggers the function by ``event``, None if there is none; for use as
        ``trigger_id``.
        """
        return next((component for component, name in self.targets if name == event), None)


@dataclass(frozen=True)
class GradioConfig:
    """The configuration of an app at one time. ``api_prefix`` starts with a slash or is empty."""

    version: str
    api_prefix: str
    protocol: str
    title: str
    app_id: str
    show_error: bool
    max_file_size: int | None
    dependencies: tuple[Dependency, ...] = field(repr=False)
    components: Mapping[int, Component] = field(repr=False)

    @property
    def generation(self) -> int:
        """The major version; 0 if the version has none."""
        match = _LEADING_NUMBER.match(self.version)
        return int(match[0]) if match else 0

    def path(self, route: str) -> str:
        """Return the path of a route (which starts with a slash) below the server's address."""
        return f"{self.api_prefix}{route}"

    @cached_property
    def _by_id(self) -> dict[int, Dependency]:
        return {each.id: each for each in self.dependencies}

    def resolve(self, target: Dependency | str | int) -> Dependency:
        """Return the function with this name or id, or the function itself; ``MissingResource`` if there is none."""
        if isinstance(target, Dependency):
            return target
        return self.get_function(target) if isinstance(target, str) else self.dependency(target)

    def dependency(self, number: int) -> Dependency:
        """Return the function with this id; ``MissingResource`` if there is none."""
        try:
            return self._by_id[number]
        except KeyError:
            raise _missing_function(self, f"number {number}", ()) from None

    def get_function(self, api_name: str) -> Dependency:
        """Return the function of that very name (with or without a slash before it); ``MissingResource`` if there is
        none.
        """
        wanted = api_name.removeprefix("/")
        for each in self.dependencies:
            if each.api_name == wanted:
                return each
        names = [each.api_name for each in self.dependencies if each.api_name]
        raise _missing_function(self, wanted, get_close_matches(wanted, names, 3))

    def find_by_stem(self, stem: str) -> tuple[Dependency, ...]:
        """Return all functions with this stem, with or without a number."""
        return tuple(each for each in self.dependencies if stem in (each.stem, each.api_name))

    def followers(self, dependency: Dependency) -> tuple[Dependency, ...]:
        """Return the functions that the browser calls after this one, in the order of the list."""
        return tuple(each for each in self.dependencies if each.trigger_after == dependency.id)

    def chain(self, start: Dependency) -> tuple[Dependency, ...]:
        """Return ``start`` and all its followers, each before its own followers."""
        found: dict[int, Dependency] = {}
        waiting = [start]
        while waiting:
            each = waiting.pop(0)
            if each.id not in found:
                found[each.id] = each
                waiting[:0] = self.followers(each)
        return tuple(found.values())

    def find_by_kind(self, kind: str) -> tuple[Component, ...]:
        """Return the components of a kind, such as ``dropdown``."""
        return tuple(each for each in self.components.values() if each.kind == kind)

    def find_triggered(self, component: Component | int, event: str = "") -> tuple[Dependency, ...]:
        """Return the functions that an event of a component triggers (default: any event)."""
        number = component if isinstance(component, int) else component.id
        return tuple(
            each
            for each in self.dependencies
            if any(target == number and event in ("", name) for target, name in each.targets)
        )


def read_config(access: GradioHTTP, *, scope: Scope | None = None) -> GradioConfig:
    """Fetch and parse the app's configuration, with a login if required; raises as ``request_config`` does."""
    return check_config(access, request_config(access, scope=scope))


def request_config(access: GradioHTTP, *, scope: Scope | None = None) -> Mapping[str, Any]:
    """Return the response of ``GET /config``.

    Raises ``ProtocolError`` with code ``not_gradio`` (another kind of server, or a page in front of it);
    ``AuthenticationError``; and network errors.
    """
    try:
        value = access.get_json("/config", scope=scope)
    except (NotFound, ProtocolError) as error:
        if isinstance(error, ProtocolError) and error.code not in ("web_page", "invalid_json"):
            raise
        raise _not_gradio(access) from error
    except NetworkTimeout as error:
        if error.code == "first_byte":
            _add_loading_hint(error, access)
        raise
    if not isinstance(value, Mapping) or "version" not in value:
        raise _not_gradio(access)
    return value


def check_config(access: GradioHTTP, value: Mapping[str, Any]) -> GradioConfig:
    """Parse the response of ``/config``.

    Raises ``ProtocolError`` with code ``not_blocks`` (a Gradio without functions) or ``gradio_version`` (older than
    3).
    """
    config = parse_config(value)
    if config is None:
        raise access.http.clean(
            ProtocolError(
                f"{access.server} is a Gradio server, but its app has no functions to call.",
                code="not_blocks",
                hint="Check the address: the program's page must open there in a browser.",
            )
        )
    if config.generation < OLDEST:
        raise access.http.clean(
            ProtocolError(
                f"{access.server} runs Gradio {config.version}, which is too old: version 3 is the oldest that "
                "is supported.",
                code="gradio_version",
                hint="Update the program on the server.",
            )
        )
    return config


def read_info(access: GradioHTTP, config: GradioConfig, *, scope: Scope | None = None) -> Mapping[str, Any]:
    """Return the schema of the app's named and unnamed functions: megabytes for a large app."""
    value = access.get_json(config.path("/info"), scope=scope)
    return as_object(value)


def parse_config(value: Mapping[str, Any]) -> GradioConfig | None:
    """Parse a configuration; None if it lists no functions."""
    listed = value.get("dependencies")
    if not isinstance(listed, list):
        return None
    app_id = value.get("app_id")
    return GradioConfig(
        version=as_text(value.get("version")).strip(),
        api_prefix=_normalise_prefix(as_text(value.get("api_prefix"))),
        protocol=as_text(value.get("protocol")),
        title=as_text(value.get("title")),
        app_id="" if app_id is None else str(app_id),
        show_error=value.get("show_error") is True,
        max_file_size=as_int(value.get("max_file_size")),
        dependencies=tuple(_parse_dependencies(listed)),
        components={each.id: each for each in _parse_components(value.get("components"))},
    )


def _normalise_prefix(text: str) -> str:
    """Return the text as a path that can't change the server's address."""
    path = quote(text.strip("/"), safe="/", errors="replace")
    return f"/{path}" if path else ""


def _parse_dependencies(listed: list[Any]) -> Iterator[Dependency]:
    for place, entry in enumerate(listed):
        if isinstance(entry, Mapping):
            yield _parse_dependency(place, entry)


def _parse_dependency(place: int, entry: Mapping[str, Any]) -> Dependency:
    number = entry.get("id")
    after = entry.get("trigger_after")
    return Dependency(
        id=number if is_int(number) else place,
        api_name=as_text(entry.get("api_name")),
        inputs=_parse_ids(entry.get("inputs")),
        outputs=_parse_ids(entry.get("outputs")),
        targets=tuple(_parse_targets(entry)),
        trigger_after=after if is_int(after) else None,
        in_backend=entry.get("backend_fn") is not False,
        is_generator=get_member(entry, "types", "generator") is True,
        queued=entry.get("queue") is not False,
    )


def _parse_targets(entry: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield component and event; 3.x has one event for all components."""
    for each in as_list(entry.get("targets")):
        component, event = each if isinstance(each, list) and len(each) == 2 else (each, entry.get("trigger"))
        if is_int(component):
            yield component, as_text(event)


def _parse_components(listed: Any) -> Iterator[Component]:
    for entry in get_objects(listed):
        if is_int(entry.get("id")):
            yield Component(entry["id"], as_text(entry.get("type")), as_object(entry.get("props")))


def _parse_ids(listed: Any) -> tuple[int, ...]:
    return tuple(each for each in as_list(listed) if is_int(each))


def _missing_function(config: GradioConfig, name: str, nearest: Any) -> MissingResource:
    return MissingResource(
        f"The Gradio app {config.title or ''} has no function {name}.".replace("  ", " "),
        kind="function",
        name=name,
        nearest=nearest,
        hint="Is this the address of the right program, and is its version supported?",
    )


def _not_gradio(access: GradioHTTP) -> BackendError:
    return access.http.clean(
        ProtocolError(
            f"{access.server} responds, but not like a Gradio program.",
            code="not_gradio",
            hint="Check the address and the port; there may also be a login page or a proxy in front of the program.",
        )
    )


def _add_loading_hint(error: NetworkTimeout, access: GradioHTTP) -> None:
    error.message = f"{access.server} accepts connections but does not respond; it may still be loading."
    error.args = (error.message,)
    error.hint = "Wait until it is ready and try again."
