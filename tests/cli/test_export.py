"""`export customers`: every answer, one JSON document a line."""

import subprocess
from pathlib import Path

import pytest

from projector import open_projector
from tests.cli.conftest import Cli, Write
from tests.support.command import PROGRAM, environment, run_program
from tests.support.given import append_and_project, created, delivery, entered, joined, left

_STORY = [
    created("cust_1", at="2024-01-01T00:00:00Z", name="Zoë 日本", source_id="shop"),
    created("cust_é", at="2024-01-01T00:00:00Z", project_id="proj_2"),
    entered("cust_1", "seg_1", at="2024-01-02T00:00:00.000250Z"),
    joined("cust_1", "ltr_1", at="2024-01-03T00:00:00Z"),
    created("cust_Z", at="2024-01-01T00:00:00Z", project_id="proj_2"),
    left("cust_2", "seg_1", at="2024-01-02T00:00:00Z"),
    entered("cust_3", None, at="2024-01-02T00:00:00Z"),
    delivery("something.else", "cust_4", at="2024-01-02T00:00:00Z"),
]
_EXPORTED = [
    ("proj_1", "cust_1"),
    ("proj_1", "cust_2"),
    ("proj_1", "cust_3"),
    ("proj_1", "cust_4"),
    ("proj_2", "cust_Z"),
    ("proj_2", "cust_é"),
]


def test_each_line_is_what_is_said_of_that_customer(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_STORY))
    whole = cli("export", "customers")
    assert (whole.code, whole.err) == (0, "")
    assert whole.out.splitlines(keepends=True) == [
        cli("customer", customer_id, "--project", project_id, "--json").out
        for project_id, customer_id in _EXPORTED
    ]
    assert cli("export", "customers", "--json").out == whole.out
    assert cli("customer", "cust_5").code == 3


def test_at_a_position_it_is_what_a_database_says_that_got_no_more(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_STORY))
    for position in range(len(_STORY) + 1):
        fresh = ("--db", f"sqlite:///fresh_{position}.db")
        cli("ingest", write(*_STORY[:position]), *fresh)
        then = cli("export", "customers", "--at-position", str(position))
        assert (then.code, then.out) == (0, cli("export", "customers", *fresh).out)


@pytest.mark.usefixtures("empty_database")
def test_the_export_of_an_empty_log_is_empty(cli: Cli) -> None:
    done = cli("export", "customers")
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.parametrize("position", ["-1", "9", "99999999999999999999", "x", "1.5", ""])
def test_a_position_that_is_not_in_the_log_ends_with_2_and_a_sentence(
    cli: Cli, write: Write, position: str
) -> None:
    cli("ingest", write(*_STORY))
    done = cli("export", "customers", f"--at-position={position}")
    assert done.code == 2
    assert done.failed_in_a_sentence


@pytest.mark.parametrize("arguments", [[], ["--at-position", "2000"]], ids=["now", "position"])
def test_a_reader_that_has_seen_enough_of_an_export_is_no_error(
    migrated_url: str, tmp_path: Path, arguments: list[str]
) -> None:
    """As in `projector export customers | head -1`."""
    with open_projector(migrated_url) as projector:
        everybody = [
            created(f"cust_{n}", at="2024-01-01T00:00:00Z", name="x" * 100) for n in range(2000)
        ]
        append_and_project(projector.database, *everybody)
    with subprocess.Popen(
        [*PROGRAM, "export", "customers", *arguments],
        cwd=tmp_path,
        env=environment(PROJECTOR_DATABASE_URL=migrated_url, PYTHONWARNINGS="always"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b'"cust_0"' in process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (128 + 13, b"")


def test_an_export_without_saying_what_shows_what_there_is(tmp_path: Path) -> None:
    done = run_program(tmp_path, "export")
    assert "customers" in done.out
