"""A project's secret opens that project, and no other one."""

from collections.abc import Iterator

import pytest

from projector.store.database import Database
from tests.support.databases import url_of
from tests.support.given import Delivery, created, entered, in_shape, segment
from tests.support.http_client import Client, Reply
from tests.support.server_process import serving
from tests.support.server_state import kept

_AT = "2024-03-01T10:00:00Z"

_PAIRS = "proj_a=secret_a, proj_b=secret_b1\nproj_b=secret_b2,proj_/%é=secret_odd=="


@pytest.fixture(scope="module")
def client(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Asks a server in which each project has secrets of its own."""
    url = url_of(shared_database)
    folder = tmp_path_factory.mktemp("projects")
    with serving(folder, url, PROJECTOR_WEBHOOK_SECRET=_PAIRS) as server:
        yield server.client


def _of(project_id: str, name: str = "seg") -> Delivery:
    return entered(f"cust_{project_id}", f"{name}_1", at=_AT, project_id=project_id)


def _deliver(client: Client, body: object, secret: str, project: str | None = None) -> Reply:
    path = "/webhooks/voucherify" + ("" if project is None else f"/{project}")
    return client.deliver(body, secret, path=path)


def test_each_project_is_opened_by_each_of_its_secrets(client: Client) -> None:
    assert _deliver(client, _of("proj_a"), "secret_a").json["outcome"] == "appended"
    assert _deliver(client, _of("proj_b"), "secret_b1").json["outcome"] == "appended"
    assert _deliver(client, _of("proj_b"), "secret_b2").json["outcome"] == "duplicate"
    assert _deliver(client, _of("proj_b", "x"), "secret_b2", "proj_b").status == 200


FOREIGN = {
    "by its body": (_of("proj_a"), None),
    "by the path": (b'{"greeting":"hello"}', "proj_a"),
    "by both": (_of("proj_a"), "proj_a"),
    "by its body, and the path is the secret's": (_of("proj_a"), "proj_b"),
    "by the path, and the body is the secret's": (_of("proj_b"), "proj_a"),
    "a project that has no secret": (_of("proj_c"), None),
    "a project that has no secret, by both": (_of("proj_c"), "proj_c"),
    "a project that has no secret, by the path": (_of("proj_b"), "proj_c"),
    "by the path, and nothing can be read": (b"{", "proj_a"),
    "by a broken body": (b'{"project_id":"proj_a","type":"x","data":{}}', None),
    "in another shape, by the path": (in_shape("cloudevents", _of("proj_b")), "proj_a"),
    "in another shape": (in_shape("minimal", _of("proj_a")), None),
}


@pytest.mark.parametrize(("body", "path"), FOREIGN.values(), ids=FOREIGN)
def test_a_projects_secret_does_not_open_another_project(
    client: Client, shared_database: Database, body: object, path: str | None
) -> None:
    before = kept(shared_database)
    got = _deliver(client, body, "secret_b1", path)
    assert got.refusal == (401, "signature_wrong")
    assert kept(shared_database) == before


def test_a_page_with_an_entry_of_another_project_is_refused(
    client: Client, shared_database: Database
) -> None:
    before = kept(shared_database)
    entries = [in_shape("activity", _of("proj_b", f"page_{number}")) for number in range(2)]
    entries[1]["project_id"] = "proj_a"
    page = {"object": "list", "data_ref": "data", "data": entries}
    assert _deliver(client, page, "secret_b1").status == 401
    assert _deliver(client, page, "secret_b1", "proj_b").status == 401
    assert kept(shared_database) == before


def test_an_unreadable_webhook_is_quarantined_for_the_project_of_its_secret(
    client: Client, shared_database: Database
) -> None:
    _, aside = kept(shared_database)
    assert _deliver(client, b"{", "secret_a").json["reason"] == "broken_json"
    assert _deliver(client, b"[", "secret_a", "proj_a").json["reason"] == "broken_json"
    assert kept(shared_database)[1] == aside + 2


def test_a_webhook_that_names_no_project_gets_the_project_of_its_secret(client: Client) -> None:
    activity = in_shape("activity", _of("proj_a", "own"))
    position = _deliver(client, activity, "secret_a").json["position"]
    answer = client.get(f"/customers/cust_proj_a?project=proj_a&min_position={position}").json
    assert "own_1" in [each["segment_id"] for each in answer["segments"]]


def test_the_source_of_a_cloudevent_does_not_choose_another_project(client: Client) -> None:
    """Who is told the project does not look at a CloudEvent's source."""
    event = in_shape("cloudevents", created("cust_cloud", at=_AT, project_id="proj_a"))
    position = _deliver(client, event, "secret_b1").json["position"]
    answer = client.get(f"/customers/cust_cloud?min_position={position}").json
    assert answer["project_id"] == "proj_b"


def test_a_bare_body_without_a_type_is_quarantined(client: Client) -> None:
    bare = {"customer": {"id": "cust_bare"}, "segment": segment("seg_1")}
    got = _deliver(client, bare, "secret_a", "proj_a")
    assert (got.status, got.json["reason"]) == (200, "missing_type")


def test_the_path_names_the_project_of_what_names_none(client: Client) -> None:
    activity = in_shape("activity", created("cust_path", at=_AT))
    got = _deliver(client, activity, "secret_b2", "proj_b")
    answer = client.get(f"/customers/cust_path?min_position={got.json['position']}").json
    assert answer["project_id"] == "proj_b"


def test_a_projects_id_may_have_any_character_in_a_path(client: Client) -> None:
    activity = in_shape("activity", created("cust_odd", at=_AT))
    got = _deliver(client, activity, "secret_odd==", "proj_%2F%25%C3%A9")
    answer = client.get(f"/customers/cust_odd?min_position={got.json['position']}").json
    assert answer["project_id"] == "proj_/%é"


@pytest.mark.parametrize("path", ["proj_x", "%FF", "%00", "a%0Ab", ".", "..", "x" * 300])
def test_a_path_that_names_no_known_project_opens_nothing(client: Client, path: str) -> None:
    assert _deliver(client, _of("proj_a"), "secret_a", path).status == 401
