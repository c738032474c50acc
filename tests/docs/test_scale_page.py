"""The page about logs beyond one machine, from figures that are made up."""

from attrs import evolve

from tests.benchmarks import scaling_report
from tests.benchmarks.spark_costs import SparkCost
from tests.benchmarks.stages import Sizes, Stage

_STAGES = [
    Stage(database=database, name=name, unit=unit, microseconds=microseconds)
    for database in ("sqlite", "postgres")
    for name, unit, microseconds in (
        ("append", "event", 50.0),
        ("archive write", "event", 10.0),
        ("archive check --log", "event", 5.0),
        ("rebuild, in-process", "event", 20.0),
        ("driver: load, index and swap", "row", 3.0),
    )
]
_SIZES = Sizes(
    database="sqlite",
    archive_bytes=100.0,
    log_bytes=1400.0,
    facts_bytes=300.0,
    rows=2.0,
    row_bytes=150.0,
)
_COST = SparkCost(
    database="sqlite",
    events=100_000,
    executor_jvms=6.0,
    executor_pythons=5.0,
    driver_jvm=8.0,
    driver_python=2.0,
    clock_seconds=30.0,
    shuffle_bytes=9_000_000,
    memory_bytes_max=200 * 2**20,
)


def test_the_page_computes_a_day_of_events_from_what_was_measured() -> None:
    costs = [
        _COST,
        evolve(_COST, events=1_100_000, executor_pythons=15.0, shuffle_bytes=99_000_000),
        evolve(_COST, database="postgres"),
    ]
    sizes = [_SIZES, evolve(_SIZES, database="postgres", log_bytes=None)]
    page = scaling_report.page("2 cores", _STAGES, sizes, costs)
    # 10 s more for 1,000,000 events more; the rest of 11 s is the start.
    assert "executors take 10 µs more for each, which is 0.50 × of an in-process rebuild" in page
    assert "the 10 s before the first event are the start" in page
    assert "| append | 50.0 µs | 13.9 core-hours |" in page
    assert "| archive | 100 bytes | 100 GB; 36 TB a year |" in page
    assert "| shuffle, on the executors' disks | 90 bytes | 90 GB |" in page
    assert "| results in the archive, until they are loaded | 300 bytes | 300 GB |" in page
    assert "| load, index and swap, into Postgres | 6.0 µs | 1.7 core-hours" in page
    assert "at most some 20,000 events a second" in page
