"""`ingest`: every delivery is counted once, from whatever it comes."""

import gzip
import json
import socket
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from projector.store.database import Database
from tests.cli.conftest import Cli, Write, lines
from tests.support.command import run_program
from tests.support.given import created, delivery, entered, in_shape
from tests.support.suppressions import erase

_KEYS = ["read", "appended", "duplicates", "conflicts", "quarantined", "suppressed", "head"]


def _born(number: int) -> dict[str, Any]:
    return created(f"cust_{number}", at="2024-01-01T00:00:00Z", name=f"Customer {number}")


_MANY = [_born(number) for number in range(20)]


def _counts(*numbers: int, suppressed: int = 0) -> dict[str, int]:
    *outcomes, head = numbers
    return dict(zip(_KEYS, (*outcomes, suppressed, head), strict=True))


def test_the_report_has_its_keys_in_their_order(cli: Cli, write: Write) -> None:
    report = cli("ingest", write(_born(1)), "--json").json
    assert list(report) == _KEYS
    assert report == _counts(1, 1, 0, 0, 0, 1)


def test_every_delivery_is_counted_as_one_of_four_things(cli: Cli, write: Write) -> None:
    contradicting = _born(1) | {"data": {"customer": {"id": "cust_2", "name": "Customer 1"}}}
    file = write(_born(1), _born(2), _born(1), contradicting, b"{", _born(3), b"[]", b"null")
    done = cli("ingest", file, "--json")
    assert done.code == 0
    assert done.json == _counts(7, 3, 1, 1, 2, 3)
    assert cli("ingest", file, "--json").json == _counts(7, 0, 4, 1, 2, 3)


def test_what_was_erased_is_counted_and_not_let_in(cli: Cli, write: Write) -> None:
    file = write(_born(1), _born(2), _born(3), b"{")
    cli("ingest", file)
    with closing(Database("sqlite:///projector.db")) as database, database.writing() as connection:
        erase(connection, ("proj_1", "cust_1"), ("proj_1", "cust_2"))
    assert cli("ingest", file, "--json").json == _counts(4, 0, 1, 0, 1, 4, suppressed=2)
    done = cli("ingest", file, write(_born(1), name="more"))
    assert "quarantined 1, suppressed 3. The log is at position 4." in done.out


def test_people_are_told_in_a_sentence(cli: Cli, write: Write) -> None:
    done = cli("ingest", write(_born(1), b"{"))
    for said in ("Read 2", "appended 1", "quarantined 1", "position 1"):
        assert said in done.out
    assert done.err == ""


def test_the_tables_are_brought_up_to_date(cli: Cli, write: Write) -> None:
    cli("ingest", write(_born(1)))
    assert cli("customer", "cust_1", "--json").json["name"] == "Customer 1"
    assert {each["lag"] for each in cli("status", "--json").json["projections"]} == {0}


def test_without_projecting_the_tables_stay_behind(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_MANY[:3]))
    assert cli("ingest", write(*_MANY[:5]), "--no-catch-up", "--json").json["head"] == 5
    found = cli("status", "--json").json
    assert {(each["position"], each["lag"]) for each in found["projections"]} == {(3, 2)}
    assert cli("customer", "cust_4").code == 3
    cli("ingest", "-")
    assert cli("customer", "cust_4").code == 0


@pytest.mark.parametrize(
    ("deliveries", "code"),
    [
        pytest.param([_born(1), _born(1)], 0, id="all in the log"),
        pytest.param([_born(1), b"{"], 1, id="something cannot be read"),
        pytest.param([_born(1), _born(1) | {"data": _born(2)["data"]}], 1, id="a conflict"),
        pytest.param([], 0, id="nothing"),
    ],
)
def test_strict_ends_with_1_when_anything_was_put_aside(
    cli: Cli, write: Write, deliveries: list[Any], code: int
) -> None:
    done = cli("ingest", write(*deliveries), "--strict", "--json")
    assert done.code == code
    assert list(done.json) == _KEYS
    assert {each["lag"] for each in cli("status", "--json").json["projections"]} == {0}


def test_standard_input_is_a_file_too(cli: Cli) -> None:
    assert cli("ingest", "-", "--json", stdin=lines(*_MANY)).json == _counts(20, 20, 0, 0, 0, 20)


def test_several_files_are_one_report(cli: Cli, write: Write) -> None:
    one, other = write(*_MANY[:3], name="a"), write(*_MANY[2:5], b"{", name="b")
    done = cli("ingest", one, "-", other, "--json", stdin=lines(_born(9)))
    assert done.json == _counts(8, 6, 1, 0, 1, 6)


def test_files_and_options_may_stand_in_any_order(cli: Cli, write: Write) -> None:
    entry = in_shape("activity", _born(7))
    one, other = write(entry, name="a"), write(_born(2), name="b")
    done = cli("ingest", "--json", one, "--project", "proj_9", other, "--strict")
    assert done.json["appended"] == 2
    assert cli("customer", "cust_7", "--json").json["project_id"] == "proj_9"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps(_MANY).encode(), id="an array"),
        pytest.param(json.dumps(_MANY, indent=2).encode(), id="an array over many lines"),
        pytest.param("\n".join(json.dumps(each, indent=4) for each in _MANY).encode(), id="pretty"),
        pytest.param(b"\r\n".join(json.dumps(each).encode() for each in _MANY), id="Windows"),
        pytest.param("".join(map(json.dumps, _MANY)).encode(), id="all on one line"),
        pytest.param(b"\n\n \n" + lines(*_MANY) + b"\n\n", id="blank lines"),
        pytest.param(b"\xef\xbb\xbf" + lines(*_MANY), id="a mark before it"),
        pytest.param(
            json.dumps(
                {
                    "object": "list",
                    "data_ref": "data",
                    "data": [in_shape("activity", each) for each in _MANY],
                    "has_more": False,
                }
            ).encode(),
            id="a page of activity",
        ),
    ],
)
def test_the_layout_of_a_file_makes_no_difference(cli: Cli, content: bytes) -> None:
    done = cli("ingest", "-", "--project", "proj_1", "--json", stdin=content)
    assert done.json == _counts(20, 20, 0, 0, 0, 20)


def test_an_empty_file_is_no_error(cli: Cli, write: Write) -> None:
    assert cli("ingest", write(), "--json").json == _counts(0, 0, 0, 0, 0, 0)
    assert cli("ingest", "-", "--json", stdin=gzip.compress(b"")).json["read"] == 0


def test_an_activity_without_customers_is_the_callers(cli: Cli, write: Write) -> None:
    nameless = in_shape("activity", delivery("customer.created", None, at="2024-01-01T00:00:00Z"))
    theirs = in_shape("activity", _born(2))
    done = cli(
        "ingest", write(nameless, theirs), "--project", "p", "--customer", "cust_1", "--json"
    )
    assert done.json == _counts(2, 1, 0, 0, 1, 1)
    assert cli("customer", "cust_1").code == 0
    assert cli("quarantine", "--json").json["counts"] == {"other_customer": 1}


@pytest.mark.parametrize("customer", ["", "x" * 201])
def test_a_customer_that_is_no_identifier_is_refused(cli: Cli, write: Write, customer: str) -> None:
    done = cli("ingest", write(_born(1)), "--customer", customer)
    assert done.code == 2
    assert "--customer" in done.err


def test_a_leap_second_may_be_given_as_a_time(cli: Cli, write: Write) -> None:
    when = ["--type", "customer.created", "--occurred-at", "2016-12-31T23:59:60Z"]
    cli("ingest", write({"customer": {"id": "cust_1"}}), "--project", "p", *when)
    last = "2016-12-31T23:59:59.999999Z"
    as_of = ["--as-of", "2016-12-31T23:59:60Z", "--json"]
    assert cli("customer", "cust_1", *as_of).json["last_event_at"] == last


def test_the_caller_says_what_bare_data_do_not(cli: Cli, write: Write) -> None:
    data = {"customer": {"id": "cust_1"}, "segment": {"id": "seg_1", "name": "New"}}
    when = ["--type", "customer.segment.entered", "--occurred-at", "2024-03-01T12:00:00+02:00"]
    file = write(data)
    assert cli("ingest", file, "--json").json["quarantined"] == 1
    assert cli("ingest", file, "--project", "p", *when, "--json").json["appended"] == 1
    assert cli("ingest", file, "--project", "p", *when, "--json").json["duplicates"] == 1
    [segment] = cli("customer", "cust_1", "--json").json["segments"]
    assert segment["entered_at"] == "2024-03-01T10:00:00.000Z"


@pytest.mark.parametrize("name", ["deliveries.ndjson.gz", "deliveries.ndjson"])
def test_gzip_is_recognised_by_content_and_not_by_name(cli: Cli, folder: Path, name: str) -> None:
    (folder / name).write_bytes(gzip.compress(lines(*_MANY)))
    assert cli("ingest", name, "--json").json["appended"] == 20


def test_a_plain_file_may_be_called_gz(cli: Cli, write: Write) -> None:
    assert cli("ingest", write(*_MANY, name="x.gz"), "--json").json["appended"] == 20


def test_gzip_may_come_by_standard_input_and_have_several_members(cli: Cli) -> None:
    members = gzip.compress(lines(*_MANY[:7])) + gzip.compress(lines(*_MANY[7:]))
    assert cli("ingest", "-", "--json", stdin=members).json["appended"] == 20


def test_members_of_gzip_need_no_newline_between_them(cli: Cli) -> None:
    parts = (lines(*_MANY[:7]).rstrip(b"\n"), lines(*_MANY[7:]))
    members = b"".join(map(gzip.compress, parts))
    assert cli("ingest", "-", "--json", stdin=members).json["appended"] == 20


def test_a_real_pipe_may_bring_gzip(tmp_path: Path) -> None:
    done = run_program(tmp_path, "ingest", "-", "--json", stdin=gzip.compress(lines(*_MANY)))
    assert (done.json, done.err) == (_counts(20, 20, 0, 0, 0, 20), "")


@pytest.mark.parametrize("count", [20, 6000])
@pytest.mark.parametrize("part", [0.5, 0.9, 1.0])
def test_the_deliveries_before_a_break_in_a_gzip_file_are_in_the_log(
    cli: Cli, folder: Path, count: int, part: float
) -> None:
    """Cut in the middle, near the end, and between the data and their checksum."""
    whole = gzip.compress(lines(*(_born(number) for number in range(count))))
    cut = whole[: int((len(whole) - 8) * part)]
    complete = zlib.decompressobj(wbits=31).decompress(cut).count(b"\n")
    (folder / "cut.gz").write_bytes(cut)
    done = cli("ingest", "cut.gz")
    assert done.code == 1
    assert done.failed_in_a_sentence
    assert "cut.gz is corrupt or truncated" in done.err
    found = cli("status", "--json").json
    assert found["head"] == complete
    assert {each["lag"] for each in found["projections"]} == {0}


def test_trailing_bytes_after_gzip_are_reported_and_the_deliveries_are_in_the_log(
    cli: Cli, folder: Path
) -> None:
    (folder / "odd.gz").write_bytes(gzip.compress(lines(*_MANY)) + b"something else")
    assert cli("ingest", "odd.gz").code == 1
    assert cli("status", "--json").json["head"] == 20


def test_files_before_one_that_breaks_off_are_in_the_log(cli: Cli, write: Write) -> None:
    file = write(*_MANY)
    Path("cut.gz").write_bytes(gzip.compress(lines(_born(99)))[:-8])
    assert cli("ingest", file, "cut.gz").code == 1
    assert cli("status", "--json").json["head"] == 21


def test_a_missing_file_is_reported_before_anything_is_ingested(
    cli: Cli, write: Write, folder: Path
) -> None:
    assert cli("ingest", write(*_MANY), "nowhere").code == 2
    assert not (folder / "projector.db").exists()


def test_a_folder_among_the_files_is_reported_and_the_files_before_it_are_ingested(
    cli: Cli, write: Write, folder: Path
) -> None:
    (folder / "sub").mkdir()
    done = cli("ingest", write(*_MANY), "sub")
    assert done.code == 2
    assert "sub cannot be read: Is a directory" in done.err
    assert cli("status", "--json").json["head"] in {0, 20}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("socket", "No such device or address", id="a socket"),
        pytest.param("loop", "symbolic links", id="a link to itself"),
        pytest.param("deliveries.ndjson/x", "Not a directory", id="a path through a file"),
        pytest.param("x" * 300, "File name too long", id="a name that is too long"),
    ],
)
def test_a_file_that_cannot_be_opened_is_reported(
    cli: Cli, write: Write, folder: Path, name: str, said: str
) -> None:
    write(_born(1))
    (folder / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listening:
        # From within the folder, for the path of a socket has to be short.
        listening.bind("socket")
        done = cli("ingest", name)
    assert done.code == 2
    assert done.failed_in_a_sentence
    assert said in done.err


def test_a_late_event_changes_what_came_before(cli: Cli, write: Write) -> None:
    first = entered("cust_1", "seg_1", at="2024-01-05T00:00:00Z")
    earlier = entered("cust_1", "seg_1", at="2024-01-02T00:00:00Z")
    cli("ingest", write(first))
    cli("ingest", write(earlier))
    [segment] = cli("customer", "cust_1", "--json").json["segments"]
    assert segment["entered_at"] == "2024-01-02T00:00:00.000Z"
