"""Ids are ordered by their bytes, whatever the collation of the database is."""

from projector import Projector, open_projector
from projector.store import schema
from tests.support.given import append_and_project, entered, joined
from tests.support.postgres import Server
from tests.support.tasks import administering, opened

#: Ids that languages order in another way than bytes.
_IDS = ["B", "a", "Z", "ä", "_", "-1", "A", "é", "z", "10", "9", "\U0001f600", "\uffee"]

#: Collations as options of CREATE DATABASE; with ICU if the server was built with it, and so has
#: more of its collations than those that every server knows by name.
_COLLATIONS = [{"locale": "C"}, {"locale": "C.UTF-8"}]
_ICU = [
    {"locale": "C", "locale_provider": "icu", "icu_locale": name}
    for name in ("en-US", "sv-u-kn-true", "und-u-ks-level1")
]


def _pages(projector: Projector, **group: str) -> list[str]:
    """The members of a segment or a tier, read page by page."""
    found: list[str] = []
    after = None
    while True:
        page = projector.members(**group, after=after, limit=3)  # type: ignore[arg-type]
        found += [each.customer_id for each in page.members]
        if (after := page.next) is None:
            return found


def test_ids_are_ordered_by_their_bytes(postgres_server: Server) -> None:
    with administering(postgres_server.url("postgres")) as admin:
        [[icu]] = admin.execute(
            "SELECT count(*) > 9 AND current_setting('server_version_num')::int >= 150000"
            " FROM pg_collation WHERE collprovider = 'i'"
        ).fetchall()
    for collation in [*_COLLATIONS, *(_ICU if icu else [])]:
        _check_order(postgres_server, collation)


def test_every_id_has_the_collation_of_bytes(migrated_postgres_url: str) -> None:
    """So that no collation of a database can matter, also one that this server lacks."""
    with administering(migrated_postgres_url) as admin:
        found = admin.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND column_name LIKE '%\\_id' AND data_type = 'text'"
            " AND collation_name IS DISTINCT FROM 'C'"
            " AND column_name NOT IN ('default_customer_id', 'default_project_id', 'source_id')"
        ).fetchall()
    assert found == []


def _check_order(postgres_server: Server, collation: dict[str, str]) -> None:
    by_bytes = sorted(_IDS, key=str.encode)
    with postgres_server.database(**collation) as url:
        with opened(url) as database:
            schema.migrate(database)
            append_and_project(
                database,
                *(entered(each, "seg_1", at="2024-03-01T10:00:00Z") for each in _IDS),
                *(entered("cust_1", each, at="2024-03-01T10:00:00Z") for each in _IDS),
                *(joined(each, "ltr_1", each, at="2024-03-01T10:00:00Z") for each in _IDS),
            )
        with open_projector(url) as projector:
            assert _pages(projector, segment_id="seg_1") == by_bytes
            assert _pages(projector, tier_id="ltr_1") == by_bytes
            segments = [each.segment_id for each in projector.customer("cust_1").segments]
            assert segments == by_bytes
            exported = [each.customer_id for each in projector.export_customers()]
            assert exported == sorted([*_IDS, "cust_1"], key=str.encode)
            projector.rebuild(engine="parallel", workers=1)
            assert projector.verify().is_right
