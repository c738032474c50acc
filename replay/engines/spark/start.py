"""Starts a Spark session with a Java process of its own, or uses the one that is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from projector.errors import ProjectorError, SparkFailed
from replay.engines.spark import install
from replay.engines.spark.failures import reason_in, translating
from replay.engines.spark.options import SparkOptions
from replay.workspace import spilling

if TYPE_CHECKING:
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

#: The time in which the Java process must end, in seconds.
END_SECONDS_MAX = 30.0

#: The settings of a session; those that a user gives win.
_SETTINGS = {
    "spark.log.level": "ERROR",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # The bodies of a row group at the most.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
    # The partitions are as many as the plan says.
    "spark.sql.adaptive.enabled": "false",
}

_LOCAL_SETTINGS = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


@contextmanager
def session(options: SparkOptions, log: Path) -> Iterator[SparkSession]:
    """Start a session, and end it; one that this process has already stays open.

    What the Java process prints goes to a file. Raises SparkUnreachable, SparkFailed.
    """
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    install.require_reachable(options.master)
    # Not that of the active session, which is one of this thread.
    existing = SparkContext._active_spark_context
    if existing is not None:
        yield SparkSession(existing)
        return
    # A stopped session leaves its Java process, or another program has started one.
    is_there = SparkContext._gateway is not None or "PYSPARK_GATEWAY_PORT" in os.environ
    with _given_java() if is_there else _own_java(options, log) as gateway:
        yield from _started(options, gateway)


@contextmanager
def _given_java() -> Iterator[Any]:
    yield None


@contextmanager
def _own_java(options: SparkOptions, log: Path) -> Iterator[Any]:
    """Start a Java process, which has the session's static settings, and end it."""
    from pyspark import SparkConf, java_gateway
    from pyspark.errors import PySparkException

    launch: Any = java_gateway.launch_gateway  # untyped
    conf = _configure(SparkConf(), options)
    with spilling(log):
        printed = log.open("wb")
    with printed:
        try:
            gateway = launch(conf, {"stdout": printed, "stderr": printed})
        except PySparkException as error:
            raise SparkFailed(reason=reason_in(log)) from error
        try:
            yield gateway
        finally:
            _end(gateway)


def _started(options: SparkOptions, gateway: Any) -> Iterator[SparkSession]:
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    with translating():
        context = SparkContext(conf=_configure(SparkConf(), options), gateway=gateway)
    try:
        # The context has set a handler of its own, and this one ends the rebuild as well.
        if is_main and before is not None:
            signal.signal(signal.SIGINT, before)
        yield SparkSession(context)
    finally:
        # The Java process may have ended.
        with suppress(ProjectorError), translating():
            context.stop()


def _configure(conf: SparkConf, options: SparkOptions) -> SparkConf:
    # Without it, executors start the first `python3` on their PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = _SETTINGS | (_LOCAL_SETTINGS if options.is_local else {}) | dict(options.conf)
    conf.setAppName("customer-state-projector").setMaster(options.master)
    return conf.setAll([*settings.items()])


def _end(gateway: Any) -> None:
    """End a Java process, so that the next session gets one with its own settings."""
    from pyspark import SparkContext

    # A context that could not be stopped would be in the way of the next one.
    SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
    with suppress(ProjectorError), translating():
        gateway.shutdown()
    gateway.proc.stdin.close()
    try:
        gateway.proc.wait(END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        gateway.proc.kill()
        gateway.proc.wait()
