#!/usr/bin/env bash
# remove_blender_gui.sh CHROOT_DIR: unmount and remove a chroot that get_blender_gui.sh made.
set -euo pipefail
ROOT=$(realpath "${1:?chroot folder}")
[ -e "$ROOT/usr" ] && [ "$ROOT" != / ] || { echo "$ROOT is no chroot" >&2; exit 1; }
for part in tmp/.X11-unix dev/shm proc; do
  if mountpoint -q "$ROOT/$part"; then umount "$ROOT/$part"; fi
done
if grep -q " $ROOT/" /proc/self/mounts; then echo "something is still mounted under $ROOT" >&2; exit 1; fi
rm -rf --one-file-system "$ROOT"
