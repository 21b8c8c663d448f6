#!/bin/bash
# What scripts/bochs-run takes, on Debian 12 x86-64: the emulator, tools that make a disc to start from, and Debian's kernel for
# virtual machines, unpacked beside and not installed. May be run again: a second run changes nothing. Needs root where
# something is missing.
set -euo pipefail
kernel=/usr/local/lib/bochs-linux/vmlinuz
say() { echo "setup-bochs: $*"; }
installed() { [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null)" = "ii " ]; }

missing=()
for p in bochs bochs-term bochsbios vgabios ncurses-base isolinux syslinux-common xorriso cpio gcc libc6-dev; do
  installed "$p" || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ] || [ ! -e $kernel ]; then
  [ "$(id -u)" = 0 ] || { say "not root, and missing: ${missing[*]} $kernel" >&2; exit 1; }
  apt-get -qq update
fi
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
if [ ! -e $kernel ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p')
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package" && dpkg -x ./*.deb .)
  mkdir -p "$(dirname $kernel)"
  cp "$work"/boot/vmlinuz-* $kernel.new
  mv $kernel.new $kernel
  say "kernel: $package"
fi
say "ready"
