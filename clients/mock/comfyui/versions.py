"""The three ComfyUI releases that the mock can be, and their differences on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

MIB = 1024 * 1024
MINTED = "minted"
TEXT = "text"
UUID = "uuid"


@dataclass(frozen=True)
class Version:
    """One release. ``own_id``: how it treats a client's prompt_id (ignores it, takes any text, checks for a UUID).

    ``secrets_in`` names where API keys of ``extra_data`` are shown. The other members are features of the release.
    """

    name: str
    own_id: str
    features: Mapping[str, Any] | None
    secrets_in: tuple[str, ...]
    progress_state: bool = True
    partial_targets: bool = True
    interrupt_by_id: bool = True
    jobs: bool = True
    create_time: bool = True
    throttled: bool = True
    named_missing_nodes: bool = True
    cycle_errors: bool = True
    hardened: bool = True
    bare_names: bool = True


NEWEST = Version(
    name="0.33.0",
    own_id=UUID,
    features={
        "supports_preview_metadata": True,
        "supports_model_type_tags": True,
        "max_upload_size": 104857600,
        "extension": {"manager": {"supports_v4": True}},
        "node_replacements": True,
        "assets": False,
    },
    secrets_in=(),
)

AUTUMN_2025 = Version(
    name="0.3.64",
    own_id=TEXT,
    features={"supports_preview_metadata": True, "max_upload_size": 104857600},
    secrets_in=("queue",),
    jobs=False,
    create_time=False,
    throttled=False,
    named_missing_nodes=False,
    cycle_errors=False,
    hardened=False,
    bare_names=False,
)

SUMMER_2025 = Version(
    name="0.3.40",
    own_id=MINTED,
    features=None,
    secrets_in=("queue", "history"),
    progress_state=False,
    partial_targets=False,
    interrupt_by_id=False,
    jobs=False,
    create_time=False,
    throttled=False,
    named_missing_nodes=False,
    cycle_errors=False,
    hardened=False,
    bare_names=False,
)

VERSIONS = {version.name: version for version in (NEWEST, AUTUMN_2025, SUMMER_2025)}


@dataclass(frozen=True)
class ServerFlags:
    """Options of the real server's command line.

    ``assets`` (0.33.0 only) gives every file an id, ``multi_user`` keeps settings and user data by user,
    ``cors_origin`` allows that origin and checks none, ``compress`` compresses responses, ``max_upload_mib`` bounds
    every request.
    """

    assets: bool = False
    multi_user: bool = False
    cors_origin: str | None = None
    compress: bool = False
    max_upload_mib: float | None = None

    def applied_to(self, version: Version) -> Version:
        """Return the release with these options in its feature flags."""
        if version.features is None:
            return version
        features = dict(version.features)
        if self.max_upload_mib is not None:
            features["max_upload_size"] = float(self.max_upload_mib * MIB)
        if "assets" in features:
            features["assets"] = self.assets
        return replace(version, features=features)


def system_stats(version: Version) -> dict[str, Any]:
    """Answer GET /system_stats. ``argv`` and the device's name say that this is a demo server."""
    system: dict[str, Any] = {
        "os": "linux" if version.jobs else "posix",
        "ram_total": 34359738368,
        "ram_free": 21474836480,
        "comfyui_version": version.name,
    }
    if version.features is not None:
        templates = "0.11.41" if version.jobs else "0.1.95"
        system["required_frontend_version"] = "1.48.7" if version.jobs else "1.27.10"
        system["installed_templates_version"] = None
        system["required_templates_version"] = templates
    if version.jobs:
        frontend = {"name": "comfyui-frontend-package", "installed": "1.49.6", "required": "1.48.7"}
        system["comfy_package_versions"] = [frontend]
    system["python_version"] = "3.11.7 (main) [demo]"
    system["pytorch_version"] = "2.13.0+demo"
    system["embedded_python"] = False
    if version.jobs:
        system["deploy_environment"] = "local-git"
    system["argv"] = ["main.py", "--listen", "127.0.0.1", "--preview-method", "auto", "--demo"]
    memory = {"vram_total": 17179869184, "vram_free": 15032385536}
    memory |= {"torch_vram_total": 1073741824, "torch_vram_free": 1006632960}
    return {"system": system, "devices": [{"name": "Demo (no GPU)", "type": "cpu", "index": None, **memory}]}
