#!/bin/sh
# Demonstrates ingest, query and rebuild, in a temporary folder that is removed at the end.
# `make demo` runs it; it needs `projector` and `python` on the PATH, and nothing else.
set -eu

docs=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/projector-demo.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The commands below use the default database, projector.db in the current folder, not the one that
# the user has configured.
unset PROJECTOR_DATABASE_URL
cp "$docs/sample/deliveries.ndjson" "$folder"
cd "$folder"

heading() {
    printf '\n\n== %s\n' "$1"
}

run() {
    printf '\n$ %s\n' "$1"
    eval "$1"
}

fail() {
    printf '\nFAILED: %s\n' "$1" >&2
    exit 1
}

sql() {
    printf '\nsql> %s\n' "$1"
    python -c 'import sqlite3, sys
with sqlite3.connect("projector.db") as database:
    database.execute(sys.argv[1])' "$1"
}

# The tables that a rebuild replaces.
tables="customer segment_membership segment_membership_history loyalty_tier loyalty_tier_history"

# Prints every row of these tables.
rows() {
    python - $tables <<'END'
import sqlite3, sys

database = sqlite3.connect("projector.db")
for table in sys.argv[1:]:
    for row in sorted(map(repr, database.execute(f"SELECT * FROM {table}"))):
        print(table, row)
END
}

command -v projector >/dev/null || fail "projector is not on the PATH: run make demo"

heading "Ingest deliveries: some are late, some are duplicates, one is truncated"
run 'projector ingest deliveries.ndjson --project proj_Kestrel4mZr8QwTx2LbVn6Yd'

heading "Query the state of a customer: segments and tiers, each with its date"
run 'projector customer --source-id shop-1001'

heading "The same as JSON, for a customer with a dead letter (complete) and lost deliveries (gaps)"
run 'projector customer --source-id shop-0952 --json >before.json'
run 'python -m json.tool before.json'

heading "Ingest the same file again: ingest is idempotent"
run 'projector ingest deliveries.ndjson --project proj_Kestrel4mZr8QwTx2LbVn6Yd'

heading "Status: all events are folded, and unreadable deliveries are in quarantine"
run 'projector status'

heading "Simulate an accident: delete all rows. The log still has every event"
rows >rows-before.txt
for table in $tables; do
    sql "DELETE FROM $table"
done
rows >rows-emptied.txt
[ ! -s rows-emptied.txt ] || fail "the tables should be empty now"
code=0
run 'projector customer --source-id shop-1001 2>&1' || code=$?
[ "$code" -eq 3 ] || fail "the customer should be unknown now"

heading "Rebuild the tables from the log"
run 'projector rebuild'
rows >rows-after.txt
run 'projector customer --source-id shop-0952 --json >after.json'

heading "Compare with the state before the accident"
run 'cmp before.json after.json' || fail "the rebuild gives another answer"
cmp rows-before.txt rows-after.txt || fail "the rebuild gives other rows"
printf '\nYes: the same answer, and the same %d rows in the tables.\n' "$(wc -l <rows-after.txt)"
