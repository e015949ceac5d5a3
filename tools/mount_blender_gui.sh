#!/usr/bin/env bash
# mount_blender_gui.sh CHROOT_DIR: mount what Blender needs in the chroot. Only /proc, a /dev/shm of its own and the X
# sockets: nothing of the host can be hurt through it. May be run again.
set -euo pipefail
ROOT=${1:?chroot folder}
mkdir -p "$ROOT/proc" "$ROOT/dev/shm" "$ROOT/tmp/.X11-unix" /tmp/.X11-unix
mountpoint -q "$ROOT/proc" || mount -t proc proc "$ROOT/proc"
mountpoint -q "$ROOT/dev/shm" || mount -t tmpfs tmpfs "$ROOT/dev/shm"
mountpoint -q "$ROOT/tmp/.X11-unix" || mount --bind /tmp/.X11-unix "$ROOT/tmp/.X11-unix"
ln -sfn /proc/self/mounts "$ROOT/etc/mtab"
