"""What the program sends is what the vendor's description allows, and it reads what that shows."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from projector.envelope import DeliveryDefaults, Envelope, Rejected
from projector.intake import sources
from projector.voucherify import listing
from projector.voucherify.address import parse_url
from projector.voucherify.client import Client
from projector.voucherify.credentials import Credentials
from projector.voucherify.listing import (
    CustomerList,
    CustomerPage,
    ListedCustomer,
    read_customer_id,
    read_customer_page,
)
from projector.voucherify.pace import Pace
from projector.voucherify.pages import (
    Start,
    activity_path,
    activity_query,
    customer_path,
    is_absent,
    read_page,
)
from tests.prism.conftest import Ask
from tests.support.command import Done, run_program
from tests.support.voucherify_api import APP_ID, APP_TOKEN

_AT = datetime(2024, 3, 1, 10, tzinfo=UTC)
_PATH = activity_path("cust_1")


@pytest.fixture
def client(url: str) -> Client:
    pace = Pace(per_minute=100_000, requests_max=100, stop=Event())
    credentials = Credentials(project_id=None, app_id=APP_ID, app_token=APP_TOKEN)
    return Client(parse_url(url), credentials, pace, reserve_percent=30, connections_max=1)


def _backfill(folder: Path, url: str, *arguments: str) -> Done:
    return run_program(
        folder,
        *("backfill", *arguments, "--rate", "100000", "--json"),
        PROJECTOR_VOUCHERIFY_URL=url,
        PROJECTOR_VOUCHERIFY_APP_ID=f"proj_1={APP_ID}",
        PROJECTOR_VOUCHERIFY_APP_TOKEN=f"proj_1={APP_TOKEN}",
    )


def test_prism_checks_parameters_and_credentials(ask: Ask) -> None:
    """Otherwise the other tests would prove nothing."""
    assert ask(f"{_PATH}?limit=101")[0] == 422
    assert ask(f"{_PATH}?start_date=yesterday")[0] == 422
    assert ask(f"{_PATH}?type=no.such.type")[0] == 422
    assert ask("/v1/customers?page=100")[0] == 422


@pytest.mark.parametrize(
    "start",
    [
        Start(),
        Start(cursor="evcus_1"),
        Start(from_at=_AT),
        Start(from_at=_AT.replace(microsecond=7)),
    ],
    ids=["the beginning", "a cursor", "a time", "microseconds"],
)
@pytest.mark.parametrize("type_", [None, "customer.segment.left", "customer.loyalty.tier.joined"])
def test_every_query_of_an_activity_is_allowed(
    client: Client, start: Start, type_: str | None
) -> None:
    page = read_page(client.get(_PATH, activity_query(start, type_=type_)).body)
    assert page.event_ids


def test_every_query_of_the_list_is_allowed(client: Client) -> None:
    customers = CustomerList(segment_id="seg_1", entries_max=2)
    queries = []
    for milliseconds in ([0, 1], [2, 3], [4, 4], [5, 5]):
        queries.append(customers.query())
        times = [_AT + timedelta(milliseconds=each) for each in milliseconds]
        customers.follow(CustomerPage([ListedCustomer(f"c{at}", at) for at in times], None, True))
    assert {name for query in queries for name in query} >= {"starting_after", "page"}
    for query in queries:
        answer = client.get(listing.PATH, query)
        assert read_customer_page(answer.body).customers


def test_a_customer_and_an_absence_are_read(client: Client, ask: Ask) -> None:
    assert read_customer_id(client.get(customer_path("a shop's id"), {}).body)
    status, body = ask(_PATH, Prefer="code=404")
    assert (status, is_absent(body)) == (404, True)


def test_pages_without_end_are_ended(tmp_path: Path, url: str) -> None:
    """Prism always has more behind `string`; the customer of its entry is not the one asked for."""
    done = _backfill(tmp_path, url, "cust_1")
    assert done.code == 1
    report = done.json
    assert (report["failed"], report["requests"], report["stopped"]) == (1, 2, None)
    assert (report["read"], report["quarantined"]) == (2, 2)
    again = run_program(tmp_path, "quarantine", "list", "--json").json
    assert {each["reason"] for each in again["quarantine"]} == {"other_customer"}


def test_random_activity_of_every_described_shape_is_read(ask: Ask) -> None:
    defaults = DeliveryDefaults(project_id="proj_1")
    types = set()
    # Prism itself fails on some of what it makes up.
    answers = [ask(f"{_PATH}?limit=100", Prefer="dynamic=true") for _ in range(100)]
    bodies = [body for status, body in answers if status == 200]
    assert len(bodies) > 20
    for body in bodies:
        found = json.loads(body)
        # The description allows any text; what it says of it is `data`.
        mended = json.dumps({**found, "data_ref": "data"}).encode()
        page = read_page(mended)
        assert page.entries == len(found["data"])
        items = sources.read(mended, defaults)
        assert len(items) >= page.entries
        types |= {item.type for item in items if isinstance(item, Envelope)}
        reasons = {item.reason for item in items if isinstance(item, Rejected)}
        assert reasons <= {"bad_time", "bad_id"}, "each entry is recognised"
    assert len(types) > 10


def test_random_lists_of_customers_are_read(ask: Ask) -> None:
    for _ in range(10):
        status, body = ask("/v1/customers?limit=100", Prefer="dynamic=true")
        assert status == 200, body
        assert len(read_customer_page(body).customers) == len(json.loads(body)["customers"])
