"""A role needs the rights for what it does, and no others; what is missing is said at once."""

from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from projector import open_projector
from projector.errors import PurgeIncomplete, RebuildRightsMissing, RightsMissing, SchemaUnusable
from projector.store import schema
from tests.support.databases import stored
from tests.support.given import append_webhooks
from tests.support.server_process import serving
from tests.support.tasks import (
    administering,
    answers,
    deliveries,
    filled,
    ingest,
    opened,
    rebuilt,
    role,
)

_READ = ("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",)
_WRITE = (
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
    "REVOKE UPDATE, DELETE ON event FROM {role}",
)


def _role(url: str, *grants: str) -> AbstractContextManager[str]:
    """A role without any rights on a database but these, not even the ones of everybody."""
    name = make_url(url).database
    return role(
        url,
        "",
        f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC',
        f'GRANT CONNECT ON DATABASE "{name}" TO {{role}}',
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        *grants,
    )


def test_select_is_enough_for_every_question(migrated_postgres_url: str) -> None:
    filled(migrated_postgres_url, 20)
    with open_projector(migrated_postgres_url) as projector:
        expected = answers(projector)
    with _role(migrated_postgres_url, *_READ) as url, open_projector(url) as projector:
        assert answers(projector) == expected
        with pytest.raises(RightsMissing):
            ingest(projector, 30)
        assert answers(projector) == expected


def test_a_server_without_a_follower_answers_with_select_alone(
    migrated_postgres_url: str, tmp_path: Path
) -> None:
    filled(migrated_postgres_url, 5)
    with _role(migrated_postgres_url, *_READ) as url, serving(tmp_path, url, "--no-follower") as s:
        assert s.client.get("/customers/cust_1").status == 200
        assert s.client.get("/status").status == 200
        assert s.client.post("/events", {}).status in (400, 503)
        assert "Traceback" not in s.told


def test_any_number_of_rows_is_written_without_the_right_to_create_temporary_tables(
    migrated_postgres_url: str,
) -> None:
    with _role(migrated_postgres_url, *_WRITE) as url:
        with open_projector(url) as projector:
            for _ in range(2):
                ingest(projector)
            assert projector.verify().is_right
        with administering(url) as client, pytest.raises(psycopg.errors.InsufficientPrivilege):
            client.execute("CREATE TEMPORARY TABLE mine (x int)")


def test_a_backlog_that_may_not_be_rebuilt_is_folded_in_batches(
    migrated_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replay.engines.PARALLEL_EVENTS_MIN", 100)
    with _role(migrated_postgres_url, *_WRITE) as url, open_projector(url) as projector:
        append_webhooks(projector.database, *deliveries(300))
        assert projector.catch_up() == []
        assert projector.verify().is_right


@pytest.mark.parametrize(
    ("grants", "reason"),
    [
        ((), "has no CREATE on schema public"),
        (
            ("GRANT CREATE ON SCHEMA public TO {role}",),
            "does not have the rights of postgres, the owner of table customer",
        ),
    ],
)
def test_a_rebuild_says_at_its_beginning_which_right_it_lacks(
    migrated_postgres_url: str, grants: tuple[str, ...], reason: str
) -> None:
    filled(migrated_postgres_url, 20)
    with opened(migrated_postgres_url) as database:
        before = stored(database)
        with (
            _role(migrated_postgres_url, *_WRITE, *grants) as url,
            open_projector(url) as projector,
            pytest.raises(RebuildRightsMissing, match=reason),
        ):
            projector.rebuild(on_progress=_fail)
        assert stored(database) == before


def _fail(phase: str, _done: int, _total: int) -> None:
    pytest.fail(f"it began: {phase}")


def test_a_dry_run_and_a_rebuild_that_copies_rows_do_not_need_the_ownership(
    migrated_postgres_url: str,
) -> None:
    filled(migrated_postgres_url, 20)
    grants = (*_WRITE, "GRANT CREATE ON SCHEMA public TO {role}")
    with _role(migrated_postgres_url, *grants) as url, open_projector(url) as projector:
        assert projector.rebuild(dry_run=True).impact is not None
        with administering(migrated_postgres_url) as admin:
            admin.execute("CREATE VIEW mine AS SELECT customer_id FROM customer")
        assert projector.rebuild("customer").swapped


def test_a_member_of_the_owner_may_rebuild_and_the_owner_stays(migrated_postgres_url: str) -> None:
    filled(migrated_postgres_url, 20)
    with opened(migrated_postgres_url) as database:
        names = [*stored(database), "checkpoint", "dead_letter"]
    with role(migrated_postgres_url, "", "GRANT ALL ON SCHEMA public TO {role}") as owner_url:
        owner = make_url(owner_url).username
        with administering(migrated_postgres_url) as admin:
            for name in names:
                admin.execute(f"ALTER TABLE {name} OWNER TO {owner}".encode())
            grants = (*_WRITE, f"GRANT {owner} TO {{role}}")
            with _role(migrated_postgres_url, *grants) as url, open_projector(url) as projector:
                rebuilt(projector)
            owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE tablename = ANY(%s)"
            assert admin.execute(owners, [names]).fetchall() == [(owner,)]


def test_a_role_that_may_use_no_schema_hears_so_and_not_that_nothing_is_migrated(
    migrated_postgres_url: str,
) -> None:
    with (
        _role(migrated_postgres_url, *_READ) as url,
        administering(migrated_postgres_url) as admin,
    ):
        admin.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
        with pytest.raises(SchemaUnusable) as raised:
            open_projector(url)
        assert "GRANT USAGE ON it" in raised.value.hint


def test_a_role_that_may_not_create_tables_cannot_migrate_and_hears_why(postgres_url: str) -> None:
    with (
        _role(postgres_url) as url,
        opened(url) as database,
        pytest.raises(RightsMissing, match="permission denied for schema public"),
    ):
        schema.migrate(database)


def test_a_role_that_may_not_read_the_tables_hears_which(migrated_postgres_url: str) -> None:
    filled(migrated_postgres_url, 2)
    grants = (*_READ, "REVOKE SELECT ON customer FROM {role}")
    with (
        _role(migrated_postgres_url, *grants) as url,
        open_projector(url) as projector,
        pytest.raises(RightsMissing, match="permission denied for table customer"),
    ):
        projector.customer("cust_1")


def test_a_purge_takes_the_owner_of_the_tables(migrated_postgres_url: str) -> None:
    """VACUUM skips the tables of others with a warning, which must not pass for a purge."""
    with (
        _role(migrated_postgres_url, *_WRITE) as url,
        open_projector(url) as projector,
        pytest.raises(PurgeIncomplete, match="permission denied to vacuum"),
    ):
        projector.purge()
