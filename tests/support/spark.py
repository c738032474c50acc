"""A real standalone Spark cluster for tests: a master and workers on this machine's loopback.

Everything that it starts is in sessions of its own and in one folder, and ends with the block, or
with the process that started it. `python -m tests.support.spark` starts one for trying things.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from attrs import field, frozen

from tests.support.command import PROGRAM, Done, environment
from tests.support.processes import Process, end_sessions, in_sessions
from tests.support.programs import free_port, tied
from tests.support.spark_driver import Attempt, Driver

_START_SECONDS_MAX = 60
_START_ATTEMPTS_MAX = 3

#: JVMs that live for seconds: quick to start, and with nothing left in /tmp.
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData"

#: What an operator writes into spark-defaults.conf, as far as this machine is concerned.
_DEFAULTS = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.extraJavaOptions": _JAVA,
    "spark.executor.extraJavaOptions": _JAVA,
    "spark.executor.memory": "512m",
    "spark.ui.enabled": "false",
    "spark.eventLog.enabled": "true",
    "spark.eventLog.rolling.enabled": "false",
    "spark.eventLog.compress": "false",
}

#: The log of executors tells each task.
_LOG4J = """
rootLogger.level = info
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss.SSS} %p %c{1}: %m%n
"""

_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"


@frozen(eq=False)
class Cluster:
    """A cluster that runs; its processes are in the sessions that its programs lead."""

    #: As `--spark` takes it.
    master: str
    folder: Path
    programs: list[subprocess.Popen[bytes]]
    #: The sessions of drivers that were started on it.
    drivers: list[int] = field(factory=list)

    def executors(self) -> list[Process]:
        """The JVMs that run tasks."""
        return [each for each in self._processes() if "CoarseGrainedExecutorBackend" in each.words]

    def pythons(self) -> list[Process]:
        """The Python processes that run tasks: the children of the executors' daemons."""
        daemons = [each for each in self._processes() if "pyspark.daemon" in each.words]
        pids = {each.pid for each in daemons}
        return [each for each in daemons if each.parent in pids]

    def _processes(self) -> list[Process]:
        return in_sessions({each.pid for each in self.programs})

    def variables(self) -> dict[str, str]:
        """The environment of a driver on this machine."""
        return {
            **_variables(self.folder),
            "SPARK_CONF_DIR": str(self.folder / "driver"),
        }

    def start(
        self,
        folder: Path,
        *arguments: str,
        variables: Mapping[str, str] = {},
        program: Sequence[str] = PROGRAM,
    ) -> Driver:
        """Start a program, by default this project's, in a folder, as a driver of the cluster."""
        out, err = (tempfile.TemporaryFile(dir=self.folder) for _ in range(2))  # noqa: SIM115
        with out, err:
            process = subprocess.Popen(
                tied(*program, *arguments),
                cwd=folder,
                env=environment(**{**self.variables(), **variables}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            self.drivers.append(process.pid)
            return Driver(process, os.dup(out.fileno()), os.dup(err.fileno()))

    def run(self, folder: Path, *arguments: str, variables: Mapping[str, str] = {}) -> Done:
        """Run this project's program in a folder, as a driver of the cluster."""
        return self.start(folder, *arguments, variables=variables).ended()

    def attempts(self) -> list[Attempt]:
        """The attempts at tasks of the last driver, in the order of their ends."""
        newest = max((self.folder / "events").iterdir(), key=lambda each: each.stat().st_mtime_ns)
        ends = (json.loads(line) for line in newest.read_text().splitlines() if "TaskEnd" in line)
        return [
            Attempt(each["Task End Reason"]["Reason"], each["Task Info"]["Speculative"])
            for each in ends
        ]

    def take_temporary_files(self) -> list[str]:
        """Remove what processes have left in the folder for temporary files; return the names."""
        left = sorted((self.folder / "tmp").iterdir())
        for each in left:
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        return [each.name for each in left]

    def until_idle(self) -> None:
        """Wait until drivers have ended with their JVMs, executors and Pythons."""
        deadline = time.monotonic() + _START_SECONDS_MAX
        while time.monotonic() < deadline:
            if not self.executors() and not self.pythons() and not in_sessions({*self.drivers}):
                self.drivers.clear()
                return
            time.sleep(0.05)
        left = [*self._processes(), *in_sessions({*self.drivers})]
        raise AssertionError(f"Processes of a driver that has ended live on: {left}")


@contextmanager
def running_cluster(*, workers: int = 2) -> Iterator[Cluster]:
    """Run a cluster of workers with one core each until the block ends.

    Each worker has an address of its own, because a speculative attempt of a task never runs at the
    address of the first one.
    """
    folder = Path(tempfile.mkdtemp(prefix="projector-spark-"))
    cluster = None
    try:
        _write_settings(folder)
        cluster = _start_master(folder)
        _start_workers(cluster, workers)
        yield cluster
    finally:
        if cluster is not None:
            end_sessions({*cluster.drivers, *(each.pid for each in cluster.programs)})
            for each in cluster.programs:
                each.wait()
        shutil.rmtree(folder)


def _write_settings(folder: Path) -> None:
    for name in ("cluster", "driver", "events", "local", "tmp", "work"):
        (folder / name).mkdir()
    (folder / "cluster" / "log4j2.properties").write_text(_LOG4J)
    settings = {**_DEFAULTS, "spark.eventLog.dir": (folder / "events").as_uri()}
    lines = [f"{name} {value}\n" for name, value in settings.items()]
    (folder / "driver" / "spark-defaults.conf").write_text("".join(lines))


def _start_master(folder: Path) -> Cluster:
    for _ in range(_START_ATTEMPTS_MAX):
        port = free_port()
        options = ["--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
        program = _start(folder, "master", _MASTER, *options)
        url = f"spark://127.0.0.1:{port}"
        found = _until(folder, "master", program, r"Starting Spark master at (\S+)[^$]*: ALIVE")
        if found and found[1] == url:
            return Cluster(url, folder, [program])
        # Another program was quicker to take the port: Spark then takes the next one.
        end_sessions({program.pid})
        program.wait()
    raise RuntimeError(f"The master did not start: {_log(folder, 'master')}")


def _start_workers(cluster: Cluster, count: int) -> None:
    names = [f"worker{number}" for number in range(count)]
    for number, name in enumerate(names, 1):
        # Linux has all of 127.0.0.0/8 as the loopback.
        host = f"127.0.0.{number}" if sys.platform == "linux" else "127.0.0.1"
        options = ["--host", host, "--webui-port", "0", "--cores", "1", "--memory", "1g"]
        options += ["--work-dir", str(cluster.folder / "work" / name)]
        program = _start(cluster.folder, name, _WORKER, *options, cluster.master, ip=host)
        cluster.programs.append(program)
    for name, program in zip(names, cluster.programs[1:], strict=True):
        if not _until(cluster.folder, name, program, "Successfully registered with master"):
            raise RuntimeError(f"A worker did not start: {_log(cluster.folder, name)}")


def _start(
    folder: Path, name: str, *command: str | Path, ip: str = "127.0.0.1"
) -> subprocess.Popen[bytes]:
    home = spark_home()
    own = {
        "SPARK_CONF_DIR": str(folder / "cluster"),
        "SPARK_DAEMON_JAVA_OPTS": f"{_JAVA} -Djava.io.tmpdir={folder / 'tmp'}",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_HOME": str(home),
    }
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            tied("/bin/bash", home / "bin" / "spark-class", *command),
            cwd=folder,
            env=environment(**{**_variables(folder), **own, "SPARK_LOCAL_IP": ip}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _variables(folder: Path) -> Mapping[str, str]:
    return {
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "TMPDIR": str(folder / "tmp"),
    }


def spark_home() -> Path:
    """Return the folder of Spark in the package pyspark, without importing it."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise RuntimeError("pyspark is not installed: pip install -e '.[spark]'")
    return Path(spec.origin).parent


def _until(
    folder: Path, name: str, program: subprocess.Popen[bytes], pattern: str
) -> re.Match[str] | None:
    """Wait until a program's log has a pattern; None if it ends before, or takes too long."""
    deadline = time.monotonic() + _START_SECONDS_MAX
    while time.monotonic() < deadline:
        has_ended = program.poll() is not None
        if found := re.search(pattern, _log(folder, name)):
            return found
        if has_ended:
            return None
        time.sleep(0.05)
    return None


def _log(folder: Path, name: str) -> str:
    return (folder / f"{name}.log").read_text(errors="replace")


def _main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with running_cluster() as cluster:
            print(cluster.master, cluster.folder, flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    _main()
