"""Translates the errors of Spark, which are pages of Java, into sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from projector.errors import SparkFailed

_REASON_CHARACTERS_MAX = 500


@contextmanager
def translating(log: Path | None = None) -> Iterator[None]:
    """Raise SparkFailed in place of an error of Spark; `log` is what its Java process printed."""
    from py4j.protocol import Py4JError, Py4JNetworkError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, Py4JNetworkError, PySparkException) as error:
        reason = reason_of(str(error))
        if "JAVA_GATEWAY_EXITED" in reason and log is not None:
            reason = _last_line(log)
        raise SparkFailed(reason=reason) from error


def reason_of(text: str) -> str:
    """Return the sentence that says most: that of the Python error, if there is one."""
    before_java = re.split(r"\n\s*at (?:org|java|scala|jdk)\.", text, maxsplit=1)[0]
    _, traceback, rest = before_java.rpartition("Traceback (most recent call last):")
    if traceback:
        lines = [line for line in rest.splitlines() if line and not line.startswith(" ")]
        if lines:
            # More lines may follow, with advice.
            return lines[0][:_REASON_CHARACTERS_MAX].rstrip(".")
    lines = [line.strip() for line in before_java.splitlines() if line.strip()]
    return lines[-1][:_REASON_CHARACTERS_MAX].rstrip(".") if lines else "Spark gives no reason"


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()
    return lines[-1][:_REASON_CHARACTERS_MAX] if lines else "Java ended and printed nothing"
