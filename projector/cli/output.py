"""The output of the commands: tables for people, one JSON document for programs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from projector.errors import OutputUnwritable
from projector.text.encode import as_json
from projector.text.jsontext import escape_control_characters

if TYPE_CHECKING:
    from projector.queries.customer_state import CustomerState, CustomerTier

#: Control characters (terminal escape sequences), bidirectional overrides, and lone surrogates.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def document(value: Any) -> None:
    """Print a value as one JSON document."""
    written = escape_control_characters(msgspec.json.encode(as_json(value))) + b"\n"
    with _writing():
        # JSON is UTF-8, whatever the terminal's encoding.
        sys.stdout.flush()
        sys.stdout.buffer.write(written)


def line(words: str, *, stderr: bool = False) -> None:
    """Print a line of text."""
    with _writing():
        console(stderr=stderr).print(Text(_without_control(words)), soft_wrap=True)


def write(text: str) -> None:
    """Print a text for programs as it is."""
    with _writing():
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())


def flush() -> None:
    """Flush stdout; raises OutputUnwritable."""
    with _writing():
        sys.stdout.flush()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table; numbers are right-aligned, and a tuple is a cell of several lines."""
    line(title)
    printed = Table()
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(type(row[index]) is int for row in rows)
        printed.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        printed.add_row(*(Text(_without_control(_cell(value))) for value in row))
    with _writing():
        console().print(printed)


def fields(values: Mapping[str, Any]) -> None:
    """Print each value with its label on a line of its own; None is left out."""
    for label, value in values.items():
        if value is not None:
            line(f"{label}: {text(value)}")


def next_page(cursor: str | None) -> None:
    """Print the option that shows the next page, unless this page is the last one."""
    if cursor is not None:
        line(f"For the next page: --after {cursor}")


def print_customer(found: CustomerState, *, as_of: datetime | None = None) -> None:
    """Print a customer's state, now or in the past."""
    who = found.name or found.source_id or found.customer_id
    line(text(f"{who} ({found.customer_id} in {found.project_id})"))
    fields(
        {
            "  source id": found.source_id,
            "  email": found.email,
            "  deleted": found.deleted_at,
            "  last event": found.last_event_at,
        }
    )
    if found.segments:
        table(
            "Segments",
            ("segment", "name", "since"),
            [
                (each.segment_id, each.name, since(each.entered_at, each.seen_at))
                for each in found.segments
            ],
        )
    else:
        line("In no segment.")
    if found.tiers:
        _tiers(found.tiers)
    else:
        line("On no tier.")
    then = "" if as_of is None else f"As of {text(as_of)}. "
    overdue = any(each.overdue for each in found.tiers)
    doubts = trust(found.complete, found.gaps_open, overdue=overdue)
    checked = check(found.checked_at, found.gaps - found.gaps_open)
    line(" ".join(filter(None, (f"{then}As of position {found.position}.", doubts, checked))))


def _tiers(tiers: Sequence[CustomerTier]) -> None:
    table(
        "Tiers",
        ("campaign", "tier", "points", "since", "until", "certain"),
        [
            (
                each.campaign_name or each.campaign_id,
                each.name or each.tier_id,
                _points(each),
                since(each.joined_at, each.seen_at),
                (f"{each.expires_on},", "nothing heard since") if each.overdue else each.expires_on,
                each.certain,
            )
            for each in tiers
        ],
    )


def _points(tier: CustomerTier) -> str:
    low, high = tier.points_from, tier.points_to
    return f"{'' if low is None else low}-{'' if high is None else high}"


def since(began_at: datetime | None, seen_at: datetime | None) -> Any:
    """Return the cell of the beginning of a membership, which may only have been seen."""
    if began_at is None and seen_at is not None:
        return "unknown,", f"seen by {text(seen_at)}"
    return began_at


def check(checked_at: datetime | None, missing: int) -> str:
    """Say when the source was last asked, and how many deliveries that found missing before."""
    if checked_at is None:
        return ""
    instant = checked_at.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")
    deliveries = "1 delivery was" if missing == 1 else f"{missing} deliveries were"
    found = f"; {deliveries} missing before" if missing else ""
    return f"Checked with the source {instant}{found}."


def trust(complete: bool, gaps: int, *, overdue: bool) -> str:
    """Say in words whether an answer can be trusted; `overdue` means that one of its tiers is.

    `gaps` are those that are proven since the source was last asked.
    """
    doubts = []
    if not complete:
        doubts.append("Incomplete: an event of this customer could not be applied (dead letter).")
    if gaps:
        doubts.append(f"Deliveries proven to be lost: {gaps}.")
    if overdue:
        doubts.append("The last day of a tier is over, nothing heard since.")
    return " ".join(doubts) or "Nothing is known to be missing."


@contextmanager
def _writing() -> Iterator[None]:
    """Turn an error of writing, such as a full disk, into OutputUnwritable.

    It is neither a bug nor a bad answer (exit code 1). A BrokenPipeError passes unchanged.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputUnwritable(reason=error) from error


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError, which the caller ends on; rich would exit with code 1."""
        raise BrokenPipeError


def console(*, stderr: bool = False) -> Console:
    """Create a console for people, which neither highlights text nor interprets markup."""
    return _Console(stderr=stderr, highlight=False, markup=False)


def _cell(value: Any) -> str:
    return "\n".join(map(text, value)) if isinstance(value, tuple) else text(value)


def text(value: Any) -> str:
    """Format a value for people, in one line."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        # Seconds are precise enough for people, and microseconds would widen the tables.
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    # A line break in a name could forge a line of the output.
    return " ".join(str(value).splitlines())


def _without_control(text: str) -> str:
    """Replace control characters: names come from outside and must not inject terminal escapes."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
