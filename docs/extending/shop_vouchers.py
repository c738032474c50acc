"""voucher_use: how often a customer redeemed each voucher, one row a voucher."""

from collections.abc import Mapping
from datetime import datetime

from attrs import frozen
from msgspec import Struct

from projector.envelope import CanonicalKey
from projector.facts.events import CustomerFact
from projector.facts.registry import Fact
from projector.projections.projection import Identifier, Projection


@frozen(kw_only=True)
class Voucher:
    """The `voucher` object of an event, as far as the fold reads it."""

    id: str
    code: str | None = None


@frozen(kw_only=True)
class VoucherRedeemed(CustomerFact):
    """customer.voucher.redeemed: a customer redeemed a voucher."""

    voucher: Voucher


REDEEMED = Fact(type="customer.voucher.redeemed", cls=VoucherRedeemed)


class Row(Struct, frozen=True):
    """The use of one voucher."""

    voucher_id: Identifier
    code: str | None
    times: int
    last_redeemed_at: datetime
    changed_by: Identifier


#: Rows by voucher id.
State = Mapping[str, Row]


def redeemed(state: State, fact: VoucherRedeemed, key: CanonicalKey) -> State:
    """Count the use of a voucher."""
    voucher = fact.voucher
    before = state.get(voucher.id)
    row = Row(
        voucher_id=voucher.id,
        code=voucher.code or (before.code if before else None),
        times=1 + (before.times if before else 0),
        last_redeemed_at=key.occurred_at,
        changed_by=key.event_id,
    )
    return {**state, voucher.id: row}


def to_rows(state: State) -> list[Row]:
    """One row a voucher."""
    return list(state.values())


def from_rows(rows: list[Row]) -> State:
    """The inverse of to_rows."""
    return {row.voucher_id: row for row in rows}


PROJECTION: Projection[State, Row] = Projection(
    name="voucher_use",
    version=1,
    row=Row,
    key=("voucher_id",),
    indexes=(("voucher_id", "project_id", "customer_id"),),
    initial={},
    evolvers={VoucherRedeemed: redeemed},
    to_rows=to_rows,
    from_rows=from_rows,
)
