#!/bin/sh
# Shows the console with a made-up shop, until Ctrl-C, in a temporary folder that is removed then.
# `make console` runs it; it needs `projector` and `python` on the PATH. ARGS go to `projector serve`.
set -eu

docs=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/projector-console.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

unset PROJECTOR_DATABASE_URL
export PROJECTOR_CONSOLE_NAME="${PROJECTOR_CONSOLE_NAME:-Kestrel Coffee}"
cd "$folder"

echo "Making up a shop of some thousand customers." >&2
projector ingest "$docs/sample/deliveries.ndjson" --project proj_Kestrel4mZr8QwTx2LbVn6Yd >/dev/null
python "$docs/sample/shop.py" | projector ingest - >/dev/null

projector serve "$@" 2>&1 | while read -r line; do
    case $line in Listening*) printf 'Open %s (Ctrl-C stops).\n' "$(printf %s "$line" | sed 's/.*console: \([^;]*\);.*/\1/')" ;; esac
done
