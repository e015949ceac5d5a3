#!/usr/bin/env bash
# demo.sh: set up Blender 4.5 as a module, build the extension, and let tools/demo.py show it. Results: demo/out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON=${PYTHON:-python3}
BLENDER_PYTHON=$("$PYTHON" tools/envs.py python bpy-4.5)
"$PYTHON" tools/build_extension.py
ZIP=$("$PYTHON" tools/build_extension.py --where)
mkdir -p demo/out
exec "$BLENDER_PYTHON" -B tools/demo.py --zip "$ZIP" --out demo/out "$@"
