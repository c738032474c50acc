"""The use of vouchers is counted, and the projection keeps the laws."""

import pytest
from shop_vouchers import PROJECTION

from projector.testing import LAWS, Law, event, given

TYPE = "customer.voucher.redeemed"
EVENTS = [
    event(TYPE, "cust_1", at="2024-03-01T10:00:00Z", voucher={"id": "v_1", "code": "SPRING"}),
    event(TYPE, "cust_1", at="2024-03-02T10:00:00Z", voucher={"id": "v_1"}),
    event(TYPE, "cust_1", at="2024-03-03T10:00:00Z", voucher={"id": "v_2"}),
    event(TYPE, "cust_2", at="2024-03-01T10:00:00Z", voucher={"id": "v_1"}),
    event(TYPE, "cust_1", at="2024-03-04T10:00:00Z", voucher=None),
]


def test_each_use_of_a_voucher_is_counted() -> None:
    rows = given(*EVENTS).then_rows(PROJECTION)
    assert [(row.voucher_id, row.code, row.times) for row in rows] == [
        ("v_1", "SPRING", 2),
        ("v_2", None, 1),
    ]


def test_an_event_without_a_voucher_is_a_dead_letter() -> None:
    [reason] = given(*EVENTS).then_dead_letters(PROJECTION)
    assert "Expected `object`, got `null` - at `$.voucher`" in reason


@pytest.mark.parametrize("law", LAWS)
def test_the_projection_keeps_the_law(law: Law) -> None:
    law(PROJECTION, EVENTS)
