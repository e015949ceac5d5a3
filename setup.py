"""Package list and version for ``pip install``; everything else is in pyproject.toml.

The folder of this file is the package ``movie_director`` itself (Blender wants it so), whatever the folder is called.
"""

import tomllib
from pathlib import Path

from setuptools import find_packages, setup

MANIFEST = tomllib.loads((Path(__file__).parent / "blender_manifest.toml").read_text(encoding="utf-8"))
BPY_FREE = ["clients", "clients.*", "runtime", "runtime.*"]

setup(
    version=MANIFEST["version"],
    package_dir={"movie_director": "."},
    packages=["movie_director", *(f"movie_director.{name}" for name in sorted(find_packages(include=BPY_FREE)))],
)
