"""CloudEvents 1.0 in structured JSON."""

from typing import Any

import pytest

from projector.envelope import DeliveryDefaults, Envelope
from tests.support.shapes import (
    ABSENT,
    HAPPENED_AT,
    as_bytes,
    cloudevent,
    filed,
    rejected,
    segment_data,
)


def test_a_cloudevent_is_filed() -> None:
    delivery = cloudevent()
    assert filed(delivery) == Envelope(
        project_id="proj_1",
        event_id="evcus_1",
        type="customer.segment.entered",
        customer_id="cust_1",
        occurred_at=HAPPENED_AT,
        source="cloudevents",
        body=as_bytes(delivery).decode(),
    )


@pytest.mark.parametrize(
    ("source", "project_id"),
    [
        pytest.param("https://api.test/v1/projects/proj_2", "proj_2", id="a URL"),
        pytest.param("https://api.test/v1/projects/proj_2/", "proj_2", id="a slash at the end"),
        pytest.param("/projects/proj_2", "proj_2", id="a path"),
        pytest.param("/projects/projX//", "projX", id="only slashes are no part"),
        pytest.param("proj_2", "proj_2", id="a name alone"),
    ],
)
def test_the_project_is_the_last_part_of_the_sources_path(source: str, project_id: str) -> None:
    assert filed(cloudevent(source=source)).project_id == project_id


def test_the_callers_project_comes_before_the_source() -> None:
    assert filed(cloudevent(), DeliveryDefaults(project_id="proj_9")).project_id == "proj_9"


@pytest.mark.parametrize("source", [ABSENT, None, 5, {}, ["a"], "", "/", "///"])
def test_a_source_that_names_no_project_leaves_it_to_the_caller(source: Any) -> None:
    assert rejected(cloudevent(source=source)).reason == "missing_project"
    assert (
        filed(cloudevent(source=source), DeliveryDefaults(project_id="proj_9")).project_id
        == "proj_9"
    )


@pytest.mark.parametrize("id_", [ABSENT, None, ""])
def test_a_cloudevent_without_an_id_is_not_named_by_its_content(id_: Any) -> None:
    assert rejected(cloudevent(id=id_)).reason == "missing_id"


def test_the_optional_time_and_a_missing_type_come_from_the_caller() -> None:
    caller = DeliveryDefaults(
        type="customer.segment.left", occurred_at=HAPPENED_AT.replace(year=2000)
    )
    item = filed(cloudevent(time=ABSENT, type=ABSENT), caller)
    assert (item.type, item.occurred_at.year) == ("customer.segment.left", 2000)


def test_a_cloudevent_without_a_time_says_so() -> None:
    assert rejected(cloudevent(time=ABSENT)).reason == "missing_time"


@pytest.mark.parametrize("data", [ABSENT, None, "text", [], segment_data(customer=None)])
def test_a_cloudevent_without_a_customer_is_filed(data: Any) -> None:
    assert filed(cloudevent(data=data)).customer_id is None
