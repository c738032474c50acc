"""Turns what a command left into the end of its job: a result, or a problem as a sentence."""

from __future__ import annotations

import re
import signal
from datetime import datetime
from typing import Any

import msgspec

from projector.store.jobs import JobEnd

#: The entries of a list in a result that are kept.
LIST_MAX = 50

#: The longest result, in bytes.
RESULT_BYTES_MAX = 1024 * 1024

#: The problem of a job whose server ended.
SERVER_ENDED = "The server that did it ended before it was done. Nothing is left half done."

#: The problem of a job during which customers were erased.
ERASED_MEANWHILE = "It is done, but a customer was erased meanwhile: nothing is kept of its result."

_TOO_LONG = "It is done, but its result is too long to be kept here."


def end_of(exit_code: int, out: bytes, err: str, *, at: datetime) -> JobEnd:
    """Return the end of a job from its command's exit code, its JSON on stdout, and its stderr."""
    document = _decode(out) if exit_code >= 0 else None
    if document is None:
        return JobEnd(
            ended_at=at, exit_code=exit_code, result=None, problem=_problem(exit_code, err)
        )
    result = msgspec.json.encode(_cut(document)).decode()
    is_kept = len(result) <= RESULT_BYTES_MAX
    return JobEnd(
        ended_at=at,
        exit_code=exit_code,
        result=result if is_kept else None,
        problem=None if is_kept else _TOO_LONG,
    )


def _decode(out: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(out, type=dict[str, Any])
    except ValueError:
        return None


def _cut(value: Any) -> Any:
    """Return a JSON value with at most LIST_MAX entries in each list."""
    if isinstance(value, list):
        return [_cut(each) for each in value[:LIST_MAX]]
    if isinstance(value, dict):
        return {name: _cut(each) for name, each in value.items()}
    return value


def _problem(exit_code: int, err: str) -> str:
    found = re.search(r"^error: (.+)$", err, re.M)
    if found:
        return found[1]
    if exit_code < 0:
        return f"The command was ended by the signal {_signal(-exit_code)}."
    return f"The command failed with the exit code {exit_code}; the server's log has the reason."


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
