"""The wheel of a package that was built from its source, in one form: the same bytes whichever setuptools built it.

The modules come from the source as they are. What the build writes beside them (times, the names of its tools, fields
of the metadata that come and go with their versions) is left out or written anew.
"""

from __future__ import annotations

import base64
import email.parser
import hashlib
import zipfile
from pathlib import Path

EARLIEST = (1980, 1, 1, 0, 0, 0)  # of a zip
MODE = 0o100644
KEPT_FIELDS = ("Metadata-Version", "Name", "Version", "Summary", "Home-page", "Author", "License", "Requires-Python")
WHEEL = "Wheel-Version: 1.0\nGenerator: movie-director\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def repack(built: Path, target: Path) -> Path:
    """Write the pure wheel ``built`` again as ``target`` and return that."""
    with zipfile.ZipFile(built) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (info,) = {name.partition("/")[0] for name in files if name.partition("/")[0].endswith(".dist-info")}
    fields = email.parser.Parser().parsestr(files[f"{info}/METADATA"].decode())
    licences = [data for name, data in files.items() if name.startswith(info) and name.endswith("/LICENSE")]
    kept = {name: data for name, data in files.items() if not name.startswith(f"{info}/")}
    kept[f"{info}/METADATA"] = "".join(f"{each}: {fields[each]}\n" for each in KEPT_FIELDS if fields[each]).encode()
    kept[f"{info}/WHEEL"] = WHEEL.encode()
    for data in licences:
        kept[f"{info}/LICENSE"] = data
    kept[f"{info}/RECORD"] = _record(kept, info)
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(kept):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.external_attr = MODE << 16
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_STORED  # zlib's bytes differ between its versions
            archive.writestr(entry, kept[name])
    return target


def _record(files: dict[str, bytes], info: str) -> bytes:
    lines = []
    for name, data in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join((*lines, f"{info}/RECORD,,\n")).encode()
