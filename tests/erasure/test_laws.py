"""Any history: after an erasure the tables are those of a history without the erased."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projector.envelope import Envelope
from projector.erasure import forget
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.sealing.seal import seal
from projector.store.append import append
from projector.store.database import Database
from replay import rebuild
from replay.engines import ENGINES
from tests.support.databases import dead_letters, rows, stored, wipe
from tests.support.forgetting import SUPPRESSES, everything, is_right
from tests.support.given import RECEIVED_AT, Delivery, envelope
from tests.support.histories import Arrival, arrivals, histories
from tests.support.oracle import Truth, truth

pytestmark = pytest.mark.timeout(600)

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_arriving = histories().flatmap(lambda history: st.tuples(st.just(history), arrivals(history)))

Customer = tuple[str, str | None]


@settings(max_examples=12, suppress_health_check=_SHARED)
@given(arriving=_arriving, data=st.data())
def test_the_tables_are_as_if_the_erased_had_never_been(
    shared_database: Database,
    arriving: tuple[list[Delivery], list[Arrival]],
    data: st.DataObject,
) -> None:
    """They are erased at any point, and everything is delivered once more at the end."""
    database, (history, coming) = shared_database, arriving
    wipe(database)
    known = sorted({_customer(each) for each in map(envelope, history) if each.customer_id})
    erased = data.draw(st.lists(st.sampled_from(known), unique=True) if known else st.just([]))
    at = data.draw(st.integers(0, len(coming)))
    arrived = _arrive(database, coming[:at])
    seal(database)
    forgotten = [each for each in erased if each in arrived]
    _forget(database, forgotten)
    redelivered = data.draw(st.permutations([e for each in coming for e in each.envelopes]))
    for some in ([e for each in coming[at:] for e in each.envelopes], redelivered):
        if not SUPPRESSES:
            some = [each for each in some if _customer(each) not in forgotten]
        append(database, some, received_at=RECEIVED_AT)
        catch_up(database, discover(), batch_events_max=4)
    left = [each for each in map(envelope, history) if _customer(each) not in forgotten]
    assert Truth(rows(database), dead_letters(database)) == truth(discover(), left)
    is_right(database)
    live, kept = stored(database), everything(database)["event"]
    for engine in ("in-process", "parallel") if len(forgotten) > 1 else ("in-process",):
        rebuild(database, discover(), ENGINES[engine], workers=2)
        assert stored(database) == live
    assert everything(database)["event"] == kept


def _customer(each: Envelope) -> Customer:
    return each.project_id, each.customer_id


def _arrive(database: Database, coming: Sequence[Arrival]) -> set[Customer]:
    """Append batches, and fold some of them; the customers who are in the log by then."""
    for arrival in coming:
        append(database, arrival.envelopes, received_at=RECEIVED_AT)
        if arrival.steps:
            catch_up(database, discover(), batch_events_max=3)
    return {_customer(each) for arrival in coming for each in arrival.envelopes}


def _forget(database: Database, customers: Sequence[Customer]) -> None:
    """All of a project at once."""
    for project_id in sorted({each[0] for each in customers}):
        ids = [str(each[1]) for each in customers if each[0] == project_id]
        assert forget(database, ids, project_id=project_id).customers == len(ids)
