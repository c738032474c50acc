"""The steps at which something may happen: a table. Each names what the program does there.

A function that is renamed must be renamed here: a step that is not in the program any more, or is
never come to, is a failed test.
"""

from functools import partial
from typing import Any

from attrs import frozen

_WRITE = "projector.store.append:_write"
_PROJECT = "projector.runner.runner:_write"
_FINISH = "replay.fill:_finish"
_CREATE = "projector.store.rebuild.shadow:create"
_PUT = "projector.store.rebuild.staging:write"
_POUR = "projector.store.rebuild.staging:load"
_TRY = "replay.swap:_try_swap"
_LOCKED = "replay.workspace:_locked"
_REPLACE = "replay.swap:_replace"
_ADVANCE = "projector.store.checkpoints:advance"
_LETTERS = "projector.store.dead_letters:replace"
_SNAPSHOTS = "projector.store.snapshots:replace"
_COPIED = "psycopg:Copy.write"
_DIRECT = "projector.store.direct_append"
_STATEMENT = f"{_DIRECT}:_write_to_postgres"
_DIRECT_PROJECT = "projector.store.direct_project"
_PIPELINE = f"{_DIRECT_PROJECT}:_write_to_postgres"

#: What somebody else locks on Postgres, at steps where the program holds nothing that is in its
#: way; a step without is none for that fault.
_HEAD = "SELECT * FROM log_head FOR UPDATE"
_STREAMS = "LOCK TABLE stream IN SHARE MODE"
_MARKS = "SELECT * FROM checkpoint FOR UPDATE"
_ALL_MARKS = "LOCK TABLE checkpoint IN ACCESS EXCLUSIVE MODE"
_CUSTOMERS = "LOCK TABLE customer IN SHARE MODE"
_NO_TABLE = "LOCK TABLE customer IN ACCESS EXCLUSIVE MODE"
_READS = "LOCK TABLE customer IN ACCESS SHARE MODE"


@frozen(kw_only=True)
class Step:
    """A place in an operation."""

    operation: str
    name: str
    #: A function as module:name; or `commit`; or `statement` or (of SQLite) `row`, for SQL that
    #: begins with `of`; or `start`.
    at: str
    when: str
    nth: int = 1
    #: Only calls for the table or projection of this name, or with this flag.
    of: str = ""
    #: Counted from when this function was begun for the nth time.
    since: str = ""
    since_nth: int = 1
    in_worker: bool = False
    #: The database that has it, where only one does.
    only: str = ""
    #: What another process may lock.
    locks: tuple[str, ...] = ()
    #: No transaction that writes is begun after it; and nothing at all is written.
    ends_writing: bool = False
    is_last: bool = False
    #: No transaction is open, so that a broken connection may be replaced.
    is_between: bool = False
    #: Only a kill is tried there.
    is_for_kills: bool = False

    @property
    def is_before_commit(self) -> bool:
        """Whether a commit is about to be sent."""
        return self.at in ("commit", _PIPELINE) and self.when == "before"

    @property
    def is_of_append(self) -> bool:
        """Whether events are appended, and nothing else is done."""
        return self.operation.startswith("append")

    @property
    def is_before_direct_statement(self) -> bool:
        """Whether the one statement is about to be sent that appends a batch and commits it."""
        return self.at == _STATEMENT and self.when == "before"

    @property
    def is_before_copy(self) -> bool:
        """Whether rows are about to be sent by COPY, or some have been."""
        return self.at in (_COPIED, _PUT, "projector.store.bulk:insert_many") and (
            self.when == "before"
        )


def _before(operation: str, name: str, at: str, **more: Any) -> Step:
    return Step(operation=operation, name=name, at=at, when="before", **more)


def _after(operation: str, name: str, at: str, **more: Any) -> Step:
    return Step(operation=operation, name=name, at=at, when="after", **more)


def _commit(
    operation: str,
    name: str,
    since: str,
    *,
    is_last: bool = False,
    is_between: bool = False,
    **more: Any,
) -> list[Step]:
    """Right before and right after a commit."""
    at = partial(Step, operation=operation, at="commit", since=since, **more)
    return [
        at(name=f"before the commit of {name}", when="before", ends_writing=is_last),
        at(
            name=f"after the commit of {name}",
            when="after",
            is_last=is_last,
            is_between=is_between,
        ),
    ]


def _append() -> list[Step]:
    """The second batch, so that a first one is acknowledged."""
    before, after = partial(_before, "append"), partial(_after, "append")
    head = "projector.store.append:_read_head"
    second = {"since": _WRITE, "since_nth": 2}
    insert, update = "projector.store.bulk:insert_many", "projector.store.bulk:update_many"
    return [
        before(
            "before the look",
            "projector.store.append:_read_snapshot",
            nth=2,
            locks=(_HEAD, _STREAMS),
        ),
        after("after the plan", "projector.store.append:_plan", nth=2, locks=(_HEAD, _STREAMS)),
        before("before the head's lock", head, nth=2, of="lock=True"),
        after("after the head's lock", head, nth=2, of="lock=True"),
        before("after the numbering", _WRITE, nth=2),
        before("before the events", insert, of="event", **second),
        before("amid the events", "row", of="INSERT INTO event ", nth=60, only="sqlite", **second),
        before("amid the events", _COPIED, nth=60, only="postgres", **second),
        after("after the events", insert, of="event", **second),
        after("after the new streams", insert, of="stream", **second),
        after("after the known streams", update, of="stream", **second),
        after("after the quarantine", "projector.store.quarantine:add", **second),
        after("after the duplicates", "projector.store.duplicates:add", **second),
        before("before the head moves", "statement", of="UPDATE log_head", **second),
        after("after the head moved", "statement", of="UPDATE log_head", **second),
        *_commit("append", "the batch", _WRITE, since_nth=2, is_between=True),
        after(
            "after it was acknowledged",
            "projector.intake.ingest:append",
            nth=2,
            locks=(_HEAD, _STREAMS),
            is_between=True,
        ),
    ]


def _append_directly() -> list[Step]:
    """The second batch of new events only."""
    operation = "append directly"
    before, after = partial(_before, operation, nth=2), partial(_after, operation, nth=2)
    sqlite: dict[str, Any] = {"only": "sqlite"}
    postgres: dict[str, Any] = {"only": "postgres"}
    row = partial(
        Step,
        operation=operation,
        at="row",
        when="before",
        since=f"{_DIRECT}:_plan",
        since_nth=2,
        **sqlite,
    )
    locks = (_HEAD, _STREAMS)
    return [
        before("before the lock", f"{_DIRECT}:_append_to_sqlite", locks=("",), **sqlite),
        before("before the look", f"{_DIRECT}:_look", locks=locks, **postgres),
        before("before the plan", f"{_DIRECT}:_plan"),
        row(name="before the events", of="INSERT INTO event "),
        row(name="amid the events", of="INSERT INTO event ", nth=5),
        row(name="before the new streams", of="INSERT INTO stream "),
        row(name="before the head moves", of="UPDATE log_head"),
        row(name="before the commit", of="COMMIT"),
        before("before the statement", _STATEMENT, locks=locks, **postgres),
        after("after the commit", f"{_DIRECT}:_append_to_sqlite", is_between=True, **sqlite),
        after("after the statement", _STATEMENT, is_between=True, **postgres),
        after(
            "after it was acknowledged",
            "projector.intake.ingest:append",
            locks=locks,
            is_between=True,
        ),
    ]


def _project() -> list[Step]:
    """The second batch."""
    before, after = partial(_before, "project"), partial(_after, "project")
    second = {"since": _PROJECT, "since_nth": 2}
    locks = (_MARKS, _CUSTOMERS)
    return [
        after("after the reading", "projector.store.log:read", nth=3, locks=locks),
        after("after the states", "projector.store.table_rows:load_last", nth=9, locks=locks),
        after("after the fold", "projector.runner.runner:fold_batch", nth=2, locks=locks),
        before("before the writing", _PROJECT, nth=2),
        before("before the first checkpoint", _ADVANCE, **second),
        after("after the first checkpoint", _ADVANCE, **second),
        before(
            "amid rows",
            "row",
            of="INSERT INTO segment_membership ",
            nth=20,
            only="sqlite",
            **second,
        ),
        # Between two pieces of the rows.
        after(
            "amid rows",
            "statement",
            of="INSERT INTO segment_membership ",
            only="postgres",
            **second,
        ),
        after("after sizes", "projector.store.group_sizes:add", of="loyalty_tier", **second),
        after("after rows", "projector.store.table_rows:write", of="loyalty_tier", **second),
        after("after dead letters", _LETTERS, of="loyalty_tier", **second),
        after("after snapshots", _SNAPSHOTS, of="loyalty_tier", **second),
        before("before the last checkpoint", _ADVANCE, nth=5, **second),
        after("after the last checkpoint", _ADVANCE, nth=5, **second),
        *_commit("project", "the batch", _PROJECT, since_nth=2, is_between=True),
    ]


def _project_directly() -> list[Step]:
    """A few events that are not late."""
    operation, store = "project directly", _DIRECT_PROJECT
    before, after = partial(_before, operation), partial(_after, operation)
    row = partial(
        Step, operation=operation, at="row", when="before", since=f"{store}:write", only="sqlite"
    )
    reading: dict[str, Any] = {"locks": (_MARKS, _CUSTOMERS), "is_between": True}
    return [
        after("after the checkpoints", f"{store}:read_checkpoints", **reading),
        after("after the events", f"{store}:read_events", **reading),
        after("after the rows", "projector.store.customer_rows:read", **reading),
        before("before the writing", f"{store}:write", **reading),
        row(name="before the first checkpoint", of="UPDATE checkpoint"),
        row(name="before the last checkpoint", of="UPDATE checkpoint", nth=5),
        row(name="before rows", of="INSERT INTO segment_membership "),
        row(name="before sizes", of="INSERT INTO group_size"),
        row(name="before the commit", of="COMMIT"),
        before("before the statements", _PIPELINE, only="postgres"),
        after("after the commit", f"{store}:write", is_last=True, is_between=True),
    ]


def _rebuild() -> list[Step]:
    before, after = partial(_before, "rebuild"), partial(_after, "rebuild")
    finish = "projector.store.rebuild.shadow:add_constraints"
    rows: dict[str, Any] = {"since": _PUT, "since_nth": 2}
    poured: dict[str, Any] = {"since": _POUR, "since_nth": 2, "only": "sqlite"}
    return [
        after("the folder is locked", _LOCKED, locks=(_NO_TABLE,), is_between=True),
        after("the plan is made", "replay.rebuild:_plan", locks=(_NO_TABLE,), is_between=True),
        before("before the first shadow", _CREATE),
        after("after the second shadow", _CREATE, nth=2),
        *_commit("rebuild", "the shadows", _CREATE),
        before("before rows", _PUT, nth=2),
        before("amid rows", _COPIED, nth=30, only="postgres", **rows),
        *_commit("rebuild", "rows", only="postgres", **rows),
        after("after rows", _PUT, nth=2),
        before("before the pouring", _POUR, nth=2, only="sqlite", locks=(_NO_TABLE,)),
        after("amid the pouring", "statement", of="INSERT INTO main.loyalty_tier_shadow", **poured),
        *_commit("rebuild", "the pouring", **poured),
        after("after the dead letters", _LETTERS, of="loyalty_tier_shadow"),
        after("after the sizes", "projector.store.group_sizes:add", of="loyalty_tier_shadow"),
        after("after the snapshots", _SNAPSHOTS, of="loyalty_tier_shadow"),
        *_commit("rebuild", "the dead letters and snapshots", _LETTERS),
        before("before the finish", _FINISH, nth=2, locks=(_ALL_MARKS,)),
        after(
            "amid the constraints",
            "statement",
            of="ALTER TABLE loyalty_tier_shadow ADD CONSTRAINT",
            only="postgres",
        ),
        after("after the constraints", finish, nth=2, only="postgres"),
        *_commit("rebuild", "the constraints", finish, only="postgres"),
        after("after the checkpoint", _ADVANCE, since=_FINISH, since_nth=2),
        *_commit("rebuild", "the checkpoint", _ADVANCE, since_nth=2),
    ]


def _parallel() -> list[Step]:
    before, after = partial(_before, "rebuild parallel"), partial(_after, "rebuild parallel")
    scan, fold = "replay.engines.buckets:scan", "replay.engines.buckets:fold_bucket"
    write, remove = "replay.spill:write", "replay.spill:remove"
    worker = {"in_worker": True}
    return [
        after("workers start", "replay.engines.parallel:_submit"),
        after("the streams are assigned", "replay.spill:assign"),
        before("before a scan", scan, **worker),
        before("before the spilling", write, **worker),
        after("after the spilling", write, **worker),
        before("before a bucket", fold, **worker),
        before("after a bucket is read", remove, **worker),
        before("before rows", _PUT, **worker),
        before("amid rows", _COPIED, nth=30, only="postgres", **worker),
        *_commit("rebuild parallel", "rows", _PUT, only="postgres", **worker),
        after("after rows", _PUT, **worker),
        before("before the pouring", _POUR, nth=2, only="sqlite"),
        *_commit("rebuild parallel", "the pouring", _POUR, since_nth=2, only="sqlite"),
        after("after the dead letters", _LETTERS, of="loyalty_tier_shadow", nth=2),
    ]


def _swap() -> list[Step]:
    before, after = partial(_before, "swap"), partial(_after, "swap")
    statement = partial(_after, "swap", at="statement", since=_REPLACE)
    sqlite, postgres = {"only": "sqlite"}, {"only": "postgres"}
    return [
        before("before the catch-up", "replay.swap:catch_up", is_between=True),
        after("after the tail's fold", "projector.runner.runner:fold_batch", locks=(_MARKS,)),
        *_commit("swap", "the tail", _PROJECT, is_between=True),
        before("before the exchange", _TRY, locks=(_HEAD, _READS), is_between=True),
        after("after the look for what hangs", "projector.store.rebuild.swap:dependents", nth=5),
        after("after the tables' lock", "projector.store.rebuild.shadow:lock_tables", **postgres),
        after("after the head's lock", "projector.store.log:head", of="lock=True"),
        after("after the first comparison", "replay.swap:_has_same_digest"),
        before("before the first table", _REPLACE),
        statement("after a checkpoint", of="UPDATE checkpoint"),
        statement("after the pragma", of="PRAGMA legacy_alter_table = ON", **sqlite),
        statement("after the rights", of="SELECT quote_ident(pg_get_userbyid", **postgres),
        statement("without a live table", of="ALTER TABLE customer RENAME TO"),
        statement(
            "after the old constraint",
            of="ALTER TABLE customer_replaced RENAME CONSTRAINT",
            **postgres,
        ),
        statement("with a new live table", of="ALTER TABLE customer_shadow RENAME TO"),
        statement(
            "after the new constraint", of="ALTER TABLE customer RENAME CONSTRAINT", **postgres
        ),
        statement("without dead letters", of="DELETE FROM dead_letter"),
        statement("with new dead letters", of="UPDATE dead_letter"),
        statement("without sizes", of="DELETE FROM group_size"),
        statement("with new sizes", of="UPDATE group_size"),
        statement("with new snapshots", of="UPDATE snapshot"),
        statement("without the shadow's checkpoint", of="DELETE FROM checkpoint"),
        before("before the third table", _REPLACE, nth=3),
        statement(
            "with the last live table", of="ALTER TABLE segment_membership_history_shadow RENAME TO"
        ),
        after("after the last table", _REPLACE, nth=5),
        *_commit("swap", "the exchange", _REPLACE, is_between=True),
        before("before the old tables go", "replay.swap:_drop_replaced", is_between=True),
        after("after an old table went", "statement", of="DROP TABLE loyalty_tier_replaced"),
        *_commit(
            "swap",
            "the last old table",
            "projector.store.rebuild.shadow:drop",
            since_nth=5,
            is_last=True,
            is_between=True,
        ),
    ]


def _rows_swap() -> list[Step]:
    """Where users hung something on a table, rows are moved."""
    before, after = partial(_before, "swap of rows"), partial(_after, "swap of rows")
    move = "projector.store.rebuild.swap:copy_rows"
    return [
        before("before the rows", move),
        after("without live rows", "statement", of="DELETE FROM customer", since=move),
        after("with new rows", "statement", of="INSERT INTO customer ", since=move),
        after("without the shadow", "statement", of="DROP TABLE customer_shadow", since=move),
        *_commit("swap of rows", "the exchange", _REPLACE, is_last=True, is_between=True),
    ]


def _forget() -> list[Step]:
    """Some customers at once, in pieces of two events."""
    before, after = partial(_before, "forget"), partial(_after, "forget")
    transaction, store = "projector.erasure.transaction", "projector.store.erasure"
    shut = f"{store}.records:shut_door"
    return [
        after(
            "rebuilds are kept out",
            "replay.exclusive:_remove_shadows",
            locks=(_MARKS, _HEAD),
            is_between=True,
        ),
        after("after the locks", f"{transaction}:lock"),
        after("after the customers were found", "projector.erasure.subjects:find"),
        after("after the rows", "projector.erasure.rows:delete"),
        after("after the leftovers", f"{transaction}:_delete_leftovers"),
        after("after the quarantine", f"{store}.quarantined:empty"),
        after("the door is open", f"{store}.records:open_door"),
        before("amid the markers", f"{store}.redaction:mark", nth=3),
        after("after a salt", f"{store}.redaction:destroy_salts", nth=3),
        after("after the streams", f"{store}.redaction:rename_streams"),
        after("after its event", f"{store}.redaction:append_own"),
        after("after the head moved", "statement", of="UPDATE log_head"),
        after("the door is shut", shut),
        *_commit("forget", "the erasure", shut, is_between=True, is_for_kills=True),
        before("before the purge", f"{store}.purge:purge", is_for_kills=True),
    ]


_STARTS = [
    Step(operation=each, name="at the start", at="start", when="before", only="sqlite")
    for each in ("append", "project", "rebuild")
]

STEPS: tuple[Step, ...] = (
    *_append(),
    *_append_directly(),
    *_project(),
    *_project_directly(),
    *_rebuild(),
    *_parallel(),
    *_swap(),
    *_rows_swap(),
    *_forget(),
    *_STARTS,
)
