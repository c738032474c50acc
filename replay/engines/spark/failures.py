"""Translates the errors of Spark, which are pages of Java, into sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from projector import errors
from projector.errors import ProjectorError, SparkFailed, with_message

_REASON_CHARACTERS_MAX = 500

#: An error of this program in a traceback.
_OWN_ERROR = re.compile(r"^projector\.errors\.\w+\.(\w+): (.+)$", re.DOTALL)

_JAVA_LINE = re.compile(r"\n\s*at (?:org|java|scala|jdk)\.")
_EXCEPTION = re.compile(r'(?:Exception in thread "[^"]*" )?(\S*(?:Error|Exception)\b.*\S)')


@contextmanager
def translating() -> Iterator[None]:
    """Raise an error of this program in place of one of Spark.

    If an executor has raised one of this program's errors, it is raised here; otherwise SparkFailed
    is. The Java process must still run, because it has the texts of its errors.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException) as error:
        raise error_of(_text(error)) from error
    except (ConnectionError, EOFError) as error:
        raise SparkFailed(reason=f"its Java process has ended ({error})") from error


def _text(error: Exception) -> str:
    try:
        return str(error)
    except (ConnectionError, EOFError):
        return "its Java process has ended"


def error_of(text: str) -> ProjectorError:
    """Return the error that a text of Spark means."""
    reason = reason_of(text)
    own = _OWN_ERROR.match(reason)
    kind = getattr(errors, own[1], None) if own else None
    if own and isinstance(kind, type) and issubclass(kind, ProjectorError):
        return with_message(kind, own[2])
    return SparkFailed(reason=reason)


def reason_of(text: str) -> str:
    """Return the sentence that says most: that of the Python error, if there is one."""
    before_java = _JAVA_LINE.split(text, maxsplit=1)[0]
    _, traceback, rest = before_java.rpartition("Traceback (most recent call last):")
    if traceback:
        lines = [line for line in rest.splitlines() if line and not line.startswith(" ")]
        if lines:
            # More lines may follow, with advice.
            return lines[0][:_REASON_CHARACTERS_MAX]
    lines = [line.strip(" \t:") for line in before_java.splitlines() if line.strip()]
    return lines[-1][:_REASON_CHARACTERS_MAX] if lines else "Spark gives no reason"


def reason_in(log: Path) -> str:
    """Return the line of what a Java process printed that says most: its first exception."""
    text = log.read_text("utf-8", "replace")
    if found := _EXCEPTION.search(text):
        return found[1][:_REASON_CHARACTERS_MAX]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_REASON_CHARACTERS_MAX] if lines else "Java ended and printed nothing"
