"""The demonstration shows what it promises, and the sample tells the story that is told of it."""

import os
import re
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from projector import DeliveryDefaults, IngestReport
from projector.app import Projector
from projector.intake.documents import split_documents
from projector.intake.sources import read
from projector.store.append import Outcome, Receipt, append
from projector.store.database import Database
from projector.store.tables import event

_DOCS = Path(__file__).parents[2] / "docs"
_SAMPLE = _DOCS / "sample" / "deliveries.ndjson"
_STORY = (_DOCS / "sample" / "README.md").read_text()

_GIVEN = DeliveryDefaults(project_id="proj_Kestrel4mZr8QwTx2LbVn6Yd")

_MARA, _THEO, _PRIYA, _JONAS = "shop-1001", "shop-0874", "shop-0952", "shop-0961"


def _demo(folder: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    """Run the demonstration in a folder; it makes its own one below."""
    path = (str(programs), str(Path(sys.executable).parent), os.environ["PATH"])
    return subprocess.run(
        ["sh", _DOCS / "demo.sh"],
        cwd=folder,
        env={
            **os.environ,
            "PATH": os.pathsep.join(path),
            "TMPDIR": str(folder),
            "PROJECTOR_DATABASE_URL": f"sqlite:///{folder}/of-the-user.db",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_demo_shows_the_main_job(tmp_path: Path) -> None:
    done = _demo(tmp_path, programs=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for line in (
        "Read 30: appended 24, duplicates 3, conflicts 1, quarantined 2. The log is at position"
        " 24.",
        "Mara Lindqvist (cust_Mara7vQ8tLwXz2RkNb4Yc1Pd in proj_Kestrel4mZr8QwTx2LbVn6Yd)",
        '    "complete": false,',
        "Read 30: appended 0, duplicates 27, conflicts 1, quarantined 2. The log is at position"
        " 24.",
        "error: Customer 'shop-1001' not found.",
        "$ projector rebuild",
        "Yes: the same answer, and the same 30 rows in the tables.",
    ):
        assert f"\n{line}\n" in done.stdout


def test_the_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    _demo(tmp_path, programs=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    ["UPDATE customer SET name = 'Nobody'", "UPDATE loyalty_tier SET gaps = gaps + 1"],
    ids=["rows", "answer"],
)
def test_the_demo_fails_loudly_when_a_rebuild_gives_something_else(
    tmp_path: Path, damage: str
) -> None:
    programs, folder = tmp_path / "programs", tmp_path / "folder"
    folder.mkdir()
    _put_in_the_way(programs, damage)
    done = _demo(folder, programs=programs)
    assert done.returncode == 1
    assert "FAILED: the rebuild gives" in done.stderr
    assert "Yes:" not in done.stdout
    assert list(folder.iterdir()) == []


def _put_in_the_way(programs: Path, damage: str) -> None:
    """A `projector` that does its work, and after a rebuild some damage."""
    programs.mkdir()
    wrapper = programs / "projector"
    wrapper.write_text(
        f"""#!{sys.executable}
import sqlite3, sys
from projector.cli.program import run

code = run(sys.argv[1:])
if sys.argv[1] == "rebuild":
    with sqlite3.connect("projector.db") as database:
        database.execute({damage!r})
sys.exit(code)
"""
    )
    wrapper.chmod(0o755)


def test_every_line_of_the_sample_becomes_what_its_story_says(migrated_url: str) -> None:
    told = re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", _STORY, re.M)
    with closing(Database(migrated_url)) as database:
        became = [
            (str(number), "; ".join(_became(database, line)))
            for number, line in enumerate(_SAMPLE.read_bytes().splitlines(), start=1)
        ]
    assert became == told


def _became(database: Database, line: bytes) -> list[str]:
    items = [item for document in split_documents([line]) for item in read(document, _GIVEN)]
    receipts = append(database, items, received_at=datetime.now(UTC))
    return [_in_words(database, receipt) for receipt in receipts]


def _in_words(database: Database, receipt: Receipt) -> str:
    if receipt.outcome is not Outcome.APPENDED:
        return receipt.reason or receipt.outcome
    with database.reading() as connection:
        late = select(event.c.late).where(event.c.position == receipt.position)
        return "appended, late" if connection.execute(late).scalar_one() else "appended"


def test_the_sample_as_a_whole_gives_the_documented_counts(migrated_url: str) -> None:
    told = re.search(
        r"(\d+) lines are (\d+) deliveries: (\d+) are appended, (\d+) are duplicates, "
        r"(\d+) is a conflict, (\d+) cannot be read",
        _STORY,
    )
    assert told is not None
    lines, read_, appended, duplicates, conflicts, quarantined = map(int, told.groups())
    assert len(_SAMPLE.read_bytes().splitlines()) == lines
    with closing(Database(migrated_url)) as database:
        assert Projector(database).ingest_file(str(_SAMPLE), _GIVEN) == IngestReport(
            read=read_,
            appended=appended,
            duplicates=duplicates,
            conflicts=conflicts,
            quarantined=quarantined,
            suppressed=0,
            head=appended,
        )


def test_the_sample_ends_in_the_state_that_its_story_says(migrated_url: str) -> None:
    with closing(Database(migrated_url)) as database:
        projector = Projector(database)
        projector.ingest_file(str(_SAMPLE), _GIVEN)
        projector.catch_up()
        mara, theo, priya, jonas = (
            projector.customer(each, by_source_id=True) for each in (_MARA, _THEO, _PRIYA, _JONAS)
        )
    assert [segment.name for segment in mara.segments] == ["Espresso lovers"]
    assert [(tier.name, tier.certain) for tier in mara.tiers] == [("Silver", True)]
    assert [(segment.name, segment.entered_at) for segment in theo.segments] == [
        ("Cart left behind", datetime(2025, 3, 10, 15, 40, 10, 480_000, UTC)),
        ("Not seen for 60 days", datetime(2025, 5, 9, 9, 12, 0, 634_000, UTC)),
    ]
    assert [(tier.name, str(tier.expires_on)) for tier in theo.tiers] == [("Bronze", "2025-12-31")]
    assert [(tier.name, tier.certain) for tier in priya.tiers] == [("Bronze", False)]
    assert (jonas.segments, jonas.tiers, jonas.deleted_at) == (
        (),
        (),
        datetime(2025, 6, 1, 10, 2, 8, 490_000, UTC),
    )
    assert [(each.complete, each.gaps) for each in (mara, theo, priya, jonas)] == [
        (True, 0),
        (True, 0),
        (False, 2),
        (True, 0),
    ]
