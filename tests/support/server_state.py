"""What a server's database has."""

from projector.projections import discover
from projector.queries.status import read_status
from projector.store.database import Database


def kept(database: Database) -> tuple[int, int]:
    """The head of the log, and how many deliveries are put aside."""
    found = read_status(database, discover())
    return found.head, sum(found.quarantine.values())


def metric(page: bytes, name: str) -> float:
    """A value on the page of metrics, by its name with its labels; 0 where there is none."""
    for line in page.decode().splitlines():
        found, _, value = line.rpartition(" ")
        if found == name:
            return float(value)
    return 0.0
