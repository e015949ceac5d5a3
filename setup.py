"""Package list and version for ``pip install``; everything else is in pyproject.toml.

The folder of this file is the package ``movie_director`` itself (Blender wants it so), whatever the folder is called.
"""

import tomllib
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

MANIFEST = tomllib.loads((Path(__file__).parent / "blender_manifest.toml").read_text(encoding="utf-8"))
PACKAGE = "movie_director"
BPY_FREE = ["clients", "clients.*", "runtime", "runtime.*"]


class BuildPy(build_py):
    """Leaves out what lies beside the root package's ``__init__.py``: this file, and what needs Blender."""

    def find_package_modules(self, package, package_dir):
        """Return (package, module, file) of the modules to build."""
        found = super().find_package_modules(package, package_dir)
        return [entry for entry in found if entry[0] != PACKAGE or entry[1] == "__init__"]


setup(
    version=MANIFEST["version"],
    package_dir={PACKAGE: "."},
    packages=[PACKAGE, *(f"{PACKAGE}.{name}" for name in sorted(find_packages(include=BPY_FREE)))],
    cmdclass={"build_py": BuildPy},
)
