"""What is wrong with Java, a cluster or an archive is said in a sentence, and changes no table."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import make_url

from tests.spark import deliveries
from tests.spark.archived import Archived, differences
from tests.spark.conftest import small_log
from tests.support.databases import Contents
from tests.support.programs import free_port
from tests.support.spark import Cluster

#: The program with less patience.
_IMPATIENT = """
from replay.engines.spark import session
session.EXECUTOR_SECONDS_MAX = 3.0
from projector.cli import main
main()
"""

#: Makes a Python process of an executor one of another version; the driver's it leaves alone.
_OTHER_VERSION = """
import sys
from collections import namedtuple
if "pyspark.daemon" in sys.orig_argv:
    Version = namedtuple("Version", "major minor micro releaselevel serial")
    sys.version_info = Version(3, 99, *sys.version_info[2:])
"""


@pytest.fixture
def before(small: Archived) -> Contents:
    """The tables as they must stay; one row is marked."""
    return small.contents()


def _check(
    small: Archived,
    before: Contents,
    cluster: Cluster,
    *options: str,
    code: int,
    words: str,
    **more: Any,
) -> None:
    """Check that a rebuild fails with an exit code and a sentence that has some words."""
    done = small.rebuild(cluster, *options, **more)
    assert done.failed_in_a_sentence, done.err
    assert (done.code, words in done.err) == (code, True), done.err
    assert differences(small.contents(), before) == ""
    assert small.left() == []


def _script(path: Path, *lines: str) -> Path:
    path.parent.mkdir()
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def test_no_java(small: Archived, before: Contents, cluster: Cluster, tmp_path: Path) -> None:
    variables = {"PATH": str(tmp_path), "JAVA_HOME": ""}
    words = "Spark needs Java 17 or newer: no `java` is on the PATH"
    _check(small, before, cluster, code=2, words=words, variables=variables)


def test_an_old_java(small: Archived, before: Contents, cluster: Cluster, tmp_path: Path) -> None:
    java = _script(tmp_path / "old" / "java", """echo 'openjdk version "11.0.2"' >&2""")
    variables = {"PATH": f"{java.parent}:{os.environ['PATH']}", "JAVA_HOME": ""}
    _check(small, before, cluster, code=2, words="11.0.2", variables=variables)


@pytest.mark.parametrize("name", ["pyspark", "pyarrow"])
def test_a_missing_package(
    small: Archived, before: Contents, cluster: Cluster, tmp_path: Path, name: str
) -> None:
    raising = f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n"
    (tmp_path / f"{name}.py").write_text(raising)
    variables = {"PYTHONPATH": str(tmp_path)}
    _check(small, before, cluster, code=2, words="projector[spark]", variables=variables)


def test_a_master_that_does_not_listen(small: Archived, before: Contents, cluster: Cluster) -> None:
    nothing = evolve(cluster, master=f"spark://127.0.0.1:{free_port()}")
    _check(small, before, nothing, code=4, words="Connection refused")


def test_a_cluster_without_room(small: Archived, before: Contents, cluster: Cluster) -> None:
    """Spark itself would wait for ever."""
    conf = ("--spark-conf", "spark.executor.memory=64g")
    program = (sys.executable, "-c", _IMPATIENT)
    words = "it gave no executor within 3 s"
    _check(small, before, cluster, *conf, code=4, words=words, program=program)


def test_executors_without_the_package(small: Archived, before: Contents, cluster: Cluster) -> None:
    variables = {"PYSPARK_PYTHON": os.path.realpath(sys.executable)}
    words = "An executor of Spark cannot fold: "
    _check(small, before, cluster, code=4, words=words, variables=variables)


def test_executors_without_python(small: Archived, before: Contents, cluster: Cluster) -> None:
    variables = {"PYSPARK_PYTHON": "/nowhere/python3"}
    _check(small, before, cluster, code=4, words="/nowhere/python3", variables=variables)


def test_executors_with_another_python(
    small: Archived, before: Contents, cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(_OTHER_VERSION)
    conf = ("--spark-conf", f"spark.executorEnv.PYTHONPATH={tmp_path}")
    _check(small, before, cluster, *conf, code=4, words="3.99")


def test_no_archive(small: Archived, before: Contents, cluster: Cluster) -> None:
    nothing = small.elsewhere(f"{small.archive}/none")
    _check(nothing, before, cluster, code=2, words="There is no archive at ")


def test_the_archive_of_another_log(
    small: Archived, before: Contents, cluster: Cluster, sqlite_template: Path, tmp_path: Path
) -> None:
    other = small_log(sqlite_template, tmp_path / "other", seed=2)
    foreign = small.elsewhere(other.archive)
    _check(foreign, before, cluster, code=2, words="is of another log")


def test_a_log_that_was_restored_from_before(
    small: Archived, before: Contents, cluster: Cluster, tmp_path: Path
) -> None:
    name = make_url(small.url).database
    assert name is not None
    shutil.copy(name, tmp_path / "backup.db")
    (tmp_path / "later").write_bytes(b"".join(deliveries.lines(200, seed=3)))
    assert small.command("ingest", "--no-catch-up", str(tmp_path / "later")).code == 0
    small.archive_ranges(100)
    restored = evolve(small, url=f"sqlite:///{tmp_path / 'backup.db'}")
    _check(restored, before, cluster, code=1, words="was the database restored?")


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_a_broken_file(small: Archived, before: Contents, cluster: Cluster, harm: str) -> None:
    path = sorted(Path(small.archive).glob("events/*"))[1]
    data = bytearray(path.read_bytes())
    path.unlink()
    if harm == "changed":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    conf = ("--spark-conf", "spark.task.maxFailures=1")
    _check(small, before, cluster, *conf, code=1, words=path.name)
