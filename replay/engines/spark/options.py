"""Defines the options of a rebuild on Spark."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen(kw_only=True)
class SparkOptions:
    """The way in which a rebuild uses Spark."""

    #: The URL of the archive that it reads.
    archive_url: str
    #: The URL of the cluster's master, such as `spark://host:7077`; by default all cores of this
    #: machine.
    master: str = "local[*]"
    #: Settings of Spark's own, such as `spark.executor.memory`.
    conf: Mapping[str, str] = field(factory=dict)
    #: The number of tasks that fold; by default one for about 50,000 events.
    partitions: int | None = None

    @property
    def is_local(self) -> bool:
        """Whether Spark runs in this machine's processes only."""
        return self.master.startswith("local")
