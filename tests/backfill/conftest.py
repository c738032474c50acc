"""The API on the loopback interface, and a backfill from it."""

from collections.abc import Callable, Iterator
from threading import Event

import pytest

from projector.backfill.backfill import Backfill
from projector.backfill.options import BackfillOptions, CustomerChoice
from projector.store.database import Database
from projector.voucherify.address import parse_url
from projector.voucherify.credentials import Access, Credentials
from tests.support.voucherify_api import APP_ID, APP_TOKEN, VoucherifyApi, voucherify_api

#: Prepare a backfill of the customers who are given; an event may stop it.
Prepare = Callable[..., Backfill]


@pytest.fixture
def api() -> Iterator[VoucherifyApi]:
    """The API, which knows nobody yet."""
    with voucherify_api() as found:
        yield found


@pytest.fixture
def access(api: VoucherifyApi) -> Access:
    """The way to the API of proj_1."""
    credentials = Credentials(project_id="proj_1", app_id=APP_ID, app_token=APP_TOKEN)
    return Access(project_id="proj_1", address=parse_url(api.url), credentials=credentials)


@pytest.fixture
def prepare(
    wiped_database: Database, access: Access, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Prepare]:
    """Prepares a backfill; waits that go by chance take no time."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    made: list[Backfill] = []

    def prepare(
        choice: CustomerChoice, options: BackfillOptions, stop: Event | None = None
    ) -> Backfill:
        made.append(Backfill(wiped_database, access, choice, options, stop=stop))
        return made[-1]

    yield prepare
    for each in made:
        each.close()
