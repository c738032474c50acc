"""Errors of Spark, as its driver gets them, become sentences."""

from pathlib import Path

from projector.errors import ArchiveBroken, SparkFailed
from replay.engines.spark.failures import error_of, reason_in

_PYTHON = """
  An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "/env/replay/engines/spark/tasks.py", line 61, in read
    for rows in archive_fold.read_facts(work, parts[index]):
{error}
advice in a second line

\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handle(PythonRunner.scala:600)
\tat java.base/java.lang.Thread.run(Thread.java:840)
"""

_JAVA = """An error occurred while calling None.org.apache.spark.api.java.JavaSparkContext.
: java.lang.IllegalArgumentException: spark.memory.fraction should be between 0 and 1 (was '7.0').
\tat org.apache.spark.memory.UnifiedMemoryManager$.apply(UnifiedMemoryManager.scala:318)
"""

_LOG = """WARNING: Using incubator modules: jdk.incubator.vector
Exception in thread "main" org.apache.spark.SparkException: Master must start with spark
\tat org.apache.spark.deploy.SparkSubmit.error(SparkSubmit.scala:1100)
"""


def test_an_error_of_this_program_on_an_executor_is_that_error() -> None:
    said = "projector.errors.archive.ArchiveBroken: The archive a is broken: b: it is missing"
    found = error_of(_PYTHON.format(error=said))
    assert isinstance(found, ArchiveBroken)
    assert str(found) == "The archive a is broken: b: it is missing"
    assert (found.exit_code, found.hint) == (ArchiveBroken.exit_code, ArchiveBroken.hint)


def test_of_another_python_error_its_line_is_the_reason() -> None:
    found = error_of(_PYTHON.format(error="MemoryError: no room"))
    assert isinstance(found, SparkFailed)
    assert str(found) == "Spark failed: MemoryError: no room"


def test_an_error_that_only_looks_like_one_of_this_program_is_sparks() -> None:
    said = "projector.errors.base.inspect: something"
    assert isinstance(error_of(_PYTHON.format(error=said)), SparkFailed)


def test_of_an_error_of_java_the_line_before_its_frames_is_the_reason() -> None:
    assert str(error_of(_JAVA)) == (
        "Spark failed: java.lang.IllegalArgumentException: "
        "spark.memory.fraction should be between 0 and 1 (was '7.0')."
    )
    assert str(error_of("")) == "Spark failed: Spark gives no reason"


def test_of_what_java_printed_the_first_exception_is_the_reason(tmp_path: Path) -> None:
    log = tmp_path / "spark.log"
    log.write_text(_LOG)
    assert reason_in(log) == "org.apache.spark.SparkException: Master must start with spark"
    log.write_text("")
    assert reason_in(log) == "Java ended and printed nothing"
