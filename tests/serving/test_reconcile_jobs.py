"""A comparison with the source is a job: it has the credentials, and shows them nowhere."""

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store.database import Database
from projector.store.tables import job
from tests.concurrency.rebuilds import within
from tests.serving.servers import LONG
from tests.support.comparisons import comparing
from tests.support.http_client import Client
from tests.support.sources import Shop
from tests.support.voucherify_api import APP_ID, APP_TOKEN, voucherify_api


def _compared(client: Client, customer_id: str) -> Any:
    body = {"customer": customer_id, "project": "proj_1", "settle_seconds": 0}
    reply = client.post("/reconciliations", body)
    assert reply.status == 202, reply.body
    path = reply.headers["location"]
    within(LONG, lambda: client.get(path).json["ended_at"] is not None)
    return client.get(path).json


def test_a_customer_is_compared_and_repaired_beside_the_follower(migrated_url: str) -> None:
    with voucherify_api() as api, closing(Database(migrated_url)) as database:
        shop = Shop(api, database, datetime.now(UTC))
        for customer_id in ("cust_1", "--db=sqlite:///x"):
            shop.customer(customer_id)
        shop.enter("cust_1", "seg_1", hours_ago=9, delivered=False)
        shop.enter("cust_1", "seg_2", hours_ago=5, delivered=False, remembered=False)
        catch_up(database, discover())
        with comparing(migrated_url, api.environment) as server:
            client = Client(server.port)
            found = _compared(client, "cust_1")
            assert (found["state"], found["exit_code"], found["problem"]) == ("done", 0, None)
            assert found["arguments"] == {
                "customer": "cust_1", "project": "proj_1", "settle_seconds": 0
            }  # fmt: skip
            result = found["result"]
            by = {each["segment_id"]: each["repaired_by"] for each in result["differences"]}
            assert by == {"seg_1": "activity", "seg_2": "observation"}
            assert (result["repaired"], result["remaining"], result["stopped"]) == (2, 0, None)
            # The tables of the server have it, and it still follows what comes.
            shown = client.get("/customers/cust_1").json
            assert {each["segment_id"] for each in shown["segments"]} == {"seg_1", "seg_2"}
            assert shown["checked_at"] is not None
            # What agrees is recorded, too: the page says when it was asked.
            again = _compared(client, "cust_1")
            assert (again["result"]["agree"], again["result"]["differences"]) == (1, [])
            later = client.get("/customers/cust_1").json["checked_at"]
            assert later > shown["checked_at"]
            # An id that looks like an option is an id.
            odd = _compared(client, "--db=sqlite:///x")
            assert (odd["problem"], odd["result"]["agree"]) == (None, 1)
            assert server.tracebacks() == []
            told = "\n".join(server.told)
        with database.reading() as connection:
            stored = json.dumps([[*map(str, row)] for row in connection.execute(select(job))])
        assert "asked for job" in told
        for secret in (APP_ID, APP_TOKEN):
            assert secret not in told + stored
        # No erasure reaches what the server has told.
        assert "cust_1" not in told
