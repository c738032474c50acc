"""One customer's rows anew; and a backlog that goes by the road of a rebuild."""

from pathlib import Path
from typing import Any

import pytest

import replay
from projector.errors import RebuildRunning, RightsMissing, SpillUnwritable, WorkerDied
from projector.projections import discover
from replay import backlog, engines
from tests.cli.conftest import Cli, Rows, Tamper, Write
from tests.support.given import created, joined
from tests.support.tampering import life

MONDAY = "2024-03-04T10:00:00Z"
NAMES = [each.name for each in discover()]


def test_rebuilding_one_customer_leaves_the_others_unchanged(cli: Cli, tamper: Tamper) -> None:
    tamper("UPDATE customer SET name = 'wrong'", "DELETE FROM loyalty_tier")
    done = cli("rebuild", "--customer", "cust_1", "--json")
    assert (done.code, done.err) == (0, "")
    assert list(done.json) == ["project_id", "customer_id", "rows"]
    assert done.json["rows"] == dict(zip(NAMES, [1, 2, 3, 3, 4], strict=True))
    found = cli("verify", "--json").json["customers"]
    assert [each["customer_id"] for each in found] == ["cust_2", "cust_3", "cust_4"]
    people = cli("rebuild", "customer", "--customer", "cust_2")
    assert people.out.startswith("Rebuilt customer cust_2 in proj_1.\nRows\n")
    assert "loyalty_tier" not in people.out


def test_a_customer_is_found_by_the_shops_own_id(cli: Cli, write: Write) -> None:
    cli("ingest", write(created("cust_1", at=MONDAY, source_id="shop")))
    done = cli("rebuild", "--customer", "shop", "--source-id", "--json")
    assert (done.code, done.json["customer_id"]) == (0, "cust_1")
    assert cli("rebuild", "--customer", "shop").code == 3


@pytest.mark.parametrize("option", [["--project", "proj_1"], ["--source-id"]])
def test_whose_rows_are_meant_must_be_said(cli: Cli, option: list[str]) -> None:
    done = cli("rebuild", *option)
    assert done.code == 2
    assert "--project and --source-id need --customer" in done.err


def test_rebuilding_an_unknown_customer_exits_with_3(cli: Cli, tamper: Tamper, rows: Rows) -> None:
    before = rows()
    for given in (["cust_9"], ["cust_1", "--project", "proj_9"], ["\0"], ["cust_1", "--source-id"]):
        done = cli("rebuild", "--customer", *given)
        assert done.code == 3
        assert done.failed_in_a_sentence
    assert rows() == before


def test_an_id_of_several_projects_ends_with_2_unless_one_is_named(cli: Cli, write: Write) -> None:
    both = [joined("cust_1", "ltr_1", at=MONDAY, project_id=f"proj_{n}") for n in (1, 2)]
    cli("ingest", write(*both))
    done = cli("rebuild", "--customer", "cust_1")
    assert done.code == 2
    assert done.failed_in_a_sentence
    assert "cust_1 in proj_1, cust_1 in proj_2" in done.err
    done = cli("rebuild", "--customer", "cust_1", "--project", "proj_2", "--json")
    assert (done.code, done.json["project_id"]) == (0, "proj_2")


def test_a_backlog_before_empty_tables_goes_by_a_rebuild_to_the_same_rows(
    cli: Cli,
    tamper: Tamper,
    rows: Rows,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
) -> None:
    live = rows()
    rebuilt = _noting(monkeypatch)
    monkeypatch.setattr(engines, "PARALLEL_EVENTS_MIN", 40)
    cli("ingest", "deliveries.ndjson")
    assert rebuilt == [], "the tables are not empty"
    (folder / "projector.db").rename("other.db")
    done = cli("ingest", "deliveries.ndjson", "--json")
    assert (done.code, done.err) == (0, "")
    outcomes = ["appended", "duplicates", "conflicts", "quarantined", "suppressed"]
    assert list(done.json) == ["read", *outcomes, "head"]
    assert len(rebuilt) == 1
    assert rows()[:5] == live[:5]
    assert [row[1] for row in rows()[5]] == [40] * 5
    assert cli("verify").code == 0


def test_fewer_events_go_batch_by_batch(
    cli: Cli, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebuilt = _noting(monkeypatch)
    monkeypatch.setattr(engines, "PARALLEL_EVENTS_MIN", 10)
    cli("ingest", write(*life("cust_1")))
    assert rebuilt == []


@pytest.mark.parametrize(
    "error",
    [
        RebuildRunning(url="sqlite:///projector.db"),
        RightsMissing(url="sqlite:///projector.db", reason="no"),
        SpillUnwritable(path="x", reason="full"),
        WorkerDied(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_rebuild_lacks_a_backlog_may_not_need(
    cli: Cli, write: Write, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def lacking(*_given: Any, **_more: Any) -> None:
        raise error

    monkeypatch.setattr(engines, "PARALLEL_EVENTS_MIN", 1)
    for module in (replay, backlog):
        monkeypatch.setattr(module, "rebuild", lacking)
    assert cli("ingest", write(*life("cust_1"))).code == 0
    assert cli("status", "--json").json["projections"][0]["lag"] == 0
    assert cli("rebuild").code == type(error).exit_code  # type: ignore[attr-defined]


def _noting(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Notes each rebuild."""
    seen: list[None] = []
    real = replay.rebuild

    def noted(*given: Any, **more: Any) -> Any:
        seen.append(None)
        return real(*given, **more)

    monkeypatch.setattr(backlog, "rebuild", noted)
    return seen
