"""Which statements may go through whole tables, or sort, and why: by the function that sends them.

What is not here finds its rows by an index that narrows, and sorts nothing.
"""

_PAGE = "a page: it begins at a place of an index, and ends at its limit"
_ALL_LETTERS = "all letters of a projection are concerned"
_ALL_SIZES = "all sizes of a projection are concerned: a line for each group and day"
_LAST_ERASURE = "the last entry of an index, unless the erasures are so few that they fit on a page"
_ERASURES = "a line for each erasure"
_COUNTED = "what is counted must be gone through"
_DIGESTS = "all digests of what was erased are concerned"
_CHECKED = "a verification of everything looks at everything"
_COMPARED = "a rebuild that is compared before it takes over compares everything"

#: They go on from a place of an index, in its order, and stop: no sort, and not without an index.
PAGES = {
    "dead_letters.page_by_stream": _PAGE,
    "dead_letters.page": _PAGE,
    "dead_letters.newest": _PAGE,
    "erasures.last": "the last entry of an index",
    "erasures.next_marker": _PAGE,
    "leaves.last": "the last entry of an index",
    "leaves.last_event": "the last entry of an index",
    "log_counts.last_stream_id": "the last entry of an index",
    "log_counts.stream_ids": _PAGE,
    "log.read": _PAGE,
    "log_pages.read_backwards": _PAGE,
    "markers.last_before": "the last entry of an index that has few events",
    "members.is_known.<genexpr>": "one entry of an index, whichever",
    "members.page": _PAGE,
    "quarantine.last_id": "the last entry of an index",
    "quarantine.page": _PAGE,
    "quarantine.newest": _PAGE,
    "search.by_beginning": _PAGE,
    "search.by_value": _PAGE,
    "suspects.last_stream_id": "the last entry of an index",
    "suspects.page": _PAGE,
    "size_series._row_of_tier": "one entry of an index, whichever",
}

#: They go through all rows, or all of a kind that may be most of them.
WHOLE = {
    "archive_keys.read": "the keys of a range of positions, from a place of an index",
    "archive_keys._destroy": "the nodes above some positions: one in five, while there are few",
    "archive_keys.has_any": "one row, whichever",
    "archive_keys.read_all": "all keys are written to a file",
    "difference._moves": _COMPARED,
    "difference.count_customers": _COMPARED,
    "difference.count_rows.<genexpr>": _COMPARED,
    "customers.deleted_before": "once a day; few customers have been deleted and not erased",
    "customers.in_order": "a rebuild or an export is of all customers",
    "counts.read": "all erasures are counted, of which there are few",
    "dead_letters.delete_all": _ALL_LETTERS,
    "dead_letters.customers_with": "an export lists all customers",
    "dead_letters.count_by_projection": "a line for each reason",
    "dead_letters.count_by_reason": "a line for each reason",
    "dead_letters.without_customer": "all dead letters without a customer are retried, or verified",
    "digest_list.count": _DIGESTS,
    "digest_list.projects_older": _DIGESTS,
    "digest_list.remove_older": _DIGESTS,
    "digest_list.scan": _DIGESTS,
    "direct_append._look": _LAST_ERASURE,
    "direct_append._read_head": "the last entries of three indexes",
    "direct_append._write_to_postgres": "the last entries of two indexes",
    "direct_project.read_events": "the new events, which are few",
    "erased_customers._projects": "all erasures, of which there are few, after nobody was found",
    "feed_senders.find": "a project's senders, each by one entry of an index",
    "feed_reads.read": "the hours of sixteen weeks, once in a process, and then those that follow",
    "feed_reads.read_sums": "the hours before sixteen weeks ago, once in a process",
    "group_sizes.delete_all": _ALL_SIZES,
    "group_sizes.delete_empty": _ALL_SIZES,
    "group_sizes.read": _ALL_SIZES,
    "group_sizes.swap": _ALL_SIZES,
    "group_sizes.totals": _ALL_SIZES,
    "reconciliations.segment_feed": "the rows of one segment, once in a comparison",
    "reconciliations.is_tier_fed": "the rows of one tier up to the first that fits",
    "search.by_word": "a word may be within any name; only if nothing else is found",
    "keys.read": "one key, or two",
    "leaves.next_position.<genexpr>": "an entry of each of two indexes",
    "leaves.read": "a range of the log, of which the caller bounds the number",
    "log_head.read_with_erasure": _LAST_ERASURE,
    "log_head.last": "the last entries of two indexes",
    "log_head.lock": "the last entries of two indexes",
    "log_head._wrong_streams": "a repair of the head checks the whole log before",
    "log_counts._orphans": _CHECKED,
    "log_counts.span": _CHECKED,
    "log_counts.count": _CHECKED,
    "log_counts.strays": _CHECKED,
    "log._in_canonical_order": "a rebuild or a verification reads all events that name nobody",
    "log.last_received_by_type": (
        "all events behind a position, which the caller keeps near the head"
    ),
    "log_ranges._fetch_sqlite": "an archive takes whole ranges of positions, in their order",
    "driver_rows.stream_range": (
        "a rebuild or the sealing reads the whole log, range by range, in its order"
    ),
    "log_restore.recorded_erasures": "all erasures, once in a restore",
    "markers.read": "the erased events of a range, by an index that has no others",
    "told.read": "the events that tell of erasures, by an index of few others",
    "members.newest_names": "the rows of a group that was renamed on the day of its last entry",
    "members.count_overdue": "overdue tiers are counted; an index leaves out the others",
    "quarantine.counts": _COUNTED,
    "quarantined.scan": "any body may name the person who is erased",
    "quarantined.with_digests": "after a restore all entries are compared with what was erased",
    "records.list_all": _ERASURES,
    "records.projects": _ERASURES,
    "subjects.all_bodies": "any event may name the person, if that is asked for",
    "subjects.without_customer": (
        "after a restore all events without a customer are compared with what was erased"
    ),
    "subtrees.read": "a block of 256 roots",
    "records.last_erasure": _LAST_ERASURE,
    "suppression.read": "the whole list is kept in memory, up to a limit",
    "size_series.in_all_projects": _ALL_SIZES,
    "size_series.of_groups": "all days of a group, or of the tiers of a campaign",
    "size_series.since": _ALL_SIZES,
    "shadow.count_rows": "a rebuild counts what has come to be there",
    "tier_events.last": "the last events, of which the caller bounds the number",
    "table_rows.has_rows": "one row, whichever",
    "purge.unpurged": "erasures are few",
    "purge_sqlite._drop_step": "the filler, of which each row has 2,000 pages",
    "table_rows.scan": "an export, or the digest of a repair, is of all rows; by the primary key",
    "raw_rows.read_without_stream": _CHECKED,
    "snapshots.forget": "all snapshots of a projection are concerned",
    "snapshots.move": "all snapshots of a projection are concerned",
    "swap.copy_rows": "all rows are put in the place of all others",
    "swap.move_dead_letters": _ALL_LETTERS,
}

#: They sort what they have found.
SORTED = {
    "direct_project.read_events": "the new events, which are few",
    "difference._moves": _COMPARED,
    "difference.count_customers": "each customer counts once; " + _COMPARED,
    "difference.count_rows.<genexpr>": _COMPARED,
    "customers.in_order": (
        "a whole table, of short rows and once a rebuild or export: an index in this order would"
        " cost every new customer, whom the one that there is finds without the project"
    ),
    "erased_customers._projects": "each project once",
    "feed_reads.read": "the hours of sixteen weeks, of which the latest come first",
    "feed_reads.read_sums": "a line for each feed, channel and outcome",
    "dead_letters.find_at": "the letters of the positions that are asked for",
    "dead_letters.customers_with": "the customers with letters, who should be few",
    "dead_letters.count_by_reason": "a line for each reason, the most frequent ones first",
    "log_counts.strays": "events without a stream, of which there should be none",
    "log._in_canonical_order": "each stream by itself, within those that are asked for",
    "log.last_received_by_type": "a line for each type",
    "log.read_customer_page": (
        "the events of one customer, on Postgres alone: it cannot see that the customer has one"
        " stream, whose index is in this order"
    ),
    "stream_log.first_late_key": "the late events of one customer that are not projected yet",
    "stream_log.read_behind": "the events of one customer between two snapshots",
    "log.read_customer": "the events of one customer",
    "group_sizes.totals": (
        "a line for each group and day, on Postgres where it takes them unordered"
    ),
    "members.newest_names": "a line for each name of a group",
    "quarantine.conflicts": "the deliveries in the name of some events of a customer",
    "quarantine.find": "the entries that are asked for",
    "records.projects": _ERASURES,
    "tier_events.last": "some of the last events, of which the caller bounds the number",
    "table_rows._load": (
        "the periods of a batch's customers, on Postgres where it takes them unordered"
    ),
}

#: Calls that are not reached, by their function.
UNSENT = {
    "backup._copy": "a copy, which is written as a whole",
    "sqlite.SqliteFile.abandon": "a file without tables",
    "sqlite._use_wal": "a new file",
    "sqlite._use_wal_in_own_file": "a new file",
    "staging._insert_into_file": "a file of its own, without indexes; nothing is looked up in it",
    "staging._to_file": "a file of its own, without indexes; nothing is looked up in it",
    "postgres.create_postgres_engine": "settings behind a pooler; no table is read",
    "postgres.identity": "a row of the server's list of databases, for a direct URL",
    "swap._copy_privileges": "a table of another owner, who needs another role of the server",
}
