"""How long it takes to ask for one customer, from an open application object."""

import random
import time
from contextlib import suppress
from pathlib import Path

from projector import open_projector
from projector.errors import CustomerNotFound
from tests.benchmarks.deliveries import deliveries
from tests.benchmarks.measure import percentiles


def run(folder: Path, *, events: int, customers: int, questions: int) -> None:
    """Print the percentiles of `customer` on SQLite with many events in the log."""
    with open_projector(f"sqlite:///{folder / 'customers.db'}") as projector:
        projector.ingest(deliveries(events, customers=customers))
        projector.catch_up()
        random_ = random.Random(1)
        samples = []
        for _ in range(questions):
            customer_id = f"cust_{random_.randrange(customers):020d}"
            start = time.perf_counter()
            # Of so many, a few have no event by chance.
            with suppress(CustomerNotFound):
                projector.customer(customer_id)
            samples.append(time.perf_counter() - start)
    print(f"{'sqlite customer':28} {percentiles(samples)}   ({events:,} events in the log)")
