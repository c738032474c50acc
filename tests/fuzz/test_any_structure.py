"""The targets with inputs that are nearly right, which a fuzzer of bytes comes upon late."""

import base64
import copy
import gzip
import json
from typing import Any
from urllib.parse import urlencode

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import deliveries, streams, texts
from tests.fuzz.deliveries import GIVEN
from tests.support import shapes
from tests.support.bad_input import _paths
from tests.support.given import expiration_changed, upgraded
from tests.support.histories import TIMES, webhooks

_AT = "2024-03-04T10:00:00Z"
_SHAPES: list[Any] = [
    shapes.distribution(),
    shapes.distribution(data=shapes.offer_data()),
    shapes.project_webhook(),
    shapes.activity(),
    shapes.page(shapes.activity(), shapes.activity(id="evcus_2")),
    shapes.cloudevent(),
    shapes.minimal(),
    shapes.segment_data(),
    shapes.tier_data(),
    upgraded("cust_1", "ltr_1", "ltr_2", at=_AT),
    expiration_changed("cust_1", "ltr_1", at=_AT, expiration_date="2024-12-31"),
]
#: In the place of a text that says so, as no writer would write them.
_RAW = ["1e400", "-0.0", "1.0", "1E+2", "01", "NaN", '"\\ud800"', '"\\u0000"', '{"a":1,"a":2}', "{"]
_VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | TIMES
    | st.sampled_from(["cust_1", "list", "event", "x" * 201, [], {}, [{}], 2**63, 10**30])
    | st.sampled_from([f"@{raw}@" for raw in _RAW])
)


@st.composite
def _nearly_right(draw: st.DrawFn) -> bytes:
    """A delivery of any shape with some values changed, left out, or put elsewhere."""
    whole = copy.deepcopy(draw(st.sampled_from(_SHAPES)))
    for _ in range(draw(st.integers(1, 3))):
        paths = list(_paths(whole))
        if not paths:
            break
        *parents, last = draw(st.sampled_from(paths))
        part = whole
        for key in parents:
            part = part[key]
        if draw(st.booleans()):
            part[last] = draw(_VALUES)
        else:
            moved = part.pop(last)
            if draw(st.booleans()):
                whole[last] = moved
    text = json.dumps(whole, indent=draw(st.sampled_from([None, 1])))
    for raw in _RAW:
        text = text.replace(json.dumps(f"@{raw}@"), raw)
    return text.encode()


@settings(max_examples=100)
@given(st.sampled_from(sorted(GIVEN)), _nearly_right())
def test_a_delivery_that_is_nearly_right_is_read_as_it_must_be(how: bytes, body: bytes) -> None:
    deliveries.read(how + body)


@settings(max_examples=50)
@given(st.sampled_from([b"a", b"b", b"c", b"d"]), _nearly_right())
def test_a_signed_body_opens_only_the_project_of_its_secret(how: bytes, body: bytes) -> None:
    deliveries.opened(how + body)


@given(st.sampled_from(sorted(GIVEN)), webhooks())
def test_a_webhook_of_any_event_is_read_as_it_must_be(how: bytes, webhook: Any) -> None:
    deliveries.read(how + json.dumps(webhook).encode())


@settings(max_examples=40)
@given(st.lists(_nearly_right(), max_size=3), st.sampled_from([b"\n", b",", b"\r\n", b""]))
def test_nearly_right_deliveries_are_cut_apart_alike_by_every_road(
    bodies: list[bytes], between: bytes
) -> None:
    stream = between.join(bodies)
    for how in (b"\x01", b"\x1e"):
        streams.documents(how + stream)
        streams.documents(how + b"[" + stream + b"]")
    streams.containers(b"[" + stream + b"]")
    texts.laid_out(stream)


_CLOCKS = st.from_regex(
    r"\A\d{4}-[01]\d-[0-3]\d[Tt ][0-2]\d:[0-6]\d:[0-6]\d(\.\d{1,9})?([Zz]|[+-][0-2]\d:[0-6]\d)?\Z"
)


@given(TIMES | _CLOCKS)
def test_a_time_is_read_as_pythons_own_reader_reads_it(text: str) -> None:
    texts.times(text.encode())


@given(st.recursive(_VALUES, lambda inner: st.lists(inner, max_size=4), max_leaves=8))
def test_a_forged_cursor_is_refused_or_stands_for_a_place(value: Any) -> None:
    text = json.dumps(value).encode()
    texts.cursors(base64.urlsafe_b64encode(text).rstrip(b"="))
    texts.cursors(base64.b64encode(text))


_NAMES = st.sampled_from(
    ["project", "as_of", "at_position", "limit", "after", "min_position", "segment", "type", "x"]
)


@given(st.lists(st.tuples(_NAMES, st.text(max_size=5) | st.integers().map(str)), max_size=4))
def test_parameters_are_what_they_say(parameters: list[tuple[str, str]]) -> None:
    texts.queries(urlencode(parameters, errors="replace").encode())


@given(st.recursive(_VALUES, lambda inner: st.dictionaries(st.text(), inner), max_leaves=6))
def test_metadata_say_in_one_form_what_they_said(value: Any) -> None:
    for text in (json.dumps(value).encode(), msgspec.json.encode(json.dumps(value))):
        deliveries.metadata(text)


@given(
    st.lists(st.binary(max_size=50).map(lambda text: gzip.compress(text, mtime=0)), min_size=1),
    st.sampled_from([b"", b"\0", b"\0\0\0", b"x", b"\x1f\x8b"]),
    st.integers(0, 30),
)
def test_packed_members_are_unpacked_alike(members: list[bytes], behind: bytes, lost: int) -> None:
    packed = behind.join(members) + behind
    streams.packed(packed[2:])
    streams.packed(packed[2 : max(2, len(packed) - lost)])
