"""The pages of operations: what was put aside, the tables with their jobs, and the log."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from projector.envelope import BODY_BYTES_MAX
from projector.operate.jobs import show_job
from projector.operate.tokens import create_token
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store.append import append
from projector.store.database import Database
from tests.concurrency.rebuilds import within
from tests.support.console import Browser, Document, Form
from tests.support.given import RECEIVED_AT, created, entered, envelope
from tests.support.http_client import Client
from tests.support.quarantine import arrive, unfiled
from tests.support.server_process import Server, serving

_BASE = "/console/operations"
_BYTES_MAX = 80_000
_AT = "2024-03-01T10:00:00Z"

#: Everything that a body must not do to a page: markup, control characters, other directions of
#: writing, bytes that are no text, and a length.
_SCRIPT = '{"hello": "</pre><script>alert(1)</script>", "x": "\x1b[31m \u202eevil \x07"}'
_LONG = b'{"long": "' + b"<" * (BODY_BYTES_MAX - 20) + b'"}'
_NO_TEXT = b"\xff\xfe\x00<b>bold"

_MANY = 25

#: Those that are no JSON.
_BROKEN = _MANY + 1


@pytest.fixture(scope="module")
def filled(shared_database: Database) -> Database:
    """Deliveries of several reasons wait, and events of two customers could not be folded."""
    database = shared_database
    arrive(database, _SCRIPT.encode(), _LONG, _NO_TEXT)
    arrive(database, *(b"{%d" % number for number in range(_MANY)))
    arrive(database, unfiled(entered("cust_late", "seg_1", at=_AT)))
    events = [
        created("cust_1", at=_AT, name="Ada <b>Lovelace</b>"),
        entered("cust_1", None, at=_AT),
        entered("cust_2", {"id": "seg_1", "name": 7}, at=_AT),
        *(entered(f"cust_{number}", "seg_2", at=_AT) for number in range(3, 63)),
    ]
    append(database, [envelope(each) for each in events], received_at=RECEIVED_AT)
    catch_up(database, discover())
    return database


@pytest.fixture
def browser(filled: Database, client: Client) -> Browser:
    """A browser on this machine, which may do all."""
    return Browser(client)


def _sound(page: Document) -> Document:
    assert page.status == 200, page.text
    assert page.flaws == []
    assert len(page.reply.body) <= _BYTES_MAX
    return page


def _open(browser: Browser, path: str) -> Document:
    return _sound(browser.get(_BASE + path))


def _forms(page: Document, path: str) -> list[Form]:
    return [each for each in page.forms if each.action == _BASE + path]


def _done(browser: Browser, sent: Document) -> Document:
    """The page of the job that a form has started, once it has ended."""
    assert sent.status == 303, sent.text
    path = sent.reply.headers["location"]
    part = path.replace("/operations/jobs/", "/parts/job/")
    within(30, lambda: b"data-reload" in browser.get(part).reply.body)
    return _sound(browser.get(path))


def test_in_the_beginning_nothing_waits(migrated_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, migrated_url) as server:
        browser = Browser(server.client)
        for path in ("/quarantine", "/quarantine/retry", "/quarantine?reason=conflict"):
            assert "Nothing waits here." in _open(browser, path).text
        for path in ("/dead-letters", "/dead-letters/retry", "/dead-letters?projection=customer"):
            assert "Nothing waits here." in _open(browser, path).text
        assert "Nothing was rebuilt" in _open(browser, "/tables").text
        for path in ("/log", "/log?type=x", "/log?at=2024-01-01T00:00", "/log?position=9"):
            assert "Nothing has arrived yet." in _open(browser, path).text
        for path in ("/quarantine/1", "/quarantine/x", "/dead-letters/1", "/jobs/1", "/jobs/x"):
            assert browser.get(_BASE + path).status == 404


def test_deliveries_that_wait_are_listed_from_the_newest_on(browser: Browser) -> None:
    page = _open(browser, "/quarantine")
    total = _MANY + 4
    assert f"All {total}" in page.text
    assert f"Try all {total} again" in page.text
    assert f"Could not be read: damaged on its way {_BROKEN}" in page.text
    found: list[int] = []
    while True:
        found += [int(each.fields["id"]) for each in _forms(page, "/quarantine/retry")]
        older = [each for each in page.links if "after=" in each]
        if not older:
            break
        page = _sound(browser.get(older[0]))
    assert found == sorted(found, reverse=True)
    assert len({*found}) == total
    page = _open(browser, "/quarantine?reason=missing_project")
    assert len(_forms(page, "/quarantine/retry")) == 1
    assert "Try it again" in page.text
    # The advice of the command line is none here.
    assert "--project" not in page.text


def test_a_hostile_delivery_is_shown_as_what_it_is(browser: Browser) -> None:
    page = _open(browser, "/quarantine/1")
    assert "</pre><script>alert(1)</script>" in page.text
    assert r"\x1b[31m \u202eevil \x07" in page.text
    assert "\u202e" not in page.reply.body.decode()
    page = _open(browser, "/quarantine/2")
    assert "Only the beginning is shown." in page.text
    assert "projector quarantine show 2" in page.text
    page = _open(browser, "/quarantine/3")
    assert "ff fe 00 3c 62 3e" in page.text
    # Together on a list, they stay small as well.
    older = next(each for each in _open(browser, "/quarantine").links if "after=" in each)
    page = _sound(browser.get(older))
    assert "</pre><script>alert(1)</script>" in page.text
    assert "ff fe 00 3c 62 3e" in page.text


def test_dead_letters_are_listed_by_event(browser: Browser) -> None:
    page = _open(browser, "/dead-letters")
    assert "All 4" in page.text
    assert "Segments now 2" in page.text
    assert "not applied to “Segments now” and “Segments over time”" in page.text
    assert [each.fields["position"] for each in _forms(page, "/dead-letters/retry")] == ["3", "2"]
    assert "Ada <b>Lovelace</b>" in page.text
    assert "/console/customers/proj_1/cust_1" in page.links
    page = _open(browser, "/dead-letters?projection=segment_membership")
    assert "not applied to “Segments now”" in page.text
    assert "Try all 2 again" in page.text
    assert "All 4" in _open(browser, "/dead-letters?projection=unknown").text
    page = _open(browser, "/dead-letters/2")
    assert "It does not say what an event of its type must say" in page.text
    assert "Ada <b>Lovelace</b>" in page.text
    assert '"type":"customer.segment.entered"' in page.text.replace(": ", ":")


def _positions(page: Document) -> list[int]:
    rows = re.findall(rb'<td class="number">([0-9,]+)</td>\s*<td class="type">', page.reply.body)
    return [int(each.replace(b",", b"")) for each in rows]


def test_the_log_is_shown_from_its_end_or_from_any_place(browser: Browser) -> None:
    page = _open(browser, "/log")
    head = _positions(page)[0]
    assert _positions(page) == [*range(head, head - 50, -1)]
    older = [each for each in page.links if "before=" in each]
    assert _positions(_sound(browser.get(older[0]))) == [*range(head - 50, 0, -1)]
    assert _positions(_open(browser, "/log?position=7")) == [*range(7, 0, -1)]
    assert _positions(_open(browser, "/log?before=7")) == [*range(6, 0, -1)]
    assert _positions(_open(browser, "/log?type=customer.created")) == [1]
    page = _open(browser, "/log?type=customer.created&before=1")
    assert "No event of this type is here." in page.text
    # What was received by a minute, in the zone of the page.
    assert _positions(_open(browser, "/log?at=2024-12-31T23:59")) == []
    assert _positions(_open(browser, "/log?at=2025-01-01T00:00"))[0] >= 63
    assert _positions(_open(browser, "/log?at=nonsense"))[0] == head


def test_deliveries_are_tried_again_after_it_is_said_how_many(browser: Browser) -> None:
    page = _open(browser, "/quarantine?reason=broken_json")
    [confirm] = [each for each in page.links if each.startswith(f"{_BASE}/quarantine/retry")]
    page = _sound(browser.get(confirm))
    assert f"{_BROKEN} deliveries are read again." in page.text
    job = _done(browser, browser.submit(page.form(f"{_BASE}/quarantine/retry")))
    assert f"Tried {_BROKEN}: 0 filed, {_BROKEN} still wait." in job.text
    assert f"Could not be read: damaged on its way: {_BROKEN}" in job.text
    # One alone, with what it lacks.
    entry = _MANY + 4
    page = _open(browser, f"/quarantine/{entry}")
    form = page.form(f"{_BASE}/quarantine/retry")
    form.fields |= {"project": "proj_1", "occurred_at": "2024-03-01T09:05"}
    job = _done(browser, browser.submit(form))
    assert f"Try delivery {entry} again" in job.text
    assert "Tried 1: 1 filed, 0 still wait." in job.text
    assert "Filed." in _open(browser, f"/quarantine/{entry}").text


def test_dead_letters_are_tried_again(browser: Browser) -> None:
    page = _open(browser, "/dead-letters/retry?projection=segment_membership")
    assert "The customers of 2 dead letters are computed from the log again." in page.text
    job = _done(browser, browser.submit(page.form(f"{_BASE}/dead-letters/retry")))
    assert "Tried 2: 0 now in the tables, 2 still wait." in job.text
    form = _open(browser, "/dead-letters/3").form(f"{_BASE}/dead-letters/retry")
    job = _done(browser, browser.submit(form))
    assert "Try event 3 again" in job.text
    assert "Tried 2: 0 now in the tables, 2 still wait." in job.text


def test_a_rebuild_is_tried_and_then_taken_over(browser: Browser, filled: Database) -> None:
    with filled.writing() as connection:
        connection.exec_driver_sql("DELETE FROM segment_membership WHERE customer_id = 'cust_3'")
    page = _open(browser, "/tables")
    assert "Segments over time" in page.text
    form = page.form(f"{_BASE}/tables/verify")
    job = _done(browser, browser.submit(form))
    assert "1 differs from the log" in job.text
    assert "/console/customers/proj_1/cust_3" in job.links
    form = page.form(f"{_BASE}/tables/rebuild")
    form.fields["projection"] = "segment_membership"
    trial = _done(browser, browser.submit(form))
    assert "Trial of a rebuild of “Segments now”" in trial.text
    assert re.search(
        r"Customers who gain or lose: 1, 1\.\d\d % ?\. Nothing was changed", trial.text
    )
    gains = 'Segment seg_2</td><td class="number">1</td><td class="number">0</td>'
    assert gains in trial.reply.body.decode()
    form = trial.form(f"{_BASE}/tables/rebuild")
    wanted = form.fields["max_change"]
    assert 1 < float(wanted) < 3
    # Less than would change: nothing is changed.
    form.fields["max_change"] = "0.5"
    refused = _done(browser, browser.submit(form))
    assert "0.5" in refused.text
    form.fields["max_change"] = "many"
    assert browser.submit(form).status == 400
    form.fields["max_change"] = wanted
    taken = _done(browser, browser.submit(form))
    assert "1 table is new" in taken.text
    form = page.form(f"{_BASE}/tables/verify")
    form.fields["all"] = "1"
    assert "all right." in _done(browser, browser.submit(form)).text
    page = _open(browser, "/tables")
    assert page.text.index("all right.") < page.text.index("1 table is new")


def test_a_part_says_the_same_until_something_happens(browser: Browser, filled: Database) -> None:
    sent = browser.submit(_open(browser, "/tables").form(f"{_BASE}/tables/verify"))
    path = sent.reply.headers["location"]
    _done(browser, sent)
    part = browser.get(path.replace("/operations/jobs/", "/parts/job/"))
    assert show_job(filled, int(path.rpartition("/")[2])).asked_by == "this machine"
    tag = part.reply.headers["etag"]
    again = browser.get(path.replace("/operations/jobs/", "/parts/job/"), if_none_match=tag)
    assert again.status == 304


@pytest.fixture(scope="module")
def guarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server with a token of each kind, on SQLite."""
    template: Path = request.getfixturevalue("sqlite_template")
    folder = tmp_path_factory.mktemp("guarded")
    path = folder / "projector.db"
    path.write_bytes(template.read_bytes())
    url = f"sqlite:///{path}"
    with closing(Database(url)) as database:
        arrive(database, b"{")
        events = [envelope(entered("cust_1", None, at=_AT))]
        append(database, events, received_at=RECEIVED_AT)
        catch_up(database, discover())
        tokens = {
            scope: create_token(database, name=f"the {scope} token", scopes=[scope]).token
            for scope in ("read", "admin")
        }
    with serving(folder, url) as server:
        yield server, tokens


_CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("/quarantine/retry", {"id": "1"}),
    ("/dead-letters/retry", {"position": "1"}),
    ("/tables/rebuild", {}),
    ("/tables/verify", {}),
]


def test_who_may_only_read_sees_no_button_and_changes_nothing(
    guarded: tuple[Server, dict[str, str]],
) -> None:
    server, tokens = guarded
    reader, admin = Browser(server.client), Browser(server.client)
    reader.sign_in(tokens["read"])
    admin.sign_in(tokens["admin"])
    frame = {"/console/", "/console/logout", "/console/preferences", f"{_BASE}/log"}
    for path in ("/quarantine", "/quarantine/1", "/dead-letters", "/dead-letters/1", "/tables"):
        page = _open(reader, path)
        assert {each.action for each in page.forms} <= frame
        assert not [each for each in page.links if each.endswith("/retry")]
        assert "An admin token is needed" in page.text
        page = _open(admin, path)
        assert {each.action for each in page.forms} - frame
        assert "An admin token is needed" not in page.text
    for path in ("/quarantine/retry", "/dead-letters/retry"):
        assert reader.get(_BASE + path).status == 403
        _open(admin, path)
    mine = {
        path: form
        for page in ("/quarantine/1", "/dead-letters/1", "/tables")
        for path, _ in _CHANGES
        for form in _forms(admin.get(_BASE + page), path)
    }
    for path, fields in _CHANGES:
        # Not even with a form of one who may.
        form = Form(_BASE + path, "post", {**mine[path].fields, **fields})
        assert reader.submit(form).status == 403
    assert server.client.get("/jobs", authorization=f"Bearer {tokens['read']}").json["jobs"] == []
    for path, _ in _CHANGES:
        assert _done(admin, admin.submit(mine[path])).status == 200
    listed = server.client.get("/jobs", authorization=f"Bearer {tokens['read']}").json["jobs"]
    assert [each["asked_by"] for each in listed] == ["the admin token"] * len(_CHANGES)
    assert server.told.count("'the admin token' asked for job") == len(_CHANGES)
