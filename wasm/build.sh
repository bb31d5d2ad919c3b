#!/usr/bin/env bash
# Builds the example modules: wasm/build.sh OUT [NAME...]
#
# Each NAME (all, when none is named) becomes OUT/NAME/NAME.wasm with its app.toml beside it, as `pc2 wasm install` takes it.
# Text (.wat) is assembled by wat2wasm; C is compiled by clang for WASI with Debian's wasi-libc, or with the sysroot that WASI_SYSROOT names.
# Exit code 3: a tool is not there, and the last line says which to install.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
out="${1:?usage: wasm/build.sh OUT [NAME...]}"
shift
[ $# -gt 0 ] || set -- calculator endless file-processor

missing() {
  echo "To build $1, install $2 (Debian, Ubuntu: sudo apt-get install $3)." >&2
  exit 3
}

for name in "$@"; do
  from="$here/$name" to="$out/$name"
  mkdir -p "$to"
  if [ -f "$from/$name.wat" ]; then
    command -v wat2wasm >/dev/null || missing "$name" "WABT" "wabt"
    wat2wasm "$from/$name.wat" -o "$to/$name.wasm"
  elif [ -f "$from/$name.c" ]; then
    packages="clang lld wasi-libc libclang-rt-14-dev-wasm32"
    command -v clang >/dev/null || missing "$name" "clang" "$packages"
    command -v wasm-ld >/dev/null || missing "$name" "lld" "$packages"
    sysroot=()
    if [ -n "${WASI_SYSROOT:-}" ]; then
      sysroot=("--sysroot=$WASI_SYSROOT")
    else
      [ -d /usr/include/wasm32-wasi ] || missing "$name" "wasi-libc, or set WASI_SYSROOT," "$packages"
    fi
    # -s: without names of functions, which are a third of it.
    clang --target=wasm32-wasi "${sysroot[@]}" -Oz -std=c11 -Wall -Wextra -Werror -Wl,-s "$from/$name.c" -o "$to/$name.wasm"
  else
    echo "There is no $name in $here." >&2
    exit 1
  fi
  cp "$from/app.toml" "$to/app.toml"
done
