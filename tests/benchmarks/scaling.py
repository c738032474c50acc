"""Runs the benchmark of what a log beyond one machine takes, and writes its page."""

import tempfile
from pathlib import Path

from projector.store import schema
from projector.store.database import Database
from tests.benchmarks import scaling_report, spark_costs, stages
from tests.benchmarks.deliveries import deliveries
from tests.benchmarks.spark_costs import SparkCost
from tests.benchmarks.stages import Sizes, Stage
from tests.support.postgres import Server
from tests.support.spark import running_cluster

_DOCS = Path(__file__).parents[2] / "docs"


def run(server: Server, folder: Path, *, events: int, share: int, machine: str) -> None:
    """Print each figure; the page is written by a run of all events alone."""
    found: list[Stage] = []
    sizes: list[Sizes] = []
    costs: list[SparkCost] = []
    with running_cluster() as cluster:
        for name, its_server, count in (
            ("sqlite", None, events // 5),
            ("sqlite", None, events),
            ("postgres", server, events),
        ):
            place = Path(tempfile.mkdtemp(dir=folder))
            lines = place / "deliveries.ndjson"
            with lines.open("wb") as stream:
                stream.writelines(deliveries(count, customers=count // 10))
            url = f"sqlite:///{place / 'projector.db'}"
            if its_server is not None:
                url = its_server.create_database()
                schema.migrate(Database(url))
            taken, size = stages.measure(name, url, its_server, lines, place, count)
            [archive] = place.glob("archive-*")
            cost = spark_costs.measure(cluster, name, url, str(archive), count, its_server)
            print(cost.line(), flush=True)
            costs.append(cost)
            if count == events:
                found += taken
                sizes.append(size)
    page = scaling_report.page(machine, found, sizes, costs)
    if share == 1:
        (_DOCS / "scale.md").write_text(page)
    else:
        print(page)
