#!/usr/bin/env bash
# get_blender_gui.sh SUITE CHROOT_DIR
#   SUITE: sid (Blender 5.2) or trixie (Blender 4.3)
# Puts a real Blender with a window system of its own into a Debian chroot, with software GL. The mirror is the one that
# this machine's apt is set up with. Needs root on Debian or a kin. May be run again: it makes only what is missing.
# Takes 1.5 to 3 minutes and 1.3 GB. Remove it with tools/remove_blender_gui.sh, never with a bare rm.
set -euo pipefail
SUITE=${1:?suite}
ROOT=${2:?chroot folder}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
STARTED=$(date +%s)
step() { echo "[setup blender-gui $SUITE] [$(($(date +%s) - STARTED)) s] $*"; }
fail() { echo "[setup blender-gui $SUITE] $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "needs root (debootstrap, chroot)"
command -v apt-get >/dev/null || fail "needs apt"

mirror() { # deb822 .sources first, then one-line .list files
  local found
  found=$(awk '$1=="URIs:" && $2 ~ /\/debian\/?$/ {print $2; exit}' /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
  [ -n "$found" ] || found=$(sed -nE 's#^deb (\[[^]]*\] )?([^ ]+/debian/?) .*#\2#p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | head -1)
  [ -n "$found" ] || fail "no Debian mirror in apt's configuration"
  echo "$found"
}

mkdir -p "$(dirname "$ROOT")"
exec 9>"$ROOT.lock"
flock -n 9 || { step "another run is making it: waiting"; flock 9; }

# host side: an X server, clicks and keys, pictures
MISSING=()
for pair in debootstrap:debootstrap Xvfb:xvfb xdotool:xdotool import:imagemagick; do
  command -v "${pair%%:*}" >/dev/null || MISSING+=("${pair##*:}")
done
if [ ${#MISSING[@]} -gt 0 ]; then
  step "apt-get install ${MISSING[*]}"
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${MISSING[@]}" >"$ROOT.host.log" 2>&1 || fail "see $ROOT.host.log"
fi

if [ ! -e "$ROOT/.debootstrapped" ]; then
  step "debootstrap"
  [ ! -e "$ROOT" ] || "$HERE/remove_blender_gui.sh" "$ROOT"
  SCRIPT=/usr/share/debootstrap/scripts/$SUITE
  [ -e "$SCRIPT" ] || SCRIPT=/usr/share/debootstrap/scripts/sid
  debootstrap --variant=minbase --include=ca-certificates --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    "$SUITE" "$ROOT" "$(mirror)" "$SCRIPT" >"$ROOT.debootstrap.log" 2>&1 || { tail -20 "$ROOT.debootstrap.log"; exit 1; }
  touch "$ROOT/.debootstrapped"
fi
# no services, no documents
printf '#!/bin/sh\nexit 101\n' >"$ROOT/usr/sbin/policy-rc.d"
chmod +x "$ROOT/usr/sbin/policy-rc.d"
printf '%s\n' 'path-exclude=/usr/share/doc/*' 'path-exclude=/usr/share/man/*' force-unsafe-io >"$ROOT/etc/dpkg/dpkg.cfg.d/01slim"
# the mirror may be a frozen copy whose Release file has run past its date
echo 'Acquire::Check-Valid-Until "false";' >"$ROOT/etc/apt/apt.conf.d/01snapshot"
cp -f /etc/resolv.conf "$ROOT/etc/resolv.conf" 2>/dev/null || true
"$HERE/mount_blender_gui.sh" "$ROOT"

# The python3-* are what the official application has inside; Debian's package only recommends them, and without
# cattrs the 5.2 extension system does not register.
if [ ! -e "$ROOT/.blender-installed" ]; then
  step "apt-get install blender"
  chroot "$ROOT" apt-get update -qq
  chroot "$ROOT" apt-get install -y -qq --no-install-recommends \
    blender libgl1-mesa-dri libegl1 libegl-mesa0 libglx-mesa0 libgl1 libxkbcommon0 libxi6 libxfixes3 libxrender1 libxxf86vm1 \
    python3-numpy python3-requests python3-zstandard python3-cattr >"$ROOT.apt.log" 2>&1 || { tail -20 "$ROOT.apt.log"; exit 1; }
  chroot "$ROOT" apt-get clean
  chroot "$ROOT" blender -b --version >/dev/null 2>&1 || fail "blender does not run in $ROOT"
  touch "$ROOT/.blender-installed"
fi
step "ready: $(chroot "$ROOT" blender -b --version 2>/dev/null | head -1)"
