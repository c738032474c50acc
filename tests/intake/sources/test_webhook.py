"""The quick road for complete webhooks leads where the slow one leads, or leaves it to that one."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from projector.envelope import NO_DEFAULTS, Envelope
from projector.intake.sources import raw_envelope, voucherify, webhook
from projector.intake.sources.header import read_header
from tests.support.given import Delivery, entered
from tests.support.histories import webhooks

ENTERED = entered("cust_1", "seg_1", at="2024-03-04T10:00:00Z", id="e1")


def _quickly(text: str) -> Envelope | None:
    complete = webhook.decode(text, NO_DEFAULTS)
    return None if complete is None else webhook.to_envelope(complete, text)


def _slowly(text: str) -> object:
    parts = read_header(text)
    assert parts.event is not None
    raw = voucherify.to_raw_envelope(parts, parts.event, NO_DEFAULTS)
    return raw_envelope.to_envelope(raw, text, NO_DEFAULTS, allows_own_types=True)


@settings(max_examples=200)
@given(event=webhooks())
def test_the_quick_road_files_a_webhook_as_the_slow_one_does(event: Delivery) -> None:
    text = json.dumps(event)
    quickly = _quickly(text)
    assert quickly is None or quickly == _slowly(text)


def test_a_complete_webhook_takes_the_quick_road() -> None:
    text = json.dumps(ENTERED)
    assert isinstance(_quickly(text), Envelope)
    assert _quickly(text) == _slowly(text)


def _with(path: str, value: Any) -> Delivery:
    changed: Any = json.loads(json.dumps(ENTERED))
    *parents, last = path.split(".")
    part = changed
    for key in parents:
        part = part[key]
    part[last] = value
    return dict(changed)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("event.id", ""),
        ("event.id", "x" * 201),
        ("event.id", "e\0"),
        ("event.id", 7),
        ("event.type", None),
        ("event.created_at", "2024-03-04T10:00:00"),
        ("event.created_at", "2024-03-04T10:00:00+05:45"),
        ("event.created_at", "soon"),
        ("event", None),
        ("project_id", None),
        ("data.customer", None),
        ("data.customer.id", ""),
        ("data", []),
        ("source", "distr_1"),
        ("source.id", 7),
        ("source.id", "x" * 201),
    ],
)
def test_an_unusual_webhook_takes_the_general_path(path: str, value: object) -> None:
    assert _quickly(json.dumps(_with(path, value))) is None
