"""Nothing of a cluster and its drivers outlives the process that started them."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.concurrency.rebuilds import within
from tests.support.processes import end_sessions, in_sessions
from tests.support.programs import tied

#: A job that never ends, on a cluster that the same process has started.
_STARTS = """
import sys, time
from pathlib import Path
from tests.support import spark

JOB = '''
import time
from pyspark.sql import SparkSession
context = SparkSession.builder.master("{}").getOrCreate().sparkContext
context.parallelize(range(2), 2).map(lambda _: time.sleep(3600)).collect()
'''

with spark.running_cluster() as cluster:
    job = JOB.format(cluster.master)
    driver = cluster.start(Path.cwd(), program=(sys.executable, "-c", job))
    while len(cluster.pythons()) < 2:
        assert driver.is_running, driver.told
        time.sleep(0.05)
    print(cluster.folder, driver.process.pid, *(each.pid for each in cluster.programs), flush=True)
    time.sleep(3600)
"""

_SECONDS_MAX = 60.0


def test_nothing_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        tied(sys.executable, "-c", _STARTS), cwd=root, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        folder, *numbers = process.stdout.readline().split()
        sessions = {int(each) for each in numbers}
        try:
            words = " ".join(each.words for each in in_sessions(sessions))
            for each in ("Master", "Worker", "CoarseGrainedExecutorBackend", "pyspark.daemon"):
                assert each in words
            process.send_signal(signal.SIGKILL)
            process.wait()
            within(_SECONDS_MAX, lambda: not in_sessions(sessions))
        finally:
            end_sessions(sessions)
            shutil.rmtree(folder)
