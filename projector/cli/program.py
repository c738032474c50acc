"""Runs a command: its exit code, and its errors as sentences on stderr."""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper

from cyclopts import CycloptsError

from projector import logs
from projector.cli import output
from projector.cli.application import app
from projector.errors import OutputUnwritable, ProjectorError

_USAGE = 2
_HELP = frozenset({"--help", "-h"})


def run(arguments: list[str]) -> int:
    """Run a command and return its exit code; print an error and its hint on stderr."""
    _open_for_writing()
    logs.silence()
    if not arguments or not _HELP.isdisjoint(arguments):
        # The help shows the first sentence of each command's docstring.
        app.resolved_commands()
    try:
        code = app.meta(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
        output.flush()
    except CycloptsError as error:
        return _fail(str(error), "Run `projector --help`, or a command with --help.", _USAGE)
    except OutputUnwritable as error:
        _write_no_more()
        return _fail(str(error), error.hint, error.exit_code)
    except ProjectorError as error:
        return _fail(str(error), error.hint, error.exit_code)
    except BrokenPipeError:
        # The reader of the pipe, such as `head`, has closed it. Exit as if killed by SIGPIPE.
        _write_no_more()
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return code if isinstance(code, int) else 0


def _write_no_more() -> None:
    """Redirect stdout to /dev/null: Python flushes it at exit, and would print the error again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_for_writing() -> None:
    """Make the standard streams accept every character, even if they are closed or ASCII."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - open until the process ends
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _fail(message: str, hint: str, code: int) -> int:
    output.line(f"error: {message}", stderr=True)
    if hint:
        output.line(f"hint: {hint}", stderr=True)
    return code
