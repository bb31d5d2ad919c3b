#!/usr/bin/env bash
# `make order` writes node/order.txt: the functions that a node runs, for the linker to put side by side (node/build.rs).
#
# Builds the program with its symbols, runs the demonstration under valgrind's callgrind (three nodes, contacts, messages both ways, a file), and
# keeps the name of every function that ran. Needs valgrind; changes nothing but the list. In: the target directory.
set -euo pipefail

target=$1
list=$(dirname "$0")/../node/order.txt
trace=$(mktemp -d)
# Whatever goes wrong, the list stays as it was.
cp "$list" "$trace/before"
trap 'cp "$trace/before" "$list"; rm -rf "$trace"' EXIT

command -v valgrind >/dev/null || { echo "valgrind is needed: apt-get install valgrind"; exit 1; }
# The build says for what a list would be written; without one it always does.
: >"$list"
"${CARGO:-cargo}" rustc --release -p pc2 --bin pc2 -- -C strip=none 2>&1 | tee "$trace/built"
stamp=$(sed -n 's/.*saves 5 MiB of memory (\(.*\))$/\1/p' "$trace/built")
[ -n "$stamp" ] || { echo "this machine links in another way, and has no use for a list"; exit 1; }
cp "$target/release/pc2" "$trace/pc2"

valgrind --tool=callgrind --trace-children=yes --demangle=no --callgrind-out-file="$trace/out.%p" \
  "$trace/pc2" demo --keep "$trace/demo" >"$trace/said" 2>"$trace/log" &
demo=$!
until grep -q "Ctrl-C" "$trace/said"; do
  kill -0 $demo || { cat "$trace/log"; exit 1; }
  sleep 1
done
echo "the demonstration runs"
pc2() { "$trace/pc2" --data "$trace/demo/$1" "${@:2}"; }
person() { pc2 "$1" id --json | sed -n 's/.*"did": *"\([^"]*\)".*/\1/p'; }
alice=$(person alice) bob=$(person bob)
head -c 3000000 /dev/urandom >"$trace/file"
for _ in 1 2 3; do
  pc2 alice send "$bob" "there" >/dev/null
  pc2 bob send "$alice" "and back" >/dev/null
  sleep 5
done
pc2 alice file send "$bob" "$trace/file" --detach >/dev/null || true
pc2 alice peers >/dev/null
pc2 alice chat "$bob" >/dev/null
sleep 60
kill -INT $demo
wait $demo || true

# Of the nodes themselves, not of the commands that drive them.
{
  echo "$stamp"
  grep -lZ '^cmd:.* up' "$trace"/out.* | xargs -0 sed -n 's/^c\?fn=([0-9]*) //p' | sed "s/'[0-9]*$//" | LC_ALL=C sort -u |
    LC_ALL=C comm -12 - <(nm --defined-only "$trace/pc2" | awk '$2 ~ /[tTwW]/ { print $3 }' | LC_ALL=C sort -u)
} >"$list.new"
mv "$list.new" "$list"
cp "$list" "$trace/before"
echo "$(wc -l <"$list") lines in $list"
