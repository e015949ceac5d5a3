"""Run all benchmarks, or those that are named: ``python benchmarks [transport] [chat]``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run each in a process of its own; return how many failed."""
    wanted = sys.argv[1:] or sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    failures = 0
    for name in wanted:
        print(f"== {name}", flush=True)
        failures += subprocess.run([sys.executable, str(HERE / f"bench_{name}.py")], check=False).returncode != 0
    return failures


if __name__ == "__main__":
    raise SystemExit(main())
