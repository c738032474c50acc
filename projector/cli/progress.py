"""Progress bars: on stderr, and only where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

#: Moves the bar to a value; the second one is the total, where it is known only now.
Advance = Callable[..., None]


@contextmanager
def bytes_bar(label: str, total: int | None) -> Iterator[Advance]:
    """A bar of bytes; without a total it only shows that something moves."""
    with _bar(label, total, DownloadColumn()) as advance:
        yield advance


@contextmanager
def count_bar(label: str, unit: str, total: int | None = None) -> Iterator[Advance]:
    """A bar of things."""
    with _bar(label, total, MofNCompleteColumn(), TextColumn(unit)) as advance:
        yield advance


@contextmanager
def phases_bar(label: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar that begins anew with each phase, and says how fast it goes."""
    console = Console(stderr=True)
    shown = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *shown,
        _Speed(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task, now = progress.add_task(label, total=None), label

        def advance(phase: str, done: int, total: int) -> None:
            nonlocal now
            if phase != now:
                now = phase
                progress.reset(task, description=f"{label}: {phase}", total=total or None)
            progress.update(task, completed=done, total=total or None)

        yield advance


class _Speed(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f}/s")


@contextmanager
def _bar(label: str, total: int | None, *columns: ProgressColumn) -> Iterator[Advance]:
    console = Console(stderr=True)
    shown = (SpinnerColumn(), TextColumn(label), BarColumn(), *columns, TimeRemainingColumn())
    with Progress(
        *shown, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(label, total=total)

        def advance(value: int, known_total: int | None = None) -> None:
            progress.update(task, completed=value, total=known_total or total)

        yield advance
