"""`rebuild`: the tables anew from the log; what would change, and one customer alone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from projector.projections import discover
from replay import engines
from replay.engines import Engine, EnginePiece, Job
from tests.cli.conftest import Cli, Rows, Tamper, Write
from tests.support.given import entered

MONDAY = "2024-03-04T10:00:00Z"
NAMES = [each.name for each in discover()]
_KEYS = [
    "rebuilt",
    "swapped",
    "events",
    "engine",
    "engine_position",
    "engine_cost",
    "seconds",
    "pause_seconds",
    "dependents",
    "found_leftovers",
    "impact",
]
_SPARK = ["--engine", "spark", "--archive", "a"]
#: Three of four customers are in it no more.
_LOSE = (
    "UPDATE segment_membership SET is_member = 0"
    " WHERE segment_id = 'seg_5' AND customer_id <> 'cust_4'"
)


def test_programs_get_what_was_rebuilt(cli: Cli, tamper: Tamper, folder: Path) -> None:
    status = {each["name"]: each for each in cli("status", "--json").json["projections"]}
    done = cli("rebuild", "--json")
    assert (done.code, done.err) == (0, "")
    assert list(done.json) == _KEYS
    assert [list(each) for each in done.json["rebuilt"]] == [
        ["name", "rows", "position", "dead_letters", "digest", "matched"]
    ] * 5
    assert [each["name"] for each in done.json["rebuilt"]] == NAMES
    assert [each["rows"] for each in done.json["rebuilt"]] == [4, 8, 12, 12, 16]
    for each in done.json["rebuilt"]:
        assert (each["position"], each["dead_letters"], each["matched"]) == (40, 0, True)
        assert each["digest"] == status[each["name"]]["digest"]
    assert (done.json["swapped"], done.json["events"], done.json["impact"]) == (True, 40, None)
    assert (done.json["dependents"], done.json["found_leftovers"]) == ([], False)
    assert 0 < done.json["pause_seconds"] < done.json["seconds"]
    assert {each.name for each in folder.iterdir()} >= {"projector.db"}
    assert not (folder / "projector.db-rebuild").exists()


def test_people_see_a_table(cli: Cli, tamper: Tamper) -> None:
    done = cli("rebuild", "customer")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Rebuilt\n")
    assert "customer" in done.out
    assert "loyalty_tier" not in done.out
    assert "40 events in " in done.out
    assert "Writers had to wait for " in done.out
    for untold in ("killed", "Copied rows", "Customers who"):
        assert untold not in done.out


def test_people_are_told_of_leftovers_and_of_what_hangs_on_the_tables(
    cli: Cli, tamper: Tamper, folder: Path
) -> None:
    tamper("CREATE INDEX mine ON customer (email)")
    (folder / "projector.db-rebuild").mkdir()
    (folder / "projector.db-rebuild" / "bucket-1").touch()
    out = cli("rebuild").out
    assert "Removed the tables or files that a killed rebuild had left." in out
    assert "Copied rows instead of swapping tables, to keep: index mine." in out
    assert cli("rebuild", "--json").json["dependents"] == ["index mine"]


def test_the_projections_that_were_not_named_are_brought_to_the_head(
    cli: Cli, tamper: Tamper, write: Write
) -> None:
    cli("ingest", write(entered("cust_9", "seg_1", at="2024-03-20T10:00:00Z")), "--no-catch-up")
    assert cli("rebuild", "customer").code == 0
    assert [each["lag"] for each in cli("status", "--json").json["projections"]] == [0] * 5


@pytest.mark.parametrize("engine", ["in-process", "parallel"])
def test_every_engine_is_known_by_its_name(
    cli: Cli, tamper: Tamper, rows: Rows, engine: str
) -> None:
    before = rows()
    tamper("UPDATE customer SET name = 'wrong'", "DELETE FROM loyalty_tier")
    assert cli("rebuild", "--engine", engine).code == 0
    # But for the number of times that rows were written otherwise than by going forward.
    assert rows()[:5] == before[:5]
    assert cli("verify").code == 0


@pytest.mark.parametrize(
    ("given", "engine", "workers"),
    [
        pytest.param([], "in-process", None, id="small log"),
        pytest.param(["--workers", "2"], "parallel", 2, id="workers"),
        pytest.param(["--engine", "in-process", "--workers", "3"], "in-process", 3, id="both"),
    ],
)
def test_without_a_name_the_engine_is_the_one_that_suits(
    cli: Cli,
    tamper: Tamper,
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    engine: str,
    workers: int | None,
) -> None:
    used: list[tuple[str, int]] = []
    in_process = engines.ENGINES["in-process"]

    def noting(name: str) -> Engine:
        def run(job: Job) -> Iterator[EnginePiece]:
            used.append((name, job.workers))
            return in_process.run(job)

        return Engine(name=name, run=run)

    monkeypatch.setattr(engines, "ENGINES", {each: noting(each) for each in engines.ENGINES})
    assert cli("rebuild", *given).code == 0
    assert used == [(engine, workers or engines.available_cores())]
    monkeypatch.setattr(engines, "PARALLEL_EVENTS_MIN", 40)
    assert cli("rebuild").code == 0
    assert used[1][0] == "parallel"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param(
            ["--engine", "flink"],
            "'flink'; known engines: in-process, parallel, spark",
            id="engine",
        ),
        pytest.param(["--engine", "spark"], "No archive is given", id="no archive"),
        pytest.param(["--archive", "a"], "are for --engine spark", id="only an archive"),
        pytest.param(["--engine", "parallel", "--spark", "local"], "are for", id="another engine"),
        pytest.param(
            [*_SPARK, "--workers", "2"], "--workers is for the parallel", id="Spark's workers"
        ),
        pytest.param([*_SPARK, "--partitions", "0"], "--partitions must be 1", id="no partition"),
        pytest.param([*_SPARK, "--spark-conf", "x=1"], "setting of Spark 'x=1'", id="no setting"),
        pytest.param([*_SPARK, "--spark-conf", "spark.master=x"], "'spark.master=x'", id="master"),
        pytest.param(["--engine", ""], "Unknown engine ''", id="no engine"),
        pytest.param(["--workers", "0"], "--workers must be 1 or more, not 0.", id="no workers"),
        pytest.param(
            ["--workers", "-1"], "--workers must be 1 or more, not -1.", id="fewer workers"
        ),
        pytest.param(["--workers", "1.5"], "1.5", id="half a worker"),
        pytest.param(
            ["--max-change", "101"], "--max-change must be 0 to 100, not 101", id="impact of 101"
        ),
        pytest.param(
            ["--max-change=-1"], "--max-change must be 0 to 100, not -1", id="impact below 0"
        ),
        pytest.param(
            ["--max-change", "nan"], "--max-change must be 0 to 100, not nan", id="impact of nan"
        ),
        pytest.param(["--max-change", "much"], "much", id="impact of a word"),
        pytest.param(["customers"], "'customers'", id="unknown projection"),
        pytest.param(["--customer", "cust_1", "--dry-run"], "exactly one", id="dry repair"),
        pytest.param(["--customer", "cust_1", "--workers", "1"], "exactly one", id="workers"),
        pytest.param(["--customer", "cust_1", "--max-change", "0"], "exactly one", id="impact"),
        pytest.param(["--customer", "cust_1", "--engine", "parallel"], "exactly one", id="repair"),
    ],
)
def test_contradictory_options_of_rebuild_exit_with_2_and_change_nothing(
    cli: Cli, tamper: Tamper, rows: Rows, given: list[str], told: str
) -> None:
    before = rows()
    done = cli("rebuild", *given)
    assert done.code == 2
    assert done.failed_in_a_sentence
    assert told in done.err
    assert rows() == before


def test_a_dry_run_prints_the_impact_and_changes_nothing(
    cli: Cli, tamper: Tamper, rows: Rows
) -> None:
    tamper(_LOSE)
    before = rows()
    done = cli("rebuild", "--dry-run", "--json")
    assert (done.code, done.err) == (0, "")
    assert rows() == before
    assert list(done.json) == _KEYS
    assert done.json["swapped"] is False
    assert {each["matched"] for each in done.json["rebuilt"]} == {None}
    assert [each["rows"] for each in done.json["rebuilt"]] == [4, 8, 12, 12, 16]
    assert done.json["pause_seconds"] == 0
    impact = done.json["impact"]
    assert list(impact) == ["customers", "percent", "segments", "tiers", "rows"]
    assert (impact["customers"], impact["percent"], impact["tiers"]) == (3, 75.0, [])
    assert impact["segments"] == [
        {
            "project_id": "proj_1",
            "id": "seg_5",
            "name": "Segment seg_5",
            "gaining": 3,
            "losing": 0,
            "gaining_examples": ["cust_1", "cust_2", "cust_3"],
            "losing_examples": [],
        }
    ]
    assert [list(each.values()) for each in impact["rows"]] == [
        [name, *([3, 3] if name == "segment_membership" else [0, 0])] for name in NAMES
    ]
    assert list(impact["rows"][0]) == ["name", "rows_new", "rows_gone"]


def test_people_see_who_would_gain_and_lose(cli: Cli, tamper: Tamper) -> None:
    tamper(_LOSE, "UPDATE loyalty_tier SET tier_id = 'ltr_9' WHERE customer_id = 'cust_4'")
    out = cli("rebuild", "--dry-run").out
    assert out.startswith("Would be rebuilt\n")
    assert "Customers who gain or lose a segment or tier: 4, 100.00 %." in out
    assert out.index("\nSegments\n") < out.index("\nTiers\n")
    for told in ("seg_5", "Segment seg_5", "cust_3", "ltr_9", "ltr_2"):
        assert told in out
    rows = {line.split("│")[1].strip(): line.split("│")[5:7] for line in out.splitlines()[4:9]}
    assert [int(each) for each in rows["segment_membership"]] == [3, 3]
    assert [int(each) for each in rows["customer"]] == [0, 0]
    assert "Writers had to wait" not in out


def test_people_see_the_first_groups_and_how_many_more_there_are(
    cli: Cli, write: Write, folder: Path
) -> None:
    many = [entered("cust_1", f"seg_{number:02}", at=MONDAY) for number in range(60)]
    cli("ingest", write(*many))
    with closing(sqlite3.connect("projector.db")) as connection, connection:
        connection.execute("DELETE FROM segment_membership")
    out = cli("rebuild", "--dry-run").out
    assert "seg_49" in out
    assert "seg_50" not in out
    assert "And 10 more; --json has them." in out
    assert len(cli("rebuild", "--dry-run", "--json").json["impact"]["segments"]) == 60


def test_more_change_than_allowed_ends_with_1_and_changes_nothing(
    cli: Cli, tamper: Tamper, rows: Rows, folder: Path
) -> None:
    tamper(_LOSE)
    before = rows()
    for allowed in ("0", "74.9"):
        done = cli("rebuild", "--max-change", allowed, "--json")
        assert done.code == 1
        assert done.failed_in_a_sentence
        assert "would change 75.00 % of the customers, more than " in done.err
        assert "--dry-run" in done.err
        assert rows() == before
        assert not (folder / "projector.db-rebuild").exists()
    done = cli("rebuild", "--max-change", "75", "--json")
    assert (done.code, done.json["swapped"], done.json["impact"]["customers"]) == (0, True, 3)
    assert cli("verify").code == 0


def test_no_change_is_no_more_than_none(cli: Cli, tamper: Tamper) -> None:
    done = cli("rebuild", "--max-change", "0")
    assert done.code == 0
    assert "Customers who gain or lose a segment or tier: 0, 0.00 %." in done.out
