#!/bin/bash
# Everything needed to build for other targets on Debian 12 x86-64, to run the results under QEMU and to count
# their instructions. May be run again: a second run changes nothing and takes a second. Needs root where packages are missing.
#
#   scripts/setup-cross.sh [TARGET ...]      default: aarch64-unknown-linux-gnu thumbv7em-none-eabihf
#
# A target's standard library comes from `rustup target add` where that works. Where it does not (no rustup, or no way
# to its server), Debian's own rustc is installed beside rustup's and the library is built from Debian's sources.
# LACEWING_CROSS=rustup or =debian forces one way. scripts/cross runs cargo with whichever is there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
targets=("$@")
[ $# -gt 0 ] || targets=(aarch64-unknown-linux-gnu thumbv7em-none-eabihf)
way=${LACEWING_CROSS:-}
case $way in ''|rustup|debian) ;; *) echo "setup-cross: LACEWING_CROSS is $way: use rustup or debian" >&2; exit 2;; esac
plugin=${ROICOUNT:-/usr/local/lib/qemu-roicount.so}

say() { echo "setup-cross: $*"; }
installed() { [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null)" = "ii " ]; }
need_packages() {
  local p missing=()
  for p in "$@"; do installed "$p" || missing+=("$p"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then say "not root, and these packages are missing: ${missing[*]}" >&2; return 1; fi
  say "installing ${missing[*]}"
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# QEMU 7.2 of Debian 12 itself: the qemu-user of backports is linked statically and takes no plugins.
# qemu-system-arm 7.2 cannot stand beside qemu-utils of backports: where an image has that one, apt removes it.
packages=(gcc libc6-dev)
for target in "${targets[@]}"; do
  case $target in
    aarch64-*-linux-gnu) packages+=(qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross);;
    armv7-*-linux-gnueabihf) packages+=(qemu-user gcc-arm-linux-gnueabihf libc6-dev-armhf-cross);;
    riscv64gc-*-linux-gnu) packages+=(qemu-user gcc-riscv64-linux-gnu libc6-dev-riscv64-cross);;
    thumb*-none-*) packages+=(qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi);;
    riscv32*-none-*) packages+=(qemu-system-misc);;
    *) say "unknown target $target" >&2; exit 2;;
  esac
done
need_packages "${packages[@]}"

# --- Standard libraries, first way: rustup ---------------------------------------------------------------------
has_library() { [ -n "$(find "$("$@" --print target-libdir 2>/dev/null)" -name 'libcore-*' -print -quit 2>/dev/null)" ]; }
from_rustup() { # TARGET
  command -v rustup >/dev/null || return 1
  has_library rustc --target "$1" || timeout 120 rustup target add "$1" >/dev/null 2>&1 || return 1
  has_library rustc --target "$1"
}

# --- Second way: Debian's rustc, and the library built from its sources --------------------------------------------
debian_compiler() {
  need_packages rustc-web cargo-web rust-web-src rust-web-clippy
  sysroot=$(/usr/bin/rustc --print sysroot)
  local llvm host
  llvm=$(/usr/bin/rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
  host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
  # Bare-metal targets call their linker rust-lld; Debian has it as the lld of the same LLVM.
  need_packages "lld-$llvm"
  mkdir -p "$sysroot/lib/rustlib/$host/bin"
  ln -sfn "/usr/bin/lld-$llvm" "$sysroot/lib/rustlib/$host/bin/rust-lld"
  if command -v rustup >/dev/null; then rustup toolchain link debian /usr; fi
}
build_library() { # TARGET
  set -euo pipefail
  local target=$1 dest=$sysroot/lib/rustlib/$1 crates lib stamp work f
  case $target in
    *-none-*) crates=core,alloc lib='#![no_std]';;
    *) crates=std,test,panic_abort lib='';;
  esac
  stamp="$(dpkg-query -W -f='${Version}' rustc-web) $crates bitcode"
  if [ "$(cat "$dest/.built-from-source" 2>/dev/null || true)" = "$stamp" ]; then return; fi
  echo "setup-cross: building $crates for $target, about a minute"
  work=$(mktemp -d)
  mkdir "$work/src" "$work/cargo-home"
  printf '[package]\nname = "mksysroot"\nversion = "0.0.0"\nedition = "2021"\n[lib]\n' > "$work/Cargo.toml"
  printf '%s\n' "$lib" > "$work/src/lib.rs"
  # The sources' own vendored dependencies: no registry is asked.
  printf '[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "%s"\n' \
    "$sysroot/lib/rustlib/src/rust/library/vendor" > "$work/cargo-home/config.toml"
  # As rustc's own build does: panic_abort alone is compiled with the abort strategy.
  printf '#!/bin/sh\ncase " $* " in *" --crate-name panic_abort "*) exec "$@" -Cpanic=abort;; esac\nexec "$@"\n' > "$work/wrap"
  chmod +x "$work/wrap"
  # A clean environment: neither rustup's proxies nor anybody's RUSTFLAGS or cargo config take part.
  # RUSTC_BOOTSTRAP is for building the standard library only; with bitcode, a program's link-time optimisation reaches into it.
  (cd "$work" && env -i PATH=/usr/bin:/bin HOME="$work" CARGO_HOME="$work/cargo-home" \
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes RUSTC=/usr/bin/rustc RUSTC_WRAPPER="$work/wrap" \
    /usr/bin/cargo build --target-dir "$work/target" --release --offline -q "-Zbuild-std=$crates" --target "$target")
  rm -rf "$dest"; mkdir -p "$dest/lib"
  for f in "$work/target/$target/release/deps/"*.rlib; do
    case $f in */libmksysroot-*) ;; *) install -m 644 "$f" "$dest/lib/";; esac
  done
  echo "$stamp" > "$dest/.built-from-source"
  rm -rf "$work"
}

by_debian=()
for target in "${targets[@]}"; do
  if [ "$way" != debian ] && from_rustup "$target"; then
    say "$target: standard library of $(rustc --version | cut -d' ' -f1,2), from rustup"
  elif [ "$way" = rustup ]; then
    say "rustup cannot add $target" >&2; exit 1
  else
    by_debian+=("$target")
  fi
done
if [ ${#by_debian[@]} -gt 0 ]; then
  debian_compiler
  export -f build_library
  export sysroot
  # One job a core: the build of core is largely serial. xargs fails if any of them does.
  printf '%s\n' "${by_debian[@]}" | xargs -P "$(nproc)" -I{} bash -c 'build_library {}'
  for target in "${by_debian[@]}"; do
    say "$target: standard library of $(/usr/bin/rustc --version | cut -d' ' -f1,2), built from Debian's sources"
  done
fi

# --- The instruction counter -------------------------------------------------------------------------------------------
qemu=$(command -v qemu-system-arm || command -v qemu-aarch64 || true)
if [ -n "$qemu" ] && [ "$plugin" -ot "$here/roicount/roicount.c" ]; then
  # Plugin API 1 is QEMU 7.2's (Debian 12). QEMU 9 and later take 2.
  api=1
  case $("$qemu" --version | sed -n 's/.*version \([0-9]*\).*/\1/p') in 9|1[0-9]) api=2;; esac
  gcc -shared -fPIC -O2 -Wall -Wextra -Werror -DAPI=$api "$here/roicount/roicount.c" -o "$plugin"
  say "instruction counter: $plugin"
fi
say "ready: ${targets[*]}"
