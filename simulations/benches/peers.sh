#!/usr/bin/env bash
# Installs the programs that the benchmarks of files, of the web server and of modules are measured beside: from Debian as root, the others below target/peers, built or
# fetched by their own ecosystem's tools. The first run takes many minutes, as sendme is compiled; the next ones do nothing.
#
# What cannot be installed is named and left out; the table then says so in its place. Nothing of it becomes part of PC2, and no
# service is started: the benchmark starts each with throw-away keys on a port of its own.
#
# usage: peers.sh DIRECTORY (target/peers) [web: only those beside the web server | wasm: only those beside modules]
set -uo pipefail

peers="${1:?the directory to install into}"
only="${2:-}"
mkdir -p "$peers"

# The newest that the toolchain of this repository compiles.
sendme=0.37.1
# With the server through which two find each other; they connect directly then.
wormhole=(magic-wormhole magic-wormhole-mailbox-server)

absent() { echo "peers: $1 could not be installed here; the table leaves it out" >&2; }

packages=()
while read -r tool package part; do
  [ -z "$only" ] || [ "$only" = "$part" ] || continue
  command -v "$tool" >/dev/null || [ -x "/usr/sbin/$tool" ] || packages+=("$package")
done <<'TOOLS'
rsync rsync
sshd openssh-server
ssh openssh-client
syncthing syncthing
nginx nginx-light web
caddy caddy web
curl curl
openssl openssl
clang clang wasm
wasm-ld lld wasm
TOOLS
if [ ${#packages[@]} != 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "peers: installing ${packages[*]}"
    apt-get update -q >/dev/null
    # One by one: that one is missing must not keep the others out. RUNLEVEL=1 keeps Debian from starting services.
    for package in "${packages[@]}"; do
      RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$package" >/dev/null 2>&1 || absent "$package"
    done
  else
    echo "peers: not installed, as only root may: apt-get install ${packages[*]}" >&2
  fi
fi

venv="$peers/venv"
# The newest that pip has.
if [ "$only" != web ] && ! "$venv/bin/python" -c 'import wasmtime' 2>/dev/null; then
  echo "peers: fetching wasmtime"
  { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet wasmtime; } || absent wasmtime
fi

[ -z "$only" ] || exit 0

if ! [ -x "$peers/bin/sendme" ]; then
  echo "peers: compiling sendme $sendme"
  # Built apart and thrown away afterwards: two gigabytes of what nobody needs again.
  CARGO_INCREMENTAL=0 CARGO_TARGET_DIR="$peers/build" cargo install --quiet --locked sendme --version "$sendme" --root "$peers" || absent sendme
  rm -rf "$peers/build"
fi

if ! [ -x "$venv/bin/wormhole" ]; then
  echo "peers: fetching ${wormhole[*]}"
  if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet "${wormhole[@]}"; }; then
    absent magic-wormhole
  fi
fi
exit 0
