"""The page about logs beyond one machine: what was measured, and what follows from it."""

from collections.abc import Sequence

from tests.benchmarks.spark_costs import SparkCost
from tests.benchmarks.stages import Sizes, Stage

_EVENTS_A_DAY = 1_000_000_000
_SECONDS_A_DAY = 86_400
#: The cores of a cluster in the example.
_CORES = 64
_TB = 1e12
#: The share of its maximum at which a single writer can run all day: peaks are several times the
#: mean.
_MEAN_SHARE = 1 / 5


class _Figures:
    """The measured figures, by name."""

    def __init__(
        self, stages: Sequence[Stage], sizes: Sequence[Sizes], costs: Sequence[SparkCost]
    ) -> None:
        self._stages = {(each.database, each.name, each.unit): each for each in stages}
        self.sizes = {each.database: each for each in sizes}
        self.costs = costs
        small, large, self.on_postgres = costs
        #: Of the cluster, for each event beyond those of the small run.
        self.further = (large.cluster - small.cluster) / (large.events - small.events) * 1e6
        #: Of the cluster, before the first event.
        self.start = max(small.cluster - self.further * small.events / 1e6, 0.0)
        self.large = large

    def of(self, database: str, name: str, unit: str = "event") -> float:
        """The microseconds of a stage."""
        return self._stages[database, name, unit].microseconds


def page(
    machine: str, stages: Sequence[Stage], sizes: Sequence[Sizes], costs: Sequence[SparkCost]
) -> str:
    """The page, in Markdown."""
    figures = _Figures(stages, sizes, costs)
    parts = (_head(machine), _measured(stages, figures), _one_machine(figures), _plan(figures))
    return "\n".join(line for part in parts for line in part)


def _head(machine: str) -> list[str]:
    return [
        "# Beyond one machine",
        "",
        "What an [archive](archive.md) and a rebuild on Spark take, and what follows from it for",
        "10⁹ events a day. Written by `make bench-scale`: run it on your machine to compute the",
        "page again from its figures.",
        f"Taken on: {machine}.",
        "",
        "The events are deliveries of 1.1 KB, ten for each customer, one in fifty late. Times are",
        "those of processors, of all processes that have a part: so they do not depend on how many",
        "cores there are. Generated bodies are much alike: real ones compress half as well.",
        "",
    ]


def _measured(stages: Sequence[Stage], figures: _Figures) -> list[str]:
    in_process = {each: figures.of(each, "rebuild, in-process") for each in figures.sizes}
    large = figures.large
    return [
        "## What each stage takes",
        "",
        "| database | stage | unit | µs of processors | of an in-process rebuild |",
        "|---|---|---|--:|--:|",
        *(
            f"| {each.database} | {each.name} | {each.unit} | {each.microseconds:.1f} |"
            f" {_ratio(each, in_process[each.database])} |"
            for each in stages
        ),
        "",
        "| database | archive, bytes an event | log | facts, before the shuffle compresses them |"
        " rows an event | bytes a row, in the form that is loaded |",
        "|---|--:|--:|--:|--:|--:|",
        *(
            f"| {each.database} | {each.archive_bytes:.0f} | {_bytes(each.log_bytes)} |"
            f" {each.facts_bytes:.0f} | {each.rows:.2f} | {each.row_bytes:.0f} |"
            for each in figures.sizes.values()
        ),
        "",
        "Rebuilds on a standalone cluster on the same machine: a master and two workers with one",
        "core each. The start of Java is in it.",
        "",
        "| database | events | executors' Java | executors' Python | driver's Java |"
        " driver's Python and server | by the clock | shuffled, bytes an event |"
        " greatest Python of an executor |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {each.database} | {each.events:,} | {each.executor_jvms:.1f} s |"
            f" {each.executor_pythons:.1f} s | {each.driver_jvm:.1f} s |"
            f" {each.driver_python:.1f} s | {each.clock_seconds:.0f} s |"
            f" {each.shuffle_bytes / each.events:.0f} | {each.memory_bytes_max / 2**20:.0f} MiB |"
            for each in figures.costs
        ),
        "",
        f"From {figures.costs[0].events:,} to {large.events:,} events the executors take"
        f" {figures.further:.0f} µs more for each, which is"
        f" {figures.further / in_process['sqlite']:.2f} × of an in-process rebuild; the"
        f" {figures.start:.0f} s before the first event are the start.",
        "",
    ]


def _ratio(stage: Stage, in_process: float) -> str:
    return f"{stage.microseconds / in_process:.2f} ×" if stage.unit == "event" else ""


def _bytes(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _one_machine(figures: _Figures) -> list[str]:
    append = figures.of("postgres", "append")
    most = 1e6 / append
    log = figures.sizes["sqlite"].log_bytes or 0.0
    a_year = 4 * _TB / log / 365
    return [
        "## What one machine carries",
        "",
        f"- **Writers.** One head row numbers the events, so appends run one after the other. At"
        f" {append:.0f} µs an event, of which a part is the client's, batches reach at most some"
        f" {_round(most):,} events a second; a fifth of it, to leave room for peaks, are"
        f" {_round(most * _MEAN_SHARE * _SECONDS_A_DAY / 1e6)} million a day.",
        f"- **Disk.** {log:,.0f} bytes an event in the log: a disk of 4 TB is full after a year of"
        f" {_round(a_year / 1e6)} million events a day. This is the narrower limit.",
        "- **Rebuild.** An in-process or parallel rebuild of 100 million events takes"
        f" {figures.of('sqlite', 'rebuild, in-process') * 100 / 3600:.1f} core-hours.",
        "",
        "So one machine, with the embedded database or Postgres, carries up to some 10 million",
        "events a day for years, and 100 million a day for some weeks. Until a rebuild takes",
        "longer than you can wait, Spark brings nothing: its start alone takes as long as folding",
        "some hundred thousand events.",
        "",
        "Postgres is the wall for the log itself: one writer at a time, and each event's header in",
        "one table whose indexes grow with it. Most of the bytes are bodies;",
        "[ADR 22](adr/0022-bodies-stay-with-their-events.md) says what partitions of them",
        "would give, and why they are not built. Beyond that, divide the log by project into",
        "several databases, each with its archive and its rebuilds: no customer, no segment and no",
        "tier belongs to two projects.",
        "",
    ]


def _plan(figures: _Figures) -> list[str]:
    sizes, postgres = figures.sizes["sqlite"], figures.sizes["postgres"]
    log = sizes.log_bytes or 0.0
    shuffled = figures.large.shuffle_bytes / figures.large.events
    load = figures.of("postgres", "driver: load, index and swap", "row") * postgres.rows
    hours = _hours(figures.further)
    return [
        "## 10⁹ events a day",
        "",
        "11,600 a second on the average. Of one day's events:",
        "",
        "| | an event | 10⁹ events |",
        "|---|--:|--:|",
        _line("log, in databases divided by project", f"{log:,.0f} bytes", _gigabytes(log)),
        _line(
            "archive",
            f"{sizes.archive_bytes:.0f} bytes",
            f"{_gigabytes(sizes.archive_bytes)}; {sizes.archive_bytes * 365 / 1000:,.0f} TB a year",
        ),
        *(
            _line(
                name,
                f"{figures.of('postgres', stage):.1f} µs",
                f"{_hours(figures.of('postgres', stage)):.1f} core-hours",
            )
            for name, stage in (
                ("append", "append"),
                ("archiving", "archive write"),
                ("checking the archive against the log", "archive check --log"),
            )
        ),
        _line(
            "Spark's executors",
            f"{figures.further:.0f} µs",
            f"{hours:.1f} core-hours: on {_CORES} cores {hours / _CORES * 60:.0f} minutes",
        ),
        _line("shuffle, on the executors' disks", f"{shuffled:.0f} bytes", _gigabytes(shuffled)),
        _line(
            "results in the archive, until they are loaded",
            f"{postgres.rows * postgres.row_bytes:.0f} bytes",
            _gigabytes(postgres.rows * postgres.row_bytes),
        ),
        _line(
            "load, index and swap, into Postgres",
            f"{load:.1f} µs",
            f"{_hours(load):.1f} core-hours, on one connection",
        ),
        "",
        "What the cluster needs:",
        "",
        f"- **Cores.** Tasks of about 50,000 events: {_EVENTS_A_DAY // 50_000:,} that read and as"
        " many that fold. More cores shorten the folds, up to that number; the load into the"
        " database is one connection's and does not get shorter: rebuild projections one by one"
        " (`projector rebuild NAME`), or divide the log by project.",
        "- **Memory.** A Python of an executor holds one task: at most"
        f" {max(each.memory_bytes_max for each in figures.costs) / 2**20:.0f} MiB here, whatever"
        " the size of the log. The executor's Java sorts in its heap and spills; 1 GB is enough for"
        " a core. Set `--spark-conf spark.executor.memory=1g` and"
        " `spark.executor.pyspark.memory=1g`.",
        "- **Disk.** `spark.local.dir` of all executors together holds the shuffle twice.",
        "- **The largest customer.** One customer's events are one task's, for a fold is"
        " sequential: the rebuild takes at least as long as its largest customer does on one core.",
        "- **Files.** `projector archive write --range 4000000` makes 250 files a day;"
        " `--partitions` overrides the number of folding tasks.",
        "",
    ]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _hours(microseconds: float) -> float:
    """The core-hours of 10⁹ events."""
    return microseconds * _EVENTS_A_DAY / 1e6 / 3600


def _gigabytes(bytes_an_event: float) -> str:
    return f"{bytes_an_event:,.0f} GB"


def _round(value: float) -> int:
    """A number with two digits that count."""
    digits = len(str(int(value))) - 2
    return int(round(value, -digits)) if digits > 0 else round(value)
