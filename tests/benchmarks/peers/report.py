"""Writes the page and its chart, and says what was done."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.peers.chart import chart
from tests.benchmarks.peers.figures import Section, titles
from tests.benchmarks.peers.table import number, page

_NAME = "benchmarks"

_INTRO = """\
How fast is this program beside what one would use instead of it? `make bench-peers` measures and \
writes this page. All ways get the same events on the same machine, in turn, round by round, and \
each starts with an empty database, or with a copy of the same one. Given are the median of the \
rounds, the slowest and the fastest one; "this program is" how many times as fast as a peer is the \
median of the ratios of the rounds. Figures differ from machine to machine, ratios less so.

The script stops if two ways do not arrive at the same: who is in which segment and on which tier, \
and since when. That is all that the peers compute. For this the events come in order and none of \
them twice, because otherwise the peers would be wrong. This program looks for duplicates, \
conflicts and late events all the same, and fills three more tables. What a peer does not do \
stands beside its figure: it is what one would still have to write."""

_APPEND = """\
Deliveries are made durable. *eventsourcing* is used as its documentation shows, with its default \
settings, which on Postgres lock the table: an aggregate a customer, an event a delivery with its \
body. The aggregates stay in memory, so that none has to be loaded first. Its recorder without \
aggregates does less, so it is measured, too. The bare insert is one statement with rows that are \
ready."""

_NOTES = {
    "Append, one at a time": f"{_APPEND} Where each delivery is a transaction, the disk sets the "
    'pace. "Tables too" folds each delivery into the tables before the next one; the upsert by '
    "hand writes these and keeps nothing else.",
    "Catch-up": "What is in the log goes into the tables. The runner of *eventsourcing* commits "
    "each event with how far it is, and gets fewer events, because it is slow. With SQLite it does "
    "not work, so there its projection is called with one event after the other. This program "
    "commits thousands of events at a time, and does not wait for the disk: what a power cut takes "
    "from the tables is folded again from the log. It is measured in batches, which keep the "
    'tables up to date; "at once" is what it does with the same log when the tables are very far '
    "behind: a rebuild.",
    "Rebuild": "The tables are computed anew from all events. *eventsourcing* has only its runner "
    "for this; here its events are read by pages and folded in memory, which is faster. DuckDB "
    "reads the bodies as NDJSON, on all cores, and ranks them by window functions; so do SQLite "
    "and Postgres in the database that has the log. Their figures are those of two tables, of the "
    "last event of each customer and group: no histories, no table of customers, no gaps, and not "
    "one of the rules for lost, late or contradictory events. This program's first figures are "
    'those of five tables; "two tables" is the one to hold theirs to.',
    "One customer": "One question after the other. This program reads all of the answer in one "
    "snapshot, with how far the tables reach. The view of *eventsourcing* and the tables that are "
    "written by hand are read by two plain statements.",
}
_OTHER_APPEND = "The same with more deliveries in a transaction."


def write(folder: Path, sections: Sequence[Section], settings: Mapping[str, str]) -> None:
    """Write `benchmarks.md` and `benchmarks.svg` into a folder."""
    notes = {title: _NOTES.get(title, _OTHER_APPEND) for title in titles(sections)}
    if ceiling := _ceiling(sections, int(settings.get("cores", "1"))):
        notes["Rebuild"] += f" {ceiling}"
    text = page(sections, settings, notes, intro=_INTRO, chart=f"{_NAME}.svg")
    (folder / f"{_NAME}.md").write_text(text, encoding="utf-8")
    in_order = [each for title in notes for each in sections if each.title == title]
    (folder / f"{_NAME}.svg").write_text(chart(in_order), encoding="utf-8")


def _ceiling(sections: Sequence[Section], cores: int) -> str:
    """Compute how fast a fold of five tables could be at most; empty if it was not measured.

    On SQLite, where all the work is that of this program's own processes.
    """
    wanted = [each for each in sections if (each.title, each.database) == ("Rebuild", "SQLite")]
    if not wanted or not wanted[0].figures[0].processors:
        return ""
    [section] = wanted
    ours = section.figures[0]
    most = cores / ours.processors_an_event
    sentence = (
        f"In this run an event took {1e6 * ours.processors_an_event:.1f} µs of processors for "
        f"five tables on SQLite, the start of the workers included. So {cores} cores that never "
        f"wait would fold {number(most)} events/s, and no division of the work more than that"
    )
    duckdb = next((each for each in section.figures if each.name.startswith("DuckDB")), None)
    if duckdb is None or duckdb.rate <= most:
        return f"{sentence}."
    return f"{sentence}: DuckDB's {number(duckdb.rate)} are out of reach of a fold in Python."
