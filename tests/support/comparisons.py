"""A server whose jobs compare customers with the source, and wait for nothing."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from projector.server.child_command import _PROGRAM
from tests.serving.servers import QUICK, Serving, serving

#: A comparison sends its requests at once, and what is on its way may arrive at once.
_FAST = """
from datetime import timedelta
from projector.cli.commands import reconcile
options = reconcile.ReconcileOptions
def fast(**given):
    return options(**{**given, "per_minute": 100_000.0, "settle": timedelta()})
reconcile.ReconcileOptions = fast
"""


@contextmanager
def comparing(url: str, variables: Mapping[str, str]) -> Iterator[Serving]:
    """A server with some variables, in whose children the comparisons are fast."""
    program = (sys.executable, "-c", _FAST + _PROGRAM[-1])
    changes = (
        f"import os\nos.environ.update({dict(variables)!r})\n{QUICK}"
        "from projector.server import child_command, jobs\n"
        "jobs.INTERVALS = jobs.JobIntervals(poll_seconds=0.1, look_seconds=0.05)\n"
        f"child_command._PROGRAM = {program!r}\n"
    )
    with serving(url, changes=changes) as server:
        yield server
