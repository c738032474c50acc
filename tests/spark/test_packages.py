"""Facts and projections of other packages are folded on a cluster that has the packages, too."""

from pathlib import Path
from typing import Any

import pytest

from tests.spark.archived import Archived
from tests.support.databases import copy_file
from tests.support.logs import sql
from tests.support.packages import EXAMPLE, install_example
from tests.support.spark import Cluster


@pytest.fixture
def shop(sqlite_template: Path, tmp_path: Path) -> Archived:
    """A database with the example package, whose log is archived but for its tail."""
    packages = tmp_path / "packages"
    packages.mkdir()
    install_example(packages)
    shop = Archived(
        copy_file(sqlite_template, tmp_path),
        str(tmp_path / "archive"),
        {"PYTHONPATH": str(packages)},
    )
    assert shop.command("migrate").code == 0
    assert shop.command("ingest", str(EXAMPLE / "redemptions.ndjson")).code == 0
    shop.archive_ranges(3)
    return shop


def _uses(shop: Archived) -> list[tuple[Any, ...]]:
    with shop.opened() as database:
        return sql(database, "SELECT * FROM voucher_use ORDER BY voucher_id")


def test_a_projection_of_another_package(cluster: Cluster, shop: Archived) -> None:
    expected = _uses(shop)
    assert len(expected) == 2
    with shop.opened() as database:
        sql(database, "UPDATE voucher_use SET times = 7")
    conf = f"spark.executorEnv.PYTHONPATH={shop.variables['PYTHONPATH']}"
    done = shop.rebuild(cluster, "--spark-conf", conf)
    assert (done.code, done.err) == (0, "")
    assert {each["name"]: each["matched"] for each in done.json["rebuilt"]}["voucher_use"] is True
    assert done.json["engine_position"] == 3
    assert _uses(shop) == expected


def test_an_executor_without_the_package_is_named(cluster: Cluster, shop: Archived) -> None:
    done = shop.rebuild(cluster)
    assert (done.code, done.failed_in_a_sentence) == (4, True)
    assert "An executor of Spark cannot fold: " in done.err
    assert "voucher" in done.err
