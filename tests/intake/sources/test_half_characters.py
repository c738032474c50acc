r"""Text that was cut within a character (`"Jo \ud83c"`): filed, with its body as it came."""

from typing import Any

import pytest

from projector.envelope import DeliveryDefaults, Envelope, Rejected
from projector.intake import sources
from projector.text.jsontext import compact
from tests.support.shapes import (
    HAPPENED_AT,
    activity,
    as_bytes,
    cloudevent,
    distribution,
    event_part,
    filed,
    minimal,
    page,
    read_all,
    rejected,
    segment_data,
)

_CALLER = DeliveryDefaults(
    project_id="proj_1", type="customer.segment.entered", occurred_at=HAPPENED_AT
)
_HALF = rb"Jo \ud83c"
_PLACE = "@here@"
_DATA = segment_data(segment={"id": "seg_1", "name": _PLACE})


def _cut(body: Any, half: bytes = _HALF) -> bytes:
    return as_bytes(body).replace(_PLACE.encode(), half)


_BODIES: dict[str, bytes] = {
    "webhook": _cut(distribution(data=_DATA)),
    "a webhook's own text": _cut(distribution(type=_PLACE)),
    "activity": _cut(activity(data={"data": _DATA})),
    "minimal": _cut(minimal(data=_DATA)),
    "a key": _cut(minimal(**{_PLACE: 1})),
    "cloudevents": _cut(cloudevent(data=_DATA)),
    "bare": _cut(_DATA),
}


@pytest.mark.parametrize("body", _BODIES.values(), ids=_BODIES)
def test_half_a_character_in_a_text_is_filed_as_it_came(body: bytes) -> None:
    item = filed(body, _CALLER)
    assert (item.project_id, item.customer_id) == ("proj_1", "cust_1")
    assert item.occurred_at == HAPPENED_AT


@pytest.mark.parametrize("half", [rb"\ud83c", rb"\uDFFF", rb"\ude00\ud83d"])
@pytest.mark.parametrize(
    "body",
    [
        distribution(event=event_part(id=_PLACE)),
        distribution(event=event_part(type=_PLACE)),
        distribution(project_id=_PLACE),
        minimal(id=_PLACE),
        minimal(data={"customer": {"id": _PLACE}}),
        cloudevent(id=_PLACE),
    ],
)
def test_half_a_character_in_an_id_is_refused(body: Any, half: bytes) -> None:
    item = rejected(_cut(body, half))
    assert item.reason == "bad_id"
    assert "is not valid Unicode" in item.detail


def test_a_nul_beside_half_a_character_is_still_a_nul() -> None:
    item = rejected(_cut(minimal(id="a\0d83c", note=_PLACE)))
    assert (item.reason, item.detail) == ("bad_id", "The delivery's id holds a NUL character.")


def test_a_time_with_half_a_character_is_refused() -> None:
    item = rejected(_cut(minimal(created_at=_PLACE)))
    assert item.reason == "bad_time"
    item.detail.encode()


def test_entries_of_a_page_stay_as_they_came() -> None:
    entries = [_cut(activity(id=f"evcus_{n}", note=_PLACE + "\0"), rb"\ud83c\\") for n in range(2)]
    body = b'{"object": "list", "data": [' + b", ".join(entries) + rb'], "x\udfff": "\ud800"}'
    items = sources.read(body, _CALLER)
    assert [isinstance(item, Envelope) and item.body.encode() for item in items] == entries


def test_a_page_with_half_a_character_in_one_id_keeps_the_others() -> None:
    first, second = read_all(_cut(page(activity(id=_PLACE), activity(note=_PLACE))), _CALLER)
    assert isinstance(first, Rejected)
    assert first.reason == "bad_id"
    assert isinstance(second, Envelope)


def test_the_identity_by_content_tells_two_halves_apart() -> None:
    """The content is hashed as it came: what was cut in two ways may be two texts."""
    for build in (lambda data: data, lambda data: minimal(id=None, data=data)):
        one, other, nul = (
            filed(_cut(build(_DATA), half), _CALLER).event_id
            for half in (rb"\ud83c", rb"\ud83d", rb"\u0000d83c")
        )
        assert len({one, other, nul}) == 3
        loose = _cut(build(_DATA), rb"\ud83c").replace(b": ", b" :\n")
        assert filed(loose, _CALLER).event_id == one


def test_whitespace_is_taken_out_around_half_a_character() -> None:
    """So a signature over the compact form is found."""
    assert compact(rb'{ "a" : "Jo \ud83c " }') == rb'{"a":"Jo \ud83c "}'
