"""The base of all errors: a message, a hint and an exit code.

The docstring of a class is the template of its message, which the details fill in; `hint` says what
to do next; `exit_code` is the exit code of the command line (0 done, 1 the answer is bad, 2 usage,
3 not found, 4 the database cannot be reached or is not migrated).
"""

from __future__ import annotations

import inspect
from typing import ClassVar


class ProjectorError(Exception):
    """Something went wrong."""

    exit_code: ClassVar[int] = 1
    hint: str = ""

    def __init__(self, **details: object) -> None:
        self.details = details
        # `python -OO` strips docstrings: fall back to the name of the class.
        template = inspect.cleandoc(type(self).__doc__ or type(self).__name__)
        super().__init__(template.format(**details))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the message only: details may be open connections, which no process can share."""
        return with_message, (type(self), str(self))


def with_message(kind: type[ProjectorError], message: str) -> ProjectorError:
    """Return an error of a kind whose message another process has made, without its details."""
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.details = {}
    return error
