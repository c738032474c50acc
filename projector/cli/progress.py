"""Progress bars on stderr, shown only if stderr is a terminal; or reports to a pipe instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

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

from projector.cli.progress_pipe import ProgressPipe

#: A function that moves the bar to a value; a second argument is a total that is known only then.
Advance = Callable[..., None]

_pipe: ProgressPipe | None = None


def report_to(fd: int) -> None:
    """Report to a pipe instead of showing bars, and end once nobody reads it."""
    global _pipe
    _pipe = ProgressPipe(fd)
    _pipe.watch()


@contextmanager
def bytes_bar(label: str, total: int | None) -> Iterator[Advance]:
    """Show a bar of bytes; without a total it only shows that something moves."""
    with _bar(label, total, DownloadColumn()) as advance:
        yield advance


@contextmanager
def count_bar(label: str, unit: str, total: int | None = None) -> Iterator[Advance]:
    """Show a bar that counts things; `unit` names them."""
    with _bar(label, total, MofNCompleteColumn(), TextColumn(unit)) as advance:
        yield advance


@contextmanager
def noted_bar(label: str, unit: str, total: int | None) -> Iterator[Callable[[int, str], None]]:
    """Show a bar that counts things, with a note behind it that changes."""
    if _pipe is not None:
        pipe = _pipe
        yield lambda done, _note: pipe.report(label, done, total)
        return
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn(label), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TextColumn(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(label, total=total, note="")
        yield lambda done, note: progress.update(task, completed=done, note=note)


@contextmanager
def phases_bar(label: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar with its speed, which starts again at 0 with each phase."""
    if _pipe is not None:
        yield _pipe.report
        return
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
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
    """The speed: steps per second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f}/s")


@contextmanager
def _bar(label: str, total: int | None, *columns: ProgressColumn) -> Iterator[Advance]:
    if _pipe is not None:
        yield partial(_pipe.report, label)
        return
    console = Console(stderr=True)
    all_columns = (SpinnerColumn(), TextColumn(label), BarColumn(), *columns, TimeRemainingColumn())
    with Progress(
        *all_columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(label, total=total)

        def advance(value: int, known_total: int | None = None) -> None:
            progress.update(task, completed=value, total=known_total or total)

        yield advance
