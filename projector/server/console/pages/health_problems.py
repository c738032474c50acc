"""Says what is wrong, the worst first, each with the next step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from attrs import frozen

from projector.queries.feed_verdicts import Verdict
from projector.queries.feeds import Feed, Silence
from projector.server.console.words.durations import age_text, duration_text
from projector.server.console.words.reasons import table_title
from projector.server.operations import Operations
from projector.server.refusals import Refusal

#: A lag is told once the oldest event has waited for so long, in seconds.
_BEHIND_SECONDS = 60.0
#: What was refused is told for so long after the last time.
_RECENT = timedelta(hours=1)
#: So many silent feeds are told one by one.
_SILENT_MAX = 4

_WRONG_SIGNATURE = "signature_wrong"
_LOOK = (
    "In Voucherify, look whether the distribution or webhook is active and not disabled: after "
    "twelve failures the sending stops."
)


@frozen(kw_only=True)
class Problem:
    """What is wrong, and what to do."""

    title: str
    text: str
    #: Whether something does not work now; else it should be looked at.
    is_bad: bool = False
    #: Where to go on: a path below `/console`, and its text.
    path: str | None = None
    link: str | None = None


def find_problems(operations: Operations) -> list[Problem]:
    """Return what is wrong, the worst first."""
    found = [
        *_not_updating(operations),
        *_failed(operations),
        *_everything_silent(operations),
        *_wrong_signatures(operations),
        *_behind(operations),
        *_silent(operations),
        *_busy(operations),
        *_dead_letters(operations),
        *_quarantined(operations),
        *_unpurged(operations),
    ]
    return sorted(found, key=lambda each: not each.is_bad)


def _not_updating(operations: Operations) -> Iterator[Problem]:
    if not operations.health.projector:
        yield Problem(
            title="The tables are not being updated",
            text="What arrives is stored and nothing is lost, but the pages show what was known "
            "before. Start `projector run`, or look at its log.",
            is_bad=True,
        )


def _failed(operations: Operations) -> Iterator[Problem]:
    for each in operations.status.projections:
        if each.error is not None and each.installed:
            yield Problem(
                title=f"The table “{table_title(each.name)}” is not being updated",
                text=f"{each.error} A rebuild makes it anew.",
                is_bad=True,
                path="/operations/tables",
                link="Go to the tables",
            )


def _everything_silent(operations: Operations) -> Iterator[Problem]:
    silence = operations.feeds.everything
    if silence is not None:
        yield Problem(
            title=f"Nothing at all has arrived for {_since(operations, silence)}",
            text=f"About {_count(silence.missing)} should have come since. Look whether Voucherify "
            "can reach this server: at its address, its certificate and the proxy before it, and "
            f"at the refused webhooks below. {_LOOK}",
            is_bad=True,
        )


def _wrong_signatures(operations: Operations) -> Iterator[Problem]:
    for each in operations.refused:
        if each.code == _WRONG_SIGNATURE and _is_recent(operations, each):
            yield Problem(
                title=f"{_times(each.count, 'webhook')} with a wrong signature",
                text="Nothing of them was stored, and Voucherify sends each a few times only. "
                "Compare the secret of the project in Voucherify with PROJECTOR_WEBHOOK_SECRET. If "
                "all feeds come, somebody else may be trying this address.",
            )


def _behind(operations: Operations) -> Iterator[Problem]:
    waited = operations.lag_seconds
    if operations.health.projector and waited is not None and waited > _BEHIND_SECONDS:
        drain = operations.drain_seconds
        pace = (
            "They do not move at the moment: look at the log of the program."
            if drain is None
            else "At the pace of the last half minute they are up to date in "
            f"{duration_text(drain)}."
        )
        yield Problem(
            title=f"The tables are {_times(operations.lag, 'event')} behind",
            text=f"The oldest of them came {age_text(waited)} ago. {pace}",
        )


def _silent(operations: Operations) -> Iterator[Problem]:
    if operations.feeds.everything is not None:
        return
    for silence in operations.feeds.senders:
        yield Problem(
            title=f"{_sender(silence.sender)} has been silent for {_since(operations, silence)}",
            text=f"About {_count(silence.missing)} deliveries should have come since, and other "
            f"senders still send. {_LOOK}",
        )
    whole = {(each.project_id, each.sender) for each in operations.feeds.senders}
    silent = [
        each
        for each in operations.feeds.feeds
        if each.verdict is Verdict.SILENT and (each.project_id, each.sender) not in whole
    ]
    silent.sort(key=lambda each: -each.missing)
    for feed in silent[:_SILENT_MAX]:
        yield _silent_feed(operations, feed)
    if len(silent) > _SILENT_MAX:
        rest = len(silent) - _SILENT_MAX
        yield Problem(title=f"{_times(rest, 'more feed')} silent", text=_LOOK)


def _silent_feed(operations: Operations, feed: Feed) -> Problem:
    silent = operations.read_at - feed.last_at
    usual = ""
    if feed.a_day > 0:
        usual = f"One comes about every {duration_text(86_400 / feed.a_day)} otherwise, and "
    sender = f" ({feed.sender})" if feed.sender else ""
    others = "other types still arrive." if usual else "Other types still arrive."
    return Problem(
        title=f"{feed.type}{sender} has been silent for {duration_text(silent.total_seconds())}",
        text=f"{usual}{others} {_LOOK}",
    )


def _busy(operations: Operations) -> Iterator[Problem]:
    busy = operations.busy
    if busy is not None and _is_recent(operations, busy):
        yield Problem(
            title=f"{_times(busy.count, 'request')} found the server busy (503)",
            text="Voucherify sends its webhooks again later, and each is stored once. If this "
            "goes on, look at the log of the program and at the load of the database.",
        )


def _dead_letters(operations: Operations) -> Iterator[Problem]:
    count = operations.dead_letters
    if count:
        yield Problem(
            title=_times(count, "dead letter"),
            text="These events are in the log but could not be folded into a table, so the "
            "customers concerned may be shown wrong. Their pages say so.",
            path="/operations/dead-letters",
            link="Look at them",
        )


def _quarantined(operations: Operations) -> Iterator[Problem]:
    count = sum(operations.status.quarantine.values())
    if count:
        waits = "waits" if count == 1 else "wait"
        yield Problem(
            title=f"{_times(count, 'delivery', 'deliveries')} {waits} in the quarantine",
            text="They are kept as they came, and count for nothing until they can be read.",
            path="/operations/quarantine",
            link="Look at them",
        )


def _unpurged(operations: Operations) -> Iterator[Problem]:
    count = operations.status.erased.unpurged
    if count:
        yield Problem(
            title=f"{_times(count, 'erasure')} not finished",
            text="The customers are erased, but what was known of them may still be in the files "
            "of the database. Run `projector purge`.",
        )


def _since(operations: Operations, silence: Silence) -> str:
    return duration_text((operations.read_at - silence.last_at).total_seconds())


def _sender(sender: str | None) -> str:
    return f"The sender {sender}" if sender else "Whoever does not name itself"


def _is_recent(operations: Operations, refusal: Refusal) -> bool:
    return operations.read_at - refusal.last_at < _RECENT


def _count(missing: float) -> str:
    return f"{round(missing):,}"


def _times(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
