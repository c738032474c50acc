"""A tier whose last day is over, and of which nothing was heard since, is called overdue."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from projector import Projector
from projector.cli import output
from projector.projections.loyalty_tier import Row
from projector.queries.customer_state import is_overdue
from projector.queries.customers import find_customers
from projector.queries.why.explain import WhyCampaign, WhyNot
from projector.store.database import Database
from tests.support.given import append_and_project, joined, prolonged, tier, tier_left

MONDAY, TUESDAY = "2024-03-04T10:00:00Z", "2024-03-05T10:00:00Z"


def until(day: str, tier_id: str = "gold") -> dict[str, Any]:
    return tier(tier_id, expiration={"expiration_date": day})


def overdue(database: Database, **moment: Any) -> list[bool]:
    state = Projector(database).customer("cust_1", **moment)
    return [each.overdue for each in state.tiers]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2024, 6, 30, 23, 59, 59, 999999, tzinfo=UTC), False),
        (datetime(2024, 7, 1, tzinfo=UTC), True),
    ],
)
def test_a_tier_is_overdue_from_the_day_after_its_last_day(
    database: Database, moment: datetime, expected: bool
) -> None:
    """The days are those of UTC, whatever the offset of the instant."""
    append_and_project(database, joined("cust_1", until("2024-06-30"), at=MONDAY))
    assert overdue(database, as_of=moment) == [expected]
    assert overdue(database, as_of=moment.astimezone()) == [expected]


def test_now_is_the_day_of_the_query(database: Database) -> None:
    today = datetime.now(UTC).date()
    append_and_project(
        database,
        joined("cust_1", until(str(today - timedelta(days=2))), "camp_1", at=MONDAY),
        joined("cust_1", until(str(today + timedelta(days=2))), "camp_2", at=MONDAY),
        joined("cust_1", "gold", "camp_3", at=MONDAY),
    )
    expected = [True, False, False]
    assert overdue(database) == overdue(database, at_position=3) == expected
    projector = Projector(database)
    [several] = find_customers(database, ["cust_1"]).customers
    [exported] = projector.export_customers()
    [replayed] = projector.export_customers(at_position=3)
    for state in (several, exported, replayed):
        assert [each.overdue for each in state.tiers] == expected


def test_what_is_heard_afterwards_ends_it(database: Database) -> None:
    append_and_project(
        database,
        joined("cust_1", until("2024-03-04"), at=MONDAY),
        prolonged("cust_1", until("2999-12-31"), at=TUESDAY),
        joined("cust_1", until("2024-03-04"), "camp_2", at=MONDAY),
        tier_left("cust_1", "gold", "camp_2", at=TUESDAY),
    )
    assert overdue(database) == [False]
    assert Projector(database).status().overdue == 0


def test_a_tier_that_was_left_is_not_overdue() -> None:
    day = date(2024, 1, 1)
    assert not is_overdue(Row("camp_1", expires_on=None), day)
    assert not is_overdue(Row("camp_1", expires_on=day - timedelta(days=1)), day)


def test_the_status_counts_them(database: Database) -> None:
    append_and_project(
        database,
        *(joined(f"cust_{n}", until("2024-06-30"), at=MONDAY) for n in range(3)),
        joined("cust_9", until("2999-06-30"), at=MONDAY),
        joined("cust_9", "gold", "camp_2", at=MONDAY),
    )
    assert Projector(database).status().overdue == 3


def test_why_shows_it(database: Database) -> None:
    append_and_project(database, joined("cust_1", until("2024-06-30"), at=MONDAY))
    projector = Projector(database)
    then = datetime(2024, 4, 1, tzinfo=UTC)
    for as_of, expected in ((None, True), (then, False)):
        campaign = projector.why("cust_1", campaign_id="camp_1", as_of=as_of)
        tier_of_it = projector.why("cust_1", not_="gold", as_of=as_of)
        assert isinstance(campaign, WhyCampaign)
        assert isinstance(tier_of_it, WhyNot)
        assert campaign.overdue is tier_of_it.overdue is expected


def test_people_read_it_with_the_day(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    append_and_project(database, joined("cust_1", until("2024-06-30"), at=MONDAY))
    output.print_customer(Projector(database).customer("cust_1"))
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "nothing heard since" in shown
    assert "Nothing is known to be missing" not in shown
