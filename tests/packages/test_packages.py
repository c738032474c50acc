"""Another package's fact and projection: run like the program's own, and no danger to them."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from projector.projections import own
from projector.store import digest
from tests.packages.conftest import Shop
from tests.support.packages import EXAMPLE, install, install_example

_OWN = [each.name for each in own()]
_REDEMPTIONS = (EXAMPLE / "redemptions.ndjson").read_text()
_LATER = json.dumps(
    {
        "id": "evcus_5",
        "type": "customer.voucher.redeemed",
        "created_at": "2024-03-05T10:00:00Z",
        "project_id": "proj_1",
        "data": {"customer": {"id": "cust_1"}, "voucher": {"id": "v_2"}},
    }
)
_USES = [("v_1", "SPRING", 2), ("v_2", "COFFEE", 1)]
_LATER_USES = [("v_1", "SPRING", 2), ("v_2", "COFFEE", 2)]

#: Changes of the example package's code.
_NEW_VERSION = ("version=1", "version=2")
_NEW_COLUMN = ("    changed_by: Identifier\n", "    changed_by: Identifier\n    note: str = ''\n")
_FAILURE = ("return list(state.values())", "raise RuntimeError('the shop is closed')")


@contextmanager
def _connection(shop: Shop) -> Iterator[Connection]:
    engine = create_engine(shop.database_url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _execute(shop: Shop, statement: str) -> None:
    with _connection(shop) as connection:
        connection.execute(text(statement))


def _uses(shop: Shop) -> list[tuple[str, str, int]]:
    with _connection(shop) as connection:
        rows = connection.execute(
            text("SELECT voucher_id, code, times FROM voucher_use ORDER BY voucher_id")
        )
        return [(row.voucher_id, row.code, row.times) for row in rows]


def _remove_example(packages: Path) -> None:
    (packages / "shop_vouchers.py").unlink()
    shutil.rmtree(packages / "shop_vouchers-1.0.dist-info")


def test_its_events_are_folded_into_a_table_of_its_own(shop: Shop) -> None:
    assert shop.run("ingest", "-", "--json", stdin=_REDEMPTIONS).json["appended"] == 4
    assert _uses(shop) == _USES
    [letter] = shop.run("dead-letters", "--json").json["dead_letters"]
    assert letter["position"] == 4
    assert [each["projection"] for each in letter["failures"]] == ["voucher_use"]
    before = shop.projections()["voucher_use"]
    assert (before["position"], before["dead_letters"], before["error"]) == (4, 1, None)
    assert before["installed"] is True
    done = shop.run("rebuild", "voucher_use", "--json").json
    assert [each["matched"] for each in done["rebuilt"]] == [True]
    assert shop.projections()["voucher_use"] == before
    assert shop.run("verify").code == 0


def test_events_from_before_its_installation_are_folded_too(shop: Shop) -> None:
    _remove_example(shop.packages)
    assert shop.run("migrate", "--drop", "voucher_use").code == 0
    shop.run("ingest", "-", stdin=_REDEMPTIONS)
    install_example(shop.packages)
    assert shop.run("migrate").code == 0
    assert shop.run("ingest", "-", stdin=_LATER).code == 0
    assert _uses(shop) == _LATER_USES


@pytest.mark.parametrize("change", [_NEW_VERSION, _NEW_COLUMN], ids=["version", "columns"])
def test_an_outdated_projection_waits_alone_until_it_is_rebuilt(
    shop: Shop, change: tuple[str, str]
) -> None:
    shop.run("ingest", "-", stdin=_REDEMPTIONS)
    install_example(shop.packages, change)
    done = shop.run("ingest", "-", stdin=_LATER)
    assert done.code == 0
    assert done.err.startswith("warning: The rows of 'voucher_use' were written by version 1 ")
    found = shop.projections()
    assert [found[name]["position"] for name in _OWN] == [5] * len(_OWN)
    assert found["voucher_use"]["position"] == 4
    assert "were written by version 1" in str(found["voucher_use"]["error"])
    assert _uses(shop) == _USES
    assert shop.run("rebuild", "voucher_use").code == 0
    assert _uses(shop) == _LATER_USES
    assert shop.run("verify").code == 0
    assert shop.projections()["voucher_use"]["error"] is None


def test_a_projection_that_fails_is_set_aside_and_the_others_go_on(shop: Shop) -> None:
    shop.run("ingest", "-", stdin=_REDEMPTIONS)
    install_example(shop.packages, _FAILURE)
    done = shop.run("ingest", "-", stdin=_LATER)
    assert done.code == 0
    assert "Traceback" not in done.err
    assert "voucher_use' failed: RuntimeError: the shop is closed" in done.err
    found = shop.projections()
    assert [found[name]["position"] for name in _OWN] == [5] * len(_OWN)
    assert found["voucher_use"]["position"] == 4
    assert "the shop is closed" in str(found["voucher_use"]["error"])
    # The right code alone does not run it again: a rebuild does, once it succeeds.
    install_example(shop.packages)
    assert "the shop is closed" in str(shop.projections()["voucher_use"]["error"])
    assert shop.run("rebuild", "voucher_use").code == 0
    assert _uses(shop) == _LATER_USES
    assert shop.projections()["voucher_use"]["error"] is None


def test_a_package_that_cannot_be_imported_stops_nobody(shop: Shop) -> None:
    install(
        shop.packages,
        "broken_package",
        source="import a_module_that_is_not_there\n",
        facts={"a": "broken_package:FACT"},
        projections={"broken_view": "broken_package:PROJECTION"},
    )
    done = shop.run("ingest", "-", stdin=_REDEMPTIONS)
    assert (done.code, "Traceback" in done.err) == (0, False)
    assert _uses(shop) == _USES
    error = shop.projections()["broken_view"]["error"]
    assert "No module named 'a_module_that_is_not_there'" in str(error)


def test_two_packages_that_claim_one_type_are_refused_by_name(shop: Shop) -> None:
    install(
        shop.packages,
        "rival",
        source="from shop_vouchers import REDEEMED\n",
        facts={"redeemed": "rival:REDEEMED"},
    )
    done = shop.run("ingest", "-", stdin=_REDEMPTIONS)
    assert (done.code, done.out) == (2, "")
    assert done.failed_in_a_sentence
    for name in ("customer.voucher.redeemed", "shop-vouchers", "rival"):
        assert name in done.err


def test_the_table_of_a_removed_package_stays_until_it_is_dropped(shop: Shop) -> None:
    shop.run("ingest", "-", stdin=_REDEMPTIONS)
    refused = shop.run("migrate", "--drop", "voucher_use")
    assert refused.code == 2
    assert "'voucher_use' is installed" in refused.err
    _remove_example(shop.packages)
    found = shop.projections()["voucher_use"]
    assert (found["installed"], found["dead_letters"]) == (False, 1)
    assert "No installed package" in str(found["error"])
    # It blocks nothing, and is no part of what is rebuilt and verified.
    assert shop.run("ingest", "-", stdin=_LATER).code == 0
    assert shop.run("rebuild").code == 0
    assert shop.run("verify").code == 0
    assert _uses(shop) == _USES
    assert shop.run("migrate", "--drop", "voucher_use").code == 0
    assert "voucher_use" not in shop.projections()
    assert shop.run("dead-letters", "--json").json["dead_letters"] == []
    with pytest.raises(Exception, match="voucher_use"):
        _uses(shop)


def test_without_the_rights_to_create_it_the_table_is_missing_by_name(shop: Shop) -> None:
    """On Postgres the program's role need not own the tables: `migrate` creates what is missing."""
    _remove_example(shop.packages)
    shop.run("migrate", "--drop", "voucher_use")
    install_example(shop.packages)
    done = shop.run("ingest", "-", stdin=_REDEMPTIONS)
    assert done.code == 0
    if shop.database_url.startswith("sqlite"):
        assert _uses(shop) == _USES
        return
    assert "Its table is missing: run `projector migrate`" in done.err
    assert shop.run("migrate").code == 0
    assert shop.run("ingest", "-", stdin=_LATER).code == 0
    assert _uses(shop) == _LATER_USES


def test_a_table_that_another_program_created_is_never_replaced_or_dropped(shop: Shop) -> None:
    _remove_example(shop.packages)
    shop.run("migrate", "--drop", "voucher_use")
    _execute(shop, "CREATE TABLE voucher_use (voucher_id text, code text, times int)")
    _execute(shop, "INSERT INTO voucher_use VALUES ('theirs', 'KEPT', 7)")
    install_example(shop.packages)
    shop.run("migrate")
    assert shop.run("ingest", "-", stdin=_REDEMPTIONS).code == 0
    for names in ((), ("voucher_use",)):
        shop.run("rebuild", *names)
        assert _uses(shop) == [("theirs", "KEPT", 7)]
    refused = shop.run("rebuild", "voucher_use")
    assert (refused.code, refused.failed_in_a_sentence) == (1, True)
    assert "'voucher_use' exists already" in refused.err
    assert "was not created by the projector" in str(shop.projections()["voucher_use"]["error"])
    _remove_example(shop.packages)
    assert shop.run("migrate", "--drop", "voucher_use").code == 0
    assert _uses(shop) == [("theirs", "KEPT", 7)]
    # Out of the way, it makes room for the projection's own.
    install_example(shop.packages)
    shop.run("migrate")
    _execute(shop, "ALTER TABLE voucher_use RENAME TO theirs")
    assert shop.run("migrate").code == 0
    assert shop.run("ingest", "-", stdin=_LATER).code == 0
    assert _uses(shop) == _LATER_USES


def test_a_package_changes_neither_conflicts_nor_the_programs_own_rows(shop: Shop) -> None:
    shop.run("ingest", "-", stdin=_REDEMPTIONS)
    own = {name: shop.projections()[name]["digest"] for name in _OWN}
    assert own.pop("customer") != digest.EMPTY
    assert {*own.values()} == {digest.EMPTY}
    changed = _LATER.replace("evcus_5", "evcus_1").replace("2024-03-05", "2024-03-01")
    with_package = shop.run("ingest", "-", "--json", stdin=changed).json
    _remove_example(shop.packages)
    assert shop.run("ingest", "-", "--json", stdin=changed).json == with_package
    assert (with_package["duplicates"], with_package["conflicts"]) == (1, 0)
    assert shop.run("verify", *_OWN).code == 0
