#!/bin/sh
# Ingest, ask, lose the tables, rebuild and compare, in a temporary folder that is removed at the end.
# `make demo` runs it; it needs `projector` and `python` on the PATH, and nothing else.
set -eu

docs=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/projector-demo.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The commands below are to use projector.db in the current folder, and not a database of the user's.
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

# The tables that a rebuild writes.
tables="customer segment_membership segment_membership_history loyalty_tier loyalty_tier_history"

# Print every row of them.
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

heading "Deliveries come in: some of them late, some twice, one cut off"
run 'projector ingest deliveries.ndjson --project proj_Kestrel4mZr8QwTx2LbVn6Yd'

heading "Which segments is Mara in, which tier, since when?"
run 'projector customer --source-id shop-1001'

heading "The same as JSON: deliveries about Priya were lost, and the answer says so"
run 'projector customer --source-id shop-0952 --json >before.json'
run 'python -m json.tool before.json'

heading "The same file again: ingestion is idempotent"
run 'projector ingest deliveries.ndjson --project proj_Kestrel4mZr8QwTx2LbVn6Yd'

heading "The status: everything is folded, and unreadable deliveries are kept"
run 'projector status'

heading "An accident: the tables are emptied. The log is still there"
rows >rows-before.txt
for table in $tables; do
    sql "DELETE FROM $table"
done
rows >rows-emptied.txt
[ ! -s rows-emptied.txt ] || fail "the tables should be empty now"
code=0
run 'projector customer --source-id shop-1001 2>&1' || code=$?
[ "$code" -eq 3 ] || fail "no customer should be known now"

heading "The rebuild folds the log anew"
run 'projector rebuild'
rows >rows-after.txt
run 'projector customer --source-id shop-0952 --json >after.json'

heading "Is it the same as before?"
run 'cmp before.json after.json' || fail "the rebuild gives another answer"
cmp rows-before.txt rows-after.txt || fail "the rebuild gives other rows"
printf '\nYes: the same answer, and the same %d rows in the tables.\n' "$(wc -l <rows-after.txt)"
