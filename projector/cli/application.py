"""The application, its commands, and the types of their common options.

A command's module is imported when the command is run: importing them all takes longer than most of
them run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter, Token

from projector.cli import output
from projector.config import read_settings
from projector.envelope import DeliveryDefaults

if TYPE_CHECKING:
    from projector.app import Projector

app = App(
    name="projector",
    help="Which segments is this customer in, which loyalty tier, and can I trust the answer?",
    help_format="plaintext",
    console=output.console(),
    version=lambda: version("customer-state-projector"),
    result_action="return_value",
)
for _name, _module, _object in (
    ("archive", "archive", "archive"),
    ("backfill", "backfill", "backfill"),
    ("backup", "backup", "backup"),
    ("customer", "customers", "customer"),
    ("dead-letters", "dead_letters", "dead_letters"),
    ("export", "export", "export"),
    ("forget", "forget", "forget"),
    ("forgotten", "forgotten", "forgotten"),
    ("ingest", "ingest", "ingest"),
    ("log", "log", "log"),
    ("members", "groups", "members"),
    ("migrate", "migrate", "migrate"),
    ("purge", "purge", "purge"),
    ("quarantine", "quarantine", "quarantine"),
    ("rebuild", "rebuild", "rebuild"),
    ("reconcile", "reconcile", "reconcile"),
    ("run", "run", "run"),
    ("segments", "groups", "segments"),
    ("serve", "serve", "serve"),
    ("status", "status", "status"),
    ("tiers", "groups", "tiers"),
    ("token", "token", "token"),
    ("verify", "verify", "verify"),
    ("why", "why", "why"),
):
    app.command(f"projector.cli.commands.{_module}:{_object}", name=_name)


def _whole(_type: object, tokens: Sequence[Token]) -> int:
    """Convert an option to an integer, strictly: cyclopts rounds 1.5 to 2, another position."""
    [token] = tokens
    if not re.fullmatch("[+-]?[0-9]+", token.value):
        raise ValueError(f"{token.value!r} is not an integer.")
    return int(token.value)


Whole = Annotated[int, Parameter(converter=_whole)]
Url = Annotated[str, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    db: Annotated[str | None, Parameter(name="--db", show_default=False)] = None,
    progress_fd: Annotated[Whole | None, Parameter(name="--progress-fd", show=False)] = None,
) -> Any:
    """Run a command.

    Parameters
    ----------
    db
        The database URL. Default: PROJECTOR_DATABASE_URL, or else sqlite:///projector.db.
    progress_fd
        The file descriptor of a pipe for reports of the progress, which a server reads.
    """
    if progress_fd is not None:
        from projector.cli import progress

        progress.report_to(progress_fd)
    if tokens[:1] in (("ingest",), ("backfill",), ("reconcile",)):
        # cyclopts takes a lone hyphen for an option; behind `--` it is a value like any other.
        end = tokens.index("--") if "--" in tokens else len(tokens)
        before = ("/dev/stdin" if each == "-" else each for each in tokens[:end])
        tokens = (*before, *tokens[end:])
    command, bound, ignored = app.parse_args(tokens, exit_on_error=False, print_error=False)
    if "url" in ignored:
        bound.arguments["url"] = db or read_settings().database_url
    return command(*bound.args, **bound.kwargs)


def delivery_defaults(
    project: str | None, type_: str | None, occurred_at: str | None, customer: str | None
) -> DeliveryDefaults:
    """Parse delivery defaults from options; raises BadIdentifier or BadInstant."""
    from projector.intake.defaults import parse_defaults

    return parse_defaults(project, type_, occurred_at, customer, prefix="--")


def catch_up(projector: Projector) -> None:
    """Bring the tables up to date, with a progress bar; a large backlog is rebuilt."""
    from projector.cli import progress

    with progress.phases_bar("projecting") as advance:
        problems = projector.catch_up(
            on_batch=lambda position: advance("events", position, 0), on_progress=advance
        )
    for problem in problems:
        output.line(f"warning: {problem} {problem.hint}", stderr=True)
