"""The sockets that this process holds, as the system sees them (Linux)."""

from __future__ import annotations

import re
from pathlib import Path

_OPEN = re.compile(r"socket:\[(\d+)\]")


def open_sockets_to(port: int) -> list[str]:
    """Return the states of this process's descriptors whose far end is that port of this machine, whatever they do."""
    own = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            match = _OPEN.fullmatch(str(descriptor.readlink()))
        except OSError:  # closed meanwhile
            continue
        if match:
            own.add(match[1])
    states = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/self/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[9] in own and int(fields[2].rpartition(":")[2], 16) == port:
                states.append(fields[3])
    return states
