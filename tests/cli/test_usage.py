"""What every command has in common: where the database is named, and how a command ends."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.cli.conftest import Cli, Write
from tests.support.command import run_program
from tests.support.given import created, entered

_BORN = created("cust_1", at="2024-01-01T00:00:00Z")
_ENTERED = entered("cust_1", "seg_1", at="2024-01-02T00:00:00Z")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["nonsense"], id="unknown command"),
        pytest.param(["status", "--bogus"], id="unknown option"),
        pytest.param(["status", "extra"], id="argument too many"),
        pytest.param(["customer"], id="no id"),
        pytest.param(["customer", "a", "b"], id="two ids"),
        pytest.param(["customer", "-x"], id="an id like an option"),
        pytest.param(["ingest"], id="no file"),
        pytest.param(["ingest", "--strct", "FILE"], id="mistyped option before the file"),
        pytest.param(["ingest", "FILE", "--strct"], id="mistyped option behind the file"),
        pytest.param(["ingest", "FILE", "--project"], id="option without its value"),
        pytest.param(["ingest", "FILE", "--project", ""], id="empty project"),
        pytest.param(["ingest", "FILE", "--project", "x" * 201], id="long project"),
        pytest.param(["ingest", "FILE", "--type", "a\0b"], id="NUL in the type"),
        pytest.param(["ingest", "FILE", "--type", "\udcff"], id="type that is no text"),
        pytest.param(["ingest", "FILE", "--project", "\udcff"], id="project that is no text"),
        pytest.param(["ingest", "FILE", "--occurred-at", "yesterday"], id="no time"),
        pytest.param(["ingest", "FILE", "--occurred-at", "2024-01-01T00:00:00"], id="naive time"),
        pytest.param(["ingest", "nowhere"], id="no such file"),
        pytest.param(["ingest", "FILE", "nowhere"], id="one of the files is not there"),
        pytest.param(["ingest", "/"], id="a folder"),
        pytest.param(["rebuild", "nonsense"], id="unknown projection"),
        pytest.param(["rebuild", "--engine", "nonsense"], id="unknown engine"),
        pytest.param(["status", "--db"], id="no URL"),
        pytest.param(["status", "--db", "nonsense"], id="no URL at all"),
        pytest.param(["status", "--db", "mysql://u@h/d"], id="another database"),
        pytest.param(["status", "--db", "postgresql://u@h:port/d"], id="a port that is none"),
    ],
)
@pytest.mark.usefixtures("empty_database")
def test_wrong_usage_ends_with_2_and_a_sentence(
    cli: Cli, write: Write, arguments: list[str]
) -> None:
    file = write(_BORN)
    done = cli(*(file if each == "FILE" else each for each in arguments))
    assert done.code == 2, done.err
    assert done.failed_in_a_sentence
    assert "hint: " in done.err


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://u:secret@127.0.0.1:1/d", id="no server"),
        pytest.param("sqlite:////nowhere/projector.db", id="no such folder"),
        pytest.param("sqlite:////", id="a folder"),
        pytest.param("sqlite:///deliveries.ndjson", id="a file that is no database"),
    ],
)
@pytest.mark.parametrize("command", [["status", "--json"], ["customer", "x"], ["migrate"]])
def test_a_database_that_cannot_be_used_ends_with_4_and_a_sentence(
    cli: Cli, write: Write, command: list[str], url: str
) -> None:
    write(_BORN)
    done = cli(*command, "--db", url)
    assert done.code == 4, done.err
    assert done.failed_in_a_sentence
    assert "secret" not in done.err


@pytest.mark.parametrize(
    "command", [["status"], ["customer", "x"], ["ingest", "-"], ["rebuild", "--json"]]
)
def test_postgres_that_is_not_migrated_ends_with_4(
    cli: Cli, postgres_url: str, command: list[str]
) -> None:
    done = cli(*command, "--db", postgres_url)
    assert done.code == 4
    assert done.failed_in_a_sentence
    assert "projector migrate" in done.err


def test_an_unknown_customer_exits_with_3(cli: Cli, write: Write) -> None:
    cli("ingest", write(_BORN))
    for arguments in (["nobody"], ["cust_1", "--project", "other"], ["x", "--source-id"], [""]):
        done = cli("customer", *arguments, "--json")
        assert done.code == 3
        assert done.failed_in_a_sentence


@pytest.mark.usefixtures("empty_database")
def test_an_id_like_an_option_is_given_after_two_hyphens(cli: Cli) -> None:
    assert cli("customer", "--", "-x").code == 3


def test_the_default_database_is_projector_db_in_the_working_folder(cli: Cli, folder: Path) -> None:
    assert cli("migrate").code == 0
    assert (folder / "projector.db").is_file()


def test_the_environment_names_the_database(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJECTOR_DATABASE_URL", "sqlite:///named.db")
    assert cli("migrate").code == 0
    assert [path.name for path in folder.glob("*.db")] == ["named.db"]


def test_an_empty_variable_names_nothing(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJECTOR_DATABASE_URL", "")
    cli("migrate")
    assert [path.name for path in folder.glob("*.db")] == ["projector.db"]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--db", "sqlite:///mine.db", "migrate", "--json"], id="before"),
        pytest.param(["migrate", "--db", "sqlite:///mine.db", "--json"], id="behind"),
        pytest.param(["migrate", "--json", "--db", "sqlite:///mine.db"], id="at the end"),
        pytest.param(["migrate", "--db=sqlite:///mine.db", "--json"], id="with an equals sign"),
    ],
)
def test_the_option_names_the_database_wherever_it_stands_before_the_environment(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("PROJECTOR_DATABASE_URL", "sqlite:///not_this_one.db")
    assert cli(*arguments).json["before"] is None
    assert [path.name for path in folder.glob("*.db")] == ["mine.db"]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["ingest", "--help"]])
def test_help_is_no_error_and_needs_no_database(
    cli: Cli, folder: Path, arguments: list[str]
) -> None:
    done = cli(*arguments)
    assert done.code == 0
    assert "Usage: projector" in done.out
    assert list(folder.glob("*.db")) == []


def test_the_version_is_the_installed_one(cli: Cli) -> None:
    from importlib.metadata import version

    assert cli("--version").out.strip() == version("customer-state-projector")


def test_the_whole_road_on_postgres(cli: Cli, write: Write, postgres_url: str) -> None:
    url = str(make_url(postgres_url).set(drivername="postgresql"))
    assert cli("migrate", "--db", url).code == 0
    assert cli("ingest", write(_BORN, _ENTERED), "--db", url, "--json").json["head"] == 2
    assert cli("customer", "cust_1", "--db", url, "--json").json["segments"] == [
        {
            "segment_id": "seg_1",
            "name": "Segment seg_1",
            "entered_at": "2024-01-02T00:00:00.000Z",
            "seen_at": None,
        }
    ]
    assert cli("rebuild", "--db", url).code == 0
    assert cli("status", "--db", url, "--json").json["head"] == 2


def test_the_program_ends_with_the_commands_code(tmp_path: Path) -> None:
    assert run_program(tmp_path, "migrate", "--json").json["before"] is None
    assert run_program(tmp_path, "nonsense").code == 2
    assert run_program(tmp_path, "customer", "nobody").code == 3
    assert run_program(tmp_path, "status", PROJECTOR_DATABASE_URL="sqlite:////").code == 4
    assert run_program(tmp_path, "ingest", "-", "--strict", stdin=b"{\n").code == 1


def test_log_records_of_a_driver_do_not_appear_in_the_output(tmp_path: Path) -> None:
    script = "import logging; from projector.cli.program import run; run(['--version'])"
    script += "; logging.getLogger('psycopg').warning('the connection is lost')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
