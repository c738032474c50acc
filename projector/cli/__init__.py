"""The command line: `main` is the entry point; `commands` has one module per subject."""

from __future__ import annotations

import gc
import sys


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code."""
    # Imports make no garbage: looking for it took a seventh of the time of a short command.
    gc.disable()
    import projector.app  # noqa: F401 - nearly every command needs it
    import projector.cli.program as program

    gc.freeze()
    # Events and rows are many and never in reference cycles: with the default thresholds the
    # garbage collector took a third of the time of an ingest, and more of a catch-up.
    gc.set_threshold(100_000, 50, 100)
    gc.enable()
    sys.exit(program.run(sys.argv[1:] if arguments is None else arguments))
