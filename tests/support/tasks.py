"""Everything that people do with a database."""

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from sqlalchemy import make_url

from projector import Projector, open_projector
from projector.store.database import Database
from projector.text.encode import as_json
from tests.support.given import Delivery, append_and_project, segment
from tests.support.given import entered as entered_segment
from tests.support.tampering import life

#: More customers than one statement takes rows.
_CUSTOMERS = 1_200


def deliveries(customers: int = _CUSTOMERS) -> list[Delivery]:
    """Events of many customers, one of them with rows in every table and names of any script."""
    many = [
        entered_segment(f"cust_{number}", segment("seg_1", name="Näme"), at="2024-03-01T10:00:00Z")
        for number in range(customers)
    ]
    return [*life("cust_ü"), *many]


def ingest(projector: Projector, customers: int = _CUSTOMERS) -> None:
    """Append the deliveries, all received at one time, and project them."""
    append_and_project(projector.database, *deliveries(customers))


def answers(projector: Projector) -> Any:
    """What all questions answer, as JSON."""
    state = projector.customer("cust_ü")
    found = [
        state,
        projector.customer("shop_1", by_source_id=True),
        projector.customer("cust_ü", as_of=state.last_event_at),
        projector.customer("cust_ü", at_position=3),
        projector.members(segment_id="seg_1", limit=1_000),
        projector.members(tier_id="ltr_2", limit=10),
        projector.segments(),
        projector.tiers(),
        projector.quarantine(limit=10),
        projector.dead_letters(limit=10),
        projector.tokens(),
        projector.why("cust_ü", segment_id="seg_1"),
        projector.why("cust_ü", campaign_id="camp_1"),
        list(projector.export_customers()),
        projector.status(),
        projector.verify(),
    ]
    assert projector.verify(sample=10).is_right
    return as_json(found)


def rebuilt(projector: Projector) -> None:
    """Rebuild everything, one customer, and be right."""
    assert all(each.matched for each in projector.rebuild().rebuilt)
    projector.rebuild_customer("cust_ü")
    assert projector.verify().is_right


@contextmanager
def administering(url: str) -> Iterator[psycopg.Connection]:
    """A connection of the administrator to a database, which commits each statement."""
    conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection


@contextmanager
def role(url: str, options: str, *grants: str) -> Iterator[str]:
    """The URL for a new role, which is dropped in the end; `{role}` in a grant is its name."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    with administering(url) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN {options}".encode())
        for grant in grants:
            admin.execute(grant.format(role=name).encode())
    try:
        yield make_url(url).set(username=name).render_as_string(hide_password=False)
    finally:
        with administering(url) as admin:
            admin.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER".encode())
            admin.execute(f"DROP OWNED BY {name}".encode())
            admin.execute(f"DROP ROLE {name}".encode())


def filled(url: str, customers: int = _CUSTOMERS) -> None:
    """Fill a migrated database."""
    with open_projector(url) as projector:
        ingest(projector, customers)


def opened(url: str, **options: Any) -> closing[Database]:
    """A database, closed in the end."""
    return closing(Database(url, **options))
