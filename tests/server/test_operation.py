"""What an operator looks at: health, metrics and the log."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.concurrency.rebuilds import within
from tests.support.given import Delivery, entered, in_shape, joined
from tests.support.http_client import Client, ndjson
from tests.support.server_process import SECRET, Server, serving

_AT = "2024-03-01T10:00:00Z"

#: A metric's name and its labels.
Sample = tuple[str, tuple[tuple[str, str], ...]]


def _metrics(client: Client) -> dict[Sample, float]:
    got = client.get("/metrics")
    assert got.status == 200
    assert got.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(got.body.decode())
        for sample in family.samples
    }


def _value(client: Client, name: str, **labels: str) -> float:
    return _metrics(client).get((name, tuple(sorted(labels.items()))), 0.0)


def _deliveries(who: str) -> list[Delivery | bytes]:
    """One is appended, one a duplicate, one a conflict, and two cannot be read."""
    first = entered(who, "seg_1", at=_AT, id=f"evcus_{who}")
    other = entered(who, "seg_2", at=_AT, id=f"evcus_{who}")
    return [first, first, other, b"{", f'{{"greeting":"{who}"}}'.encode()]


_OUTCOMES = {"appended": 1, "duplicate": 1, "conflict": 1, "quarantined": 2}


@pytest.mark.parametrize("door", ["webhooks", "events"])
def test_deliveries_are_counted_by_their_outcome(client: Client, door: str) -> None:
    def counts() -> dict[str, float]:
        return {
            each: _value(client, "projector_deliveries_total", outcome=each) for each in _OUTCOMES
        }

    before = counts()
    if door == "events":
        client.post("/events", ndjson(*_deliveries("cust_events")))
    else:
        for each in _deliveries("cust_webhooks"):
            client.deliver(each, SECRET)
    assert {each: count - before[each] for each, count in counts().items()} == _OUTCOMES


def test_batches_and_commits_are_measured(client: Client) -> None:
    def sums() -> list[float]:
        return [
            _value(client, f"projector_{name}")
            for name in ("batch_items_sum", "batch_items_count", "commit_seconds_count")
        ]

    before = sums()
    seconds = _value(client, "projector_commit_seconds_sum")
    client.post("/events", ndjson(*(entered("cust_b", f"seg_{n}", at=_AT) for n in range(7))))
    assert [after - then for after, then in zip(sums(), before, strict=True)] == [7, 1, 1]
    assert 0 < _value(client, "projector_commit_seconds_sum") - seconds < 10


def test_lateness_is_measured_from_when_it_happened(client: Client) -> None:
    before = _value(client, "projector_lateness_seconds_sum")
    count = _value(client, "projector_lateness_seconds_count")
    ago = time.time() - 7200
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ago))
    body = ndjson(*[entered("cust_late", "seg_1", at=at)] * 2)
    client.post("/events", body)
    # A duplicate says nothing of how late things come.
    assert _value(client, "projector_lateness_seconds_count") - count == 1
    late = _value(client, "projector_lateness_seconds_sum") - before
    assert 7190 < late < 7300


def test_the_metrics_count_quarantined_deliveries_by_reason(client: Client) -> None:
    def waiting(reason: str) -> float:
        return _value(client, "projector_quarantine", reason=reason)

    before = waiting("broken_json"), waiting("legacy_format")
    client.deliver(b'{"object":', SECRET)
    legacy = b'{"id":"ev_2","object":"event","type":"x","data":{"object":{}}}'
    client.deliver(legacy, SECRET)
    assert (waiting("broken_json"), waiting("legacy_format")) == (before[0] + 1, before[1] + 1)


def test_a_reason_without_waiting_deliveries_leaves_the_metrics(idle: Server) -> None:
    body = in_shape("activity", entered("cust_1", "seg_1", at=_AT))
    idle.client.deliver(body, SECRET)
    told = ("projector_quarantine", (("reason", "missing_project"),))
    assert _metrics(idle.client)[told] == 1
    assert idle.command("quarantine", "retry", "--all", "--project", "proj_1").code == 0
    assert told not in _metrics(idle.client)


def test_the_metrics_count_dead_letters_by_projection(client: Client) -> None:
    before = _value(client, "projector_dead_letters", projection="loyalty_tier")
    last = client.deliver(joined("cust_dead", "", at=_AT), SECRET).json["position"]
    assert client.get(f"/customers/cust_dead?min_position={last}").json["complete"] is False
    assert _value(client, "projector_dead_letters", projection="loyalty_tier") == before + 1


def test_the_metrics_have_the_time_since_the_last_event_by_type(client: Client) -> None:
    kind = "customer.segment.entered"
    client.deliver(entered("cust_silent", "seg_1", at=_AT), SECRET)
    first = _value(client, "projector_silence_seconds", type=kind)
    assert 0 <= first < 5
    time.sleep(1)
    assert first + 0.9 < _value(client, "projector_silence_seconds", type=kind) < first + 10
    client.deliver(entered("cust_silent", "seg_2", at=_AT), SECRET)
    assert _value(client, "projector_silence_seconds", type=kind) < 0.9


def test_the_metrics_group_unread_types_under_one_label(client: Client) -> None:
    for number in range(3):
        delivery = entered("cust_types", "seg_1", at=_AT)
        delivery["event"] = {**delivery["event"], "type": f"made.up.{number}", "id": f"t{number}"}
        assert client.deliver(delivery, SECRET).json["outcome"] == "appended"
    assert ("projector_silence_seconds", (("type", "other"),)) in _metrics(client)
    assert not [labels for _, labels in _metrics(client) if "made.up" in str(labels)]


@pytest.mark.parametrize("last", ["made.up.a", "made.up.z"])
def test_the_group_of_unread_types_has_the_time_of_its_last_event(
    client: Client, last: str
) -> None:
    def deliver(kind: str, number: int) -> None:
        delivery = entered("cust_last", "seg_1", at=_AT)
        more = {"type": kind, "id": f"{kind}{last}{number}"}
        delivery = {**delivery, "event": {**delivery["event"], **more}}
        assert client.deliver(delivery, SECRET).status == 200

    deliver("made.up.a", 1)
    deliver("made.up.z", 1)
    time.sleep(1)
    deliver(last, 2)
    assert _value(client, "projector_silence_seconds", type="other") < 0.9


def test_requests_are_counted_by_what_was_asked_and_not_by_path(client: Client) -> None:
    name = "projector_requests_total"
    before = [
        _value(client, name, endpoint="getCustomer", status="404"),
        _value(client, name, endpoint="unknown", status="404"),
    ]
    for number in range(3):
        client.get(f"/customers/nobody_{number}")
        client.get(f"/nowhere/{number}")
    after = [
        _value(client, name, endpoint="getCustomer", status="404"),
        _value(client, name, endpoint="unknown", status="404"),
    ]
    assert [after[0] - before[0], after[1] - before[1]] == [3, 3]
    assert not [labels for _, labels in _metrics(client) if "nobody_" in str(labels)]


@pytest.fixture
def idle(sqlite_url: str, tmp_path: Path) -> Iterator[Server]:
    """A server that leaves the tables to somebody else."""
    with serving(tmp_path, sqlite_url, "--no-follower", "--lag-max", "2") as server:
        yield server


def test_the_metrics_have_the_lag_in_events_and_in_seconds(idle: Server) -> None:
    client = idle.client
    names = ("customer", "segment_membership", "loyalty_tier")
    assert _value(client, "projector_lag_seconds") == 0
    for number in range(3):
        client.deliver(entered("cust_1", f"seg_{number}", at=_AT), SECRET)
    assert [_value(client, "projector_lag_events", projection=each) for each in names] == [3] * 3
    assert _value(client, "projector_head") == 3
    first = _value(client, "projector_lag_seconds")
    assert 0 < first < 10
    time.sleep(0.5)
    assert _value(client, "projector_lag_seconds") >= first + 0.5
    assert idle.command("ingest", "-").code == 0
    assert [_value(client, "projector_lag_events", projection=each) for each in names] == [0] * 3
    assert _value(client, "projector_lag_seconds") == 0


def _ready(client: Client) -> bool:
    got = client.get("/health/ready")
    keys = ["ready", "database", "projector", "lag", "lag_max", "reason"]
    assert [*got.json] == keys
    assert got.status == (200 if got.json["ready"] else 503)
    assert (got.json["reason"] is None) == got.json["ready"]
    return bool(got.json["ready"])


def test_a_server_is_ready_soon_after_it_began(migrated_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, migrated_url) as server:
        within(5, lambda: _ready(server.client))
        told = server.client.get("/health/ready").json
        assert told == {
            "ready": True,
            "database": True,
            "projector": True,
            "lag": 0,
            "lag_max": 10_000,
            "reason": None,
        }
        within(2, lambda: '"message":"ready"' in server.told)


def test_tables_that_are_too_far_behind_are_not_ready(idle: Server, tmp_path: Path) -> None:
    """Their projector shows signs of life, and does not get on."""
    other = tmp_path / "other"
    other.mkdir()
    with serving(other, idle.url) as projecting:
        within(5, lambda: _ready(idle.client))
        projecting.process.send_signal(signal.SIGSTOP)
        for number in range(3):
            idle.client.deliver(entered("cust_1", f"seg_{number}", at=_AT), SECRET)
        within(3, lambda: idle.client.get("/health/ready").json["lag"] == 3)
        told = idle.client.get("/health/ready").json
        assert (told["ready"], told["projector"], told["lag_max"]) == (False, True, 2)
        assert told["reason"] == "The tables are 3 events behind."
        projecting.process.send_signal(signal.SIGCONT)
        within(10, lambda: _ready(idle.client))


def test_a_server_is_ready_with_a_projector_of_its_own_process_or_of_another(
    idle: Server, tmp_path: Path
) -> None:
    time.sleep(2)
    assert not _ready(idle.client)
    other = tmp_path / "other"
    other.mkdir()
    with serving(other, idle.url) as projecting:
        within(5, lambda: _ready(idle.client))
        projecting.process.send_signal(signal.SIGTERM)
        projecting.process.wait(30)
    within(5, lambda: not _ready(idle.client))


def test_the_log_is_a_json_object_a_line(idle: Server) -> None:
    idle.client.get("/segments?min_position=1", x_request_id="waits-in-vain")
    first, *rest = idle.told.splitlines()
    assert first.startswith("Listening on ")
    entries = [json.loads(line) for line in rest]
    assert all([*each][:4] == ["time", "level", "logger", "message"] for each in entries)
    [mine] = [each for each in entries if each.get("request_id") == "waits-in-vain"]
    assert (mine["level"], "error" in mine) == ("warning", False)
    assert "position 0" in mine["message"]
