"""A shop at the source whose deliveries are partly lost, and comparisons with it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from projector.projections import discover
from projector.reconcile.options import Choice, ReconcileOptions
from projector.reconcile.reconcile import Reconcile
from projector.reconcile.report import ReconcileReport
from projector.runner.runner import catch_up
from projector.store.database import Database
from projector.voucherify.address import parse_url
from projector.voucherify.credentials import Access, Credentials
from tests.support.sources import Shop
from tests.support.voucherify_api import APP_ID, APP_TOKEN, VoucherifyApi, voucherify_api

#: Prepare a comparison of the customers who are given.
Prepare = Callable[..., Reconcile]
#: Run one, catch up, and return the report.
Run = Callable[..., ReconcileReport]

#: Does not wait.
FAST: dict[str, Any] = {"settle": timedelta(0), "per_minute": 100_000}


@pytest.fixture
def api() -> Iterator[VoucherifyApi]:
    """The API, which knows no customer yet."""
    with voucherify_api() as found:
        yield found


@pytest.fixture
def shop(api: VoucherifyApi, wiped_database: Database) -> Shop:
    """The shop, whose deliveries arrive in the database, or not."""
    return Shop(api, wiped_database, datetime.now(UTC))


@pytest.fixture
def access(api: VoucherifyApi) -> Access:
    """The way to the API of proj_1."""
    credentials = Credentials(project_id="proj_1", app_id=APP_ID, app_token=APP_TOKEN)
    return Access(project_id="proj_1", address=parse_url(api.url), credentials=credentials)


@pytest.fixture
def prepare(
    wiped_database: Database, access: Access, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Prepare]:
    """Prepares a comparison; waits that go by chance take no time."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    made: list[Reconcile] = []

    def prepare(
        choice: Choice,
        *,
        file: str | None = None,
        stop: Event | None = None,
        is_erased: Callable[[str], bool] = lambda _id: False,
        **options: Any,
    ) -> Reconcile:
        made.append(
            Reconcile(
                wiped_database,
                "proj_1",
                choice,
                ReconcileOptions(**FAST | options),
                access=None if file is not None and not options.get("repair") else access,
                file=file,
                stop=stop,
                is_erased=is_erased,
            )
        )
        return made[-1]

    yield prepare
    for each in made:
        each.close()


@pytest.fixture
def run(prepare: Prepare, wiped_database: Database) -> Run:
    """Runs a comparison, and brings the tables up to date."""

    def run(choice: Choice, **options: Any) -> ReconcileReport:
        catch_up(wiped_database, discover())
        report = prepare(choice, **options).run()
        catch_up(wiped_database, discover())
        return report

    return run
