"""The clients of the settings of now, and those of earlier settings until nothing uses them any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..clients.core.errors import BackendError, OfflineRefused
from ..clients.http.url import parse_server_url
from .demo import DemoServers
from .settings import BackendSettings, RuntimeSettings
from .speech import speakers_for

if TYPE_CHECKING:
    from ..clients.audio import AudioCodec
    from ..clients.core.client import BaseAPIClient
    from ..clients.registry import BackendInfo
    from .journal import JobJournal


@dataclass(frozen=True)
class _Key:
    """What a client was made of: when any of it changes, the next job gets a new one."""

    info: BackendInfo
    settings: BackendSettings
    output_dir: str
    demo: bool
    demo_speed: float


@dataclass(frozen=True)
class _ClosingClient:
    client: BaseAPIClient
    backend: str
    users: frozenset[str]


class ClientCache:
    """Makes clients on the worker threads that need them.

    ``users`` returns the jobs that may be using a backend's client; clients of sound get the ``codec``.
    """

    def __init__(
        self, journal: JobJournal, users: Callable[[str], frozenset[str]], codec: AudioCodec | None = None
    ) -> None:
        self._journal = journal
        self._users = users
        self._codec = codec
        self._demo = DemoServers()
        self._lock = threading.Lock()
        self._clients: dict[str, tuple[_Key, BaseAPIClient]] = {}
        self._retired: list[_ClosingClient] = []
        self._closed = False

    def client(self, info: BackendInfo, settings: RuntimeSettings) -> BaseAPIClient:
        """Return the backend's client for these settings; making one costs imports, and in demo mode the servers."""
        check_online(info, settings)
        own = settings.backends[info.name]
        key = _Key(info, own, str(settings.output_dir), settings.demo_mode, settings.demo_speed)
        with self._lock:
            if self._closed:
                raise shutting_down()
            known = self._clients.get(info.name)
            if known is not None and known[0] == key:
                return known[1]
            client = self._create(info, settings)
            self._clients[info.name] = (key, client)
            if known is not None:
                self._retired.append(_ClosingClient(known[1], info.name, self._users(info.name)))
            unused = [old for old in self._retired if not old.users & self._users(old.backend)]
            self._retired = [old for old in self._retired if old not in unused]
        for old in unused:
            old.client.close()
        return client

    def close(self, deadline: float) -> None:
        """Close all clients and the demo servers; ``deadline`` on the monotonic clock."""
        with self._lock:
            self._closed = True
            clients = [client for _, client in self._clients.values()] + [old.client for old in self._retired]
            self._clients.clear()
            self._retired.clear()
        for client in clients:
            client.close(timeout_s=max(0.1, deadline - time.monotonic()))
        self._demo.stop()

    def _create(self, info: BackendInfo, settings: RuntimeSettings) -> BaseAPIClient:
        from ..clients.audio import AudioClient

        own, demo = settings.backends[info.name], settings.demo_mode
        extra: dict[str, Any] = {"codec": self._codec} if issubclass(info.client, AudioClient) else {}
        if own.speech is not None and not demo:
            extra["speakers"] = speakers_for(own.speech, online_access=settings.online_access)
        client = info.client(
            self._demo.url(info.name, settings.demo_speed) if demo else own.base_url,
            api_key=None if demo else own.api_key,
            headers={} if demo else dict(own.headers),
            options=settings.options_for(info),
            recorder=self._journal,
            **extra,
        )
        client.server_outlives_us = not demo
        return client


def check_online(info: BackendInfo, settings: RuntimeSettings) -> None:
    """Raise ``OfflineRefused`` if Blender's online access is off and the backend is not on this machine."""
    if settings.demo_mode or settings.online_access:
        return
    url = parse_server_url(settings.backends[info.name].base_url)
    if not url.is_loopback:
        raise OfflineRefused(
            f"{info.label} is at {url}, which is not this machine, and Blender's online access is off.",
            backend=info.name,
            hint="Allow online access in Preferences > System, or use a server on this machine.",
        )


def server_now(info: BackendInfo, settings: RuntimeSettings) -> str:
    """Return the backend's server as job records name it, empty if the address is not valid."""
    with suppress(BackendError):
        return str(parse_server_url(settings.backends[info.name].base_url))
    return ""


def shutting_down() -> BackendError:
    """Return the error for work that comes too late."""
    return BackendError("Movie Director is shutting down.", code="client_closed", hint="Enable the extension again.")
