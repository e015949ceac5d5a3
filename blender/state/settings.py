"""From the preferences to the runtime's immutable settings, and where results go."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ...clients.core.errors import ValidationError
from ...clients.registry import BACKENDS

if TYPE_CHECKING:
    from ...runtime import BackendSettings, RuntimeSettings, SpeechSettings

PACKAGE = __package__.rsplit(".", 2)[0]
"""The name Blender knows the extension by."""

_PARTING = re.compile(r"\|(?=\s*(?:[A-Za-z][!#$%&'*+.^_`~0-9A-Za-z-]*\s*:(?!//)|$))")

BESIDE_FILE = "//movie_director/"


def preferences() -> Any:
    """Return the extension's preferences."""
    return bpy.context.preferences.addons[PACKAGE].preferences


def environment_name(backend: str, what: str) -> str:
    """Return the environment variable that overrules a backend's ``URL`` or ``KEY``."""
    return f"MOVIE_DIRECTOR_{backend.upper()}_{what}"


def environment_value(backend: str, what: str) -> str:
    """Return the environment variable's value, "" if it is not set."""
    return os.environ.get(environment_name(backend, what), "").strip()


def server_url(backend: str, row: Any) -> str:
    """Return the address a backend is reached at: the environment's, the preferences', or its usual one."""
    return environment_value(backend, "URL") or row.url.strip() or BACKENDS[backend].default_url


def parse_headers(text: str, label: str) -> tuple[tuple[str, str], ...]:
    """Read extra headers, one "Name: value" a line, or parted by "|", as a field of the preferences has one line only.

    A "|" that no name and colon follow belongs to the value: cookies of access proxies have some. A line that is no
    header raises ``ValidationError``, which names the backend by its ``label``; the text is not repeated: it may hold a
    key.
    """
    headers = []
    for number, line in enumerate(_PARTING.sub("\n", text).splitlines(), start=1):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or not name.strip().isascii() or " " in name.strip():
            raise ValidationError(
                f"Extra header {number} of {label} is not of the form 'Name: value'.",
                code="invalid_header",
                hint="Correct it in the preferences of Movie Director.",
            )
        headers.append((name.strip(), value.strip()))
    return tuple(headers)


def backend_settings(name: str, row: Any) -> BackendSettings:
    """Return one backend's settings; a field left at 0 means the backend's own default."""
    from ...runtime import BackendSettings

    return BackendSettings(
        base_url=server_url(name, row),
        api_key=environment_value(name, "KEY") or row.api_key,
        headers=parse_headers(row.headers, BACKENDS[name].label),
        connect_timeout_s=row.connect_timeout_s or None,
        read_timeout_s=row.read_timeout_s or None,
        job_timeout_s=row.job_timeout_s or None,
        verify_tls=Path(bpy.path.abspath(row.ca_file)) if row.verify_tls and row.ca_file else row.verify_tls,
        concurrency=row.concurrency or None,
        speech=speech_settings(row) if hasattr(row, "speech_url") else None,
    )


def server_key(name: str) -> str:
    """Return what tells a backend's servers apart for the panels: ``demo`` in demo mode, else the address.

    It is kept on disk with each job, so it has nothing of the address that may be a key: no query, no password.
    """
    from ...clients.http.url import parse_server_url

    chosen = preferences()
    if chosen.demo_mode:
        return "demo"
    typed = server_url(name, getattr(chosen.backends, name))
    try:
        return str(parse_server_url(typed))
    except ValidationError:
        return hashlib.sha256(typed.encode()).hexdigest()


def speech_settings(row: Any) -> SpeechSettings:
    """Return who reads lines for RVC."""
    from ...runtime import SpeechSettings

    return SpeechSettings(
        server_url=environment_value("speech", "URL") or row.speech_url.strip(),
        api_key=environment_value("speech", "KEY") or row.speech_key,
        model=row.speech_model.strip(),
        piper_voice=bpy.path.abspath(row.piper_voice) if row.piper_voice else "",
    )


def runtime_settings() -> RuntimeSettings:
    """Return all that the runtime needs to know, as it stands now."""
    from ...runtime import RuntimeSettings

    chosen = preferences()
    return RuntimeSettings(
        backends={name: backend_settings(name, getattr(chosen.backends, name)) for name in BACKENDS},
        output_dir=output_folder_or_none() or own_folder("results"),
        state_dir=own_folder("state"),
        demo_mode=chosen.demo_mode,
        online_access=bpy.app.online_access,
    )


def own_folder(name: str) -> Path:
    """Return a folder for the extension's own files, in the user's Blender folder."""
    try:
        return Path(bpy.utils.extension_path_user(PACKAGE, path=name))
    except ValueError:  # run from a checkout as a plain add-on
        return Path(bpy.utils.user_resource("DATAFILES", path=f"movie_director/{name}"))


def output_folder_or_none() -> Path | None:
    """Return the absolute folder for results, None if the film is unsaved and no folder for that case is chosen."""
    chosen = preferences()
    if not chosen.output_folder.startswith("//"):
        return Path(chosen.output_folder or own_folder("results"))
    if bpy.data.filepath:
        return Path(bpy.path.abspath(chosen.output_folder))
    return Path(chosen.unsaved_folder) if chosen.unsaved_folder else None


def output_folder() -> Path:
    """Return the absolute folder for results; ``ValidationError`` with code ``file_not_saved`` if there is none."""
    folder = output_folder_or_none()
    if folder is None:
        raise ValidationError(
            "This film has no file yet, so there is no folder for its results.",
            code="file_not_saved",
            hint="Save the .blend file, or choose a folder for unsaved films in the preferences of Movie Director.",
        )
    return folder
