#!/usr/bin/env bash
# Asks every route of the API for what its document allows and for what it does not, and fails when an answer is a server's error, or one that the document
# does not tell: by schemathesis, against a node of a network of three (`pc2 demo`), over real HTTP.
#
# Not here: what the answers mean; those tests stand beside the routes.
#
# usage: api.sh PC2 DIRECTORY (the program, and where schemathesis is installed the first time)
set -euo pipefail

pc2="${1:?the pc2 to be asked}"
tools="${2:?the directory to install into}"
version=4.32.5

if ! [ -x "$tools/schemathesis/bin/schemathesis" ]; then
  python3 -m venv "$tools/schemathesis"
  "$tools/schemathesis/bin/pip" install --quiet "schemathesis==$version"
fi

root="$(mktemp -d)"
demo=
finish() {
  if [ -n "$demo" ]; then
    kill "$demo" 2>/dev/null || true
    wait "$demo" 2>/dev/null || true
  fi
  rm -rf "$root"
}
trap finish EXIT

port=$((42000 + RANDOM % 2000))
"$pc2" demo --keep "$root/nodes" --port "$port" >"$root/log" 2>&1 &
demo=$!
for _ in $(seq 60); do
  # The first look may come before the directory.
  api="$(find "$root" -path '*lice*/api.json' | head -1)"
  [ -n "$api" ] && grep -q "Ctrl" "$root/log" && break
  kill -0 "$demo" 2>/dev/null || { cat "$root/log" >&2; exit 1; }
  sleep 0.5
done
[ -n "$api" ] || { echo "api.sh: the demo did not start:" >&2; cat "$root/log" >&2; exit 1; }

field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$api" "$1"; }
base="http://$(field address)"
token="$(field token)"

# It leaves a folder where it runs.
tools="$(realpath "$tools")"
cd "$root"
"$tools/schemathesis/bin/schemathesis" run "$base/api/openapi.json" --url "$base" -H "Authorization: Bearer $token" \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
  --max-examples "${EXAMPLES:-15}" --continue-on-failure --no-color
curl --silent --fail "$base/health" >/dev/null
