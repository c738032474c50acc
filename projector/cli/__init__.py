"""The command line. `main` is the entry point; `commands` has a module a subject."""

from __future__ import annotations

import gc
import os
import signal
import sys
from io import TextIOWrapper

from cyclopts import CycloptsError

from projector import logs
from projector.cli import commands, output
from projector.cli.application import app
from projector.errors import OutputUnwritable, ProjectorError

__all__ = ["commands", "main"]

_USAGE = 2


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code."""
    # Events and rows are many and never in cycles: looking for cycles among them took a third of
    # the time of an ingest, and of a catch-up more.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run a command; returns the exit code. What is wrong is told on stderr, in a sentence."""
    _open_for_writing()
    logs.silence()
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
        # The reader, such as `head`, has seen enough.
        _write_no_more()
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return code if isinstance(code, int) else 0


def _write_no_more() -> None:
    """Python would complain once more at exit of what it cannot write."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_for_writing() -> None:
    """Make the standard streams take whatever is printed, also where they are closed or ASCII."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - lasts as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _fail(message: str, hint: str, code: int) -> int:
    output.line(f"error: {message}", stderr=True)
    if hint:
        output.line(f"hint: {hint}", stderr=True)
    return code
