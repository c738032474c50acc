"""The page Health says what is wrong, the worst first, and what to do; or that all is well."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve, frozen

from projector.config import ConsoleSettings
from projector.facts.registry import facts
from projector.intake.webhook_secrets import WebhookSecret
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.server.context import ServerConfig, ServerContext
from projector.server.health import Health
from projector.server.routes import build
from projector.store.append import append
from projector.store.database import Database
from tests.support import given
from tests.support.asgi import ask
from tests.support.console import Document, read
from tests.support.feeds import count_hourly
from tests.support.http_client import Reply
from tests.support.items import envelope, put, rejected

_ENTERED, _LEFT = "customer.segment.entered", "customer.segment.left"
_WELL = Health(ready=True, database=True, projector=True, lag=0, reason=None)
_BYTES_MAX = 80 * 1024


@frozen
class Subject:
    """A server in this process, whose health is as the test says."""

    database: Database
    context: ServerContext
    health: list[Health]

    def ask(self, method: str, path: str, **headers: str) -> Reply:
        """The answer to a request; what was looked up before is looked up again."""
        self.context.operations._read_at = float("-inf")
        return asyncio.run(ask(build(self.context), method, path, body=b"", **headers))

    def page(self) -> Document:
        """The page."""
        return read(self.ask("GET", "/console/operations"))


@pytest.fixture
def subject(wiped_database: Database, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """A server of an empty database, with a projector that sends heartbeats."""
    config = ServerConfig(
        runs_follower=False,
        console=ConsoleSettings(),
        secrets=[WebhookSecret(project_id=None, text="secretKey")],
    )
    context = ServerContext(wiped_database, config)
    health = [_WELL]
    monkeypatch.setattr(context.health_monitor, "health", lambda: health[-1])
    return Subject(wiped_database, context, health)


def _count(subject: Subject, type_: str, silent_hours: int = 0, sender: str = "distr_1") -> None:
    now = datetime.now(UTC)
    count_hourly(subject.database, type_, now=now, silent_hours=silent_hours, sender=sender)


def _nothing_yet(_subject: Subject) -> None:
    pass


def _well(subject: Subject) -> None:
    _count(subject, _ENTERED)


def _one_silent(subject: Subject) -> None:
    _count(subject, _ENTERED)
    _count(subject, _LEFT, silent_hours=72)


def _sender_silent(subject: Subject) -> None:
    _count(subject, _ENTERED, silent_hours=48)
    _count(subject, _LEFT, silent_hours=48)
    _count(subject, _ENTERED, sender="wh_1")


def _nothing_arrives(subject: Subject) -> None:
    _count(subject, _ENTERED, silent_hours=30)
    _count(subject, _LEFT, silent_hours=30)


def _not_updating(subject: Subject) -> None:
    _count(subject, _ENTERED)
    subject.health.append(evolve(_WELL, ready=False, projector=False, lag=3))


def _behind(subject: Subject) -> None:
    """Five minutes behind, and a tenth is done in a second."""
    events = [envelope(str(each), sender="distr_1") for each in range(40)]
    append(subject.database, events, received_at=datetime.now(UTC) - timedelta(minutes=5))
    subject.health.append(evolve(_WELL, lag=40))
    monitor = subject.context.health_monitor
    monitor._last = subject.health[-1]
    monitor._positions.extend([(time.monotonic() - 10, 0), (time.monotonic(), 44)])


def _wrong_signature(subject: Subject) -> None:
    _count(subject, _ENTERED)
    for _ in range(2):
        got = subject.ask("POST", "/webhooks/voucherify", x_voucherify_signature="0" * 64)
        assert got.status == 401


def _busy(subject: Subject) -> None:
    _count(subject, _ENTERED)
    subject.context.metrics.count_request("deliver", 503)
    subject.context.metrics.count_request("deliver", 200)


def _dead_letter(subject: Subject) -> None:
    broken = given.entered("cust_1", None, at="2024-03-04T10:00:00Z")
    append(subject.database, [given.envelope(broken)], received_at=datetime.now(UTC))
    catch_up(subject.database, discover())


def _quarantine(subject: Subject) -> None:
    put(subject.database, envelope("a"), rejected(b"{"), rejected(b"["), rejected(b"<script>"))
    catch_up(subject.database, discover())


@pytest.mark.parametrize(
    ("arrange", "told", "boxes"),
    [
        (_nothing_yet, ["All is well, and nothing has arrived yet."], []),
        (_well, ["All is well. The tables are up to date, and all usual feeds come."], []),
        (
            _one_silent,
            [
                "customer.segment.left (distr_1) has been silent for 3 days",
                "after twelve failures the sending stops",
            ],
            ["warn"],
        ),
        (_sender_silent, ["The sender distr_1 has been silent for 2 days"], ["warn"]),
        (_nothing_arrives, ["Nothing at all has arrived for 31 hours", "silent"], ["bad"]),
        (_not_updating, ["The tables are not being updated", "Start `projector run`"], ["bad"]),
        (
            _behind,
            [
                "The tables are 40 events behind",
                "The oldest of them came 5 min ago.",
                "40 events behind (about 9 s)",
            ],
            ["warn"],
        ),
        (
            _wrong_signature,
            ["2 webhooks with a wrong signature", "Compare the secret", "Wrong signature"],
            ["warn"],
        ),
        (_busy, ["1 request found the server busy (503)"], ["warn"]),
        (_dead_letter, ["2 dead letters", "could not be folded"], ["warn"]),
        (
            _quarantine,
            ["3 deliveries wait in the quarantine", "Could not be read: damaged on its way"],
            ["warn"],
        ),
    ],
)
def test_the_page_says_what_is_wrong_and_what_to_do(
    subject: Subject, arrange: Callable[[Subject], None], told: list[str], boxes: list[str]
) -> None:
    arrange(subject)
    page = subject.page()
    assert page.status == 200
    assert page.flaws == []
    assert len(page.reply.body) < _BYTES_MAX
    for each in told:
        assert each in page.text
    assert _boxes(page) == boxes
    assert ("All is well" in page.text) == (not boxes)


def _boxes(page: Document) -> list[str]:
    classes = [found.get("class", "").split() for _, found in page.elements]
    return [each[1] for each in classes if each[:1] == ["box"]]


def test_the_worst_comes_first(subject: Subject) -> None:
    for arrange in (_quarantine, _one_silent, _not_updating):
        arrange(subject)
    assert _boxes(subject.page()) == ["bad", "warn", "warn"]


def test_every_known_type_has_a_row_with_its_state(subject: Subject) -> None:
    _one_silent(subject)
    put(subject.database, envelope("x", type="<script>alert(1)</script>", sender='"><b>'))
    page = subject.page()
    for type_ in facts():
        assert type_.removeprefix("customer.") in page.text
    assert "segment.left silent 3 days ago" in page.text
    assert page.text.count("never came") == len(facts()) - 2
    charts = [
        found["aria-label"] for tag, found in page.elements if tag == "svg" if "role" in found
    ]
    assert charts[1].endswith("none in the last 3 days")
    assert page.flaws == []


def test_the_part_is_the_middle_of_the_page_and_is_sent_once(subject: Subject) -> None:
    """A browser that polls gets it again only after it has changed."""
    _well(subject)
    first = subject.ask("GET", "/console/parts/health")
    assert read(first).flaws == []
    assert first.headers["etag"].startswith('W/"')
    again = subject.ask("GET", "/console/parts/health", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    _quarantine(subject)
    changed = subject.ask("GET", "/console/parts/health", if_none_match=first.headers["etag"])
    assert changed.status == 200


def test_watchers_share_one_look_up(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    operations = subject.context.operations
    first = operations.read("UTC")
    assert operations.read("UTC") is first
    assert operations.read("Europe/Warsaw") is not first
    monkeypatch.setattr("projector.server.operations.SECONDS", -1.0)
    assert operations.read("UTC") is not first
