"""A small server that speaks as Voucherify's API does, on the loopback interface, and misbehaves.

It pages through customers and their activity as the API describes it; the next answers can be
replaced by others: statuses, headers, bodies that break off, or none.
"""

import json
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import define, field, frozen

APP_ID = "application-id"
APP_TOKEN = "application-token"

#: An entry of an activity, as JSON has it.
Entry = dict[str, Any]


@frozen
class Request:
    """A request that the server got."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    at: float


@frozen(kw_only=True)
class Reply:
    """An answer in place of the usual one; without a status, the usual body."""

    status: int | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(factory=dict)
    #: Whether the answer breaks off in the middle of its body.
    breaks: bool = False
    #: A pause before each of some pieces of the body.
    drips: tuple[float, ...] = ()
    #: The server's clock, less that of this machine, in seconds; None leaves the date out.
    clock: float | None = 0.0


USUAL = Reply()


def entry(
    id: str,
    at: str,
    type: str = "customer.segment.entered",
    customer: str | None = "cust_1",
    **data: Any,
) -> Entry:
    """An entry of an activity."""
    facts = dict(data) or {"segment": {"id": "seg_1", "name": "VIP", "object": "segment"}}
    if customer is not None:
        facts["customer"] = {"id": customer, "object": "customer"}
    return {
        "id": id,
        "type": type,
        "created_at": at,
        "group_id": f"v-{id}",
        "data": {"data": facts, "event_source": {"channel": "API"}},
    }


@define
class SegmentTruth:
    """A segment at the source."""

    name: str = "VIP"
    kind: str = "auto-update"
    members: set[str] = field(factory=set)
    status: str | None = "DONE"


@define
class CampaignTruth:
    """A loyalty campaign at the source."""

    name: str = "Club"
    #: The names of tiers by id.
    tiers: dict[str, str] = field(factory=dict)
    #: The tiers of each customer, a card for each; usually one.
    held: dict[str, tuple[str, ...]] = field(factory=dict)
    #: The last days of tiers by customer.
    expires_on: dict[str, str] = field(factory=dict)


@define
class VoucherifyApi:
    """The state of the server: what it knows, was asked, and answers next."""

    port: int = 0
    #: The activity of each customer; its order is that of the times.
    activity: dict[str, list[Entry]] = field(factory=dict)
    #: The times of the customers' creation, by customer, and their ids at the shop.
    created: dict[str, str] = field(factory=dict)
    source_ids: dict[str, str] = field(factory=dict)
    #: Segments by id: their names, kinds and members.
    segments: dict[str, "SegmentTruth"] = field(factory=dict)
    #: Campaigns by id.
    campaigns: dict[str, "CampaignTruth"] = field(factory=dict)
    #: Whether the list of customers shows tiers.
    lists_tiers: bool = True
    #: The server's clock, less that of this machine, in seconds; None leaves all dates out.
    clock: float | None = 0.0
    #: Fewer entries a page than it is asked for.
    page_max: int = 100
    requests: list[Request] = field(factory=list)
    #: The next answers, of all and of one path; the last one is repeated if `repeats`.
    replies: list[Reply] = field(factory=list)
    repeats: bool = False
    #: The headers of every answer.
    headers: dict[str, str] = field(factory=dict)
    #: Called with each request before it is answered.
    before: Callable[[Request], None] = lambda _request: None
    lock: threading.Lock = field(factory=threading.Lock)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead to it."""
        return {
            "PROJECTOR_VOUCHERIFY_URL": self.url,
            "PROJECTOR_VOUCHERIFY_APP_ID": f"proj_1={APP_ID}",
            "PROJECTOR_VOUCHERIFY_APP_TOKEN": f"proj_1={APP_TOKEN}",
        }

    def add(self, customer_id: str, *entries: Entry) -> None:
        """Add entries to a customer's activity."""
        known = self.activity.setdefault(customer_id, [])
        known += entries
        known.sort(key=lambda each: str(each["created_at"]))

    def answer(self, request: Request) -> tuple[int, Any]:
        """Return the status and the body for a request that nothing disturbs."""
        if request.headers.get("x-app-token") != APP_TOKEN:
            return 401, _error(401, "Unauthorized")
        parts = [unquote(part) for part in request.path.split("/")][1:]
        match parts:
            case ["v1", "customers"]:
                return 200, self._list(request.query)
            case ["v1", "customers", identifier]:
                customer_id = self.source_ids.get(identifier, identifier)
                if customer_id in self.activity:
                    at = self.created.get(customer_id)
                    return 200, {"id": customer_id, "object": "customer", "created_at": at}
                return _not_found(identifier)
            case ["v1", "customers", identifier, "segments"]:
                # As the API does, also for customers whom it does not know.
                own = [each for each, one in self.segments.items() if identifier in one.members]
                found = [
                    {"id": each, "name": self.segments[each].name, "object": "segment"}
                    for each in own
                ]
                return 200, _of("data", found)
            case ["v1", "segments"]:
                return 200, _of("segments", [*map(self._segment, self.segments)])
            case ["v1", "segments", segment_id]:
                if segment_id not in self.segments:
                    return 404, _error(404, "Resource not found")
                return 200, {**self._segment(segment_id), "initial_sync_status": "DONE"}
            case ["v1", "loyalties"]:
                campaigns = [
                    {"id": each, "name": one.name, "object": "campaign"}
                    for each, one in self.campaigns.items()
                ]
                return 200, _of("campaigns", campaigns)
            case ["v1", "loyalties", "members", card, "tiers"]:
                return self._card_tiers(*card.split("/"))
            case ["v1", "loyalties", campaign_id, "tiers"]:
                return 200, _of("data", self._tiers(campaign_id))
            case ["v1", "loyalties", campaign_id, "members"]:
                customer_id = request.query["customer"]
                held = self.campaigns[campaign_id].held.get(customer_id, ())
                cards = [
                    {"id": f"{campaign_id}/{customer_id}/{number}", "object": "voucher"}
                    for number in range(len(held))
                ]
                return 200, _of("vouchers", cards)
            case ["v1", "customers", identifier, "activity"]:
                if identifier in self.activity:
                    return self._page(self.activity[identifier], request.query)
                return _not_found(identifier)
        return 404, {"message": "no such path"}

    def _page(self, entries: list[Entry], query: Mapping[str, str]) -> tuple[int, Any]:
        if "type" in query:
            entries = [each for each in entries if each["type"] == query["type"]]
        entries = [each for each in entries if each["created_at"] >= query.get("start_date", "")]
        begin = 0
        if "starting_after_id" in query:
            ids = [each["id"] for each in entries]
            if query["starting_after_id"] not in ids:
                return 400, _error(400, "Invalid cursor")
            begin = ids.index(query["starting_after_id"]) + 1
        limit = min(int(query["limit"]), self.page_max)
        page = entries[begin : begin + limit]
        has_more = begin + limit < len(entries)
        found = {"object": "list", "data_ref": "data", "data": page, "has_more": has_more}
        return 200, found | ({"more_starting_after": page[-1]["id"]} if has_more else {})

    def _segment(self, segment_id: str) -> Any:
        found = self.segments[segment_id]
        shown = {"id": segment_id, "name": found.name, "type": found.kind, "object": "segment"}
        return shown | ({} if found.status is None else {"initial_sync_status": found.status})

    def _tiers(self, campaign_id: str) -> list[Any]:
        tiers = self.campaigns[campaign_id].tiers.items()
        return [
            {"id": each, "name": name, "campaign_id": campaign_id, "object": "loyalty_tier"}
            for each, name in tiers
        ]

    def _card_tiers(self, campaign_id: str, customer_id: str, number: str) -> tuple[int, Any]:
        campaign = self.campaigns[campaign_id]
        tier_id = campaign.held[customer_id][int(number)]
        found = [each for each in self._tiers(campaign_id) if each["id"] == tier_id]
        day = campaign.expires_on.get(customer_id)
        if day is not None:
            found = [{**each, "expiration": {"expiration_date": day}} for each in found]
        return 200, _of("data", found)

    def _loyalty(self, customer_id: str) -> Any:
        return {
            "campaigns": {
                each.name: {"points": 1, "loyalty_tier": each.held[customer_id][0]}
                for each in self.campaigns.values()
                if each.held.get(customer_id) and self.lists_tiers
            }
        }

    def _list(self, query: Mapping[str, str]) -> Any:
        created = self.created
        if "segment_id" in query and query["segment_id"] in self.segments:
            members = self.segments[query["segment_id"]].members
            created = {each: at for each, at in created.items() if each in members}
        ordered = sorted((at, customer_id) for customer_id, at in created.items())
        begin = 0
        if "starting_after" in query:
            begin = bisect_right([at for at, _ in ordered], query["starting_after"])
        if "created_at[after]" in query:
            low, high = query["created_at[after]"], query["created_at[before]"]
            ordered = [each for each in ordered if low < each[0] < high]
        limit = min(int(query["limit"]), self.page_max)
        begin += (int(query.get("page", "1")) - 1) * limit
        customers = [
            {"id": each, "created_at": at, "loyalty": self._loyalty(each)}
            for at, each in ordered[begin : begin + limit]
        ]
        total = len(created)
        return {"object": "list", "data_ref": "customers", "customers": customers, "total": total}

    def next_reply(self) -> Reply:
        """Return how the next request is answered."""
        if not self.replies:
            return USUAL
        return self.replies[0] if self.repeats else self.replies.pop(0)


def _of(name: str, elements: list[Any]) -> dict[str, Any]:
    return {"object": "list", "data_ref": name, name: elements, "total": len(elements)}


def _error(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "key": "error", "message": message}


def _not_found(identifier: str) -> tuple[int, Any]:
    details = f"Cannot find customer with id {identifier}"
    found = {**_error(404, "Resource not found"), "details": details}
    return 404, {**found, "resource_type": "customer"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        api = self.server.api
        split = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(split.path, query, headers, time.monotonic())
        with api.lock:
            api.requests.append(request)
            api.before(request)
            reply = api.next_reply()
            status, found = api.answer(request)
        body = json.dumps(found).encode() if reply.body is None else reply.body
        self._send(api, reply.status or status, body, reply)

    def _send(self, api: VoucherifyApi, status: int, body: bytes, reply: Reply) -> None:
        self.send_response_only(status)
        if reply.clock is not None and api.clock is not None:
            clock = time.time() + reply.clock + api.clock
            self.send_header("Date", formatdate(clock, usegmt=True))
        for name, value in {**api.headers, **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if reply.breaks:
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        for number, seconds in enumerate(reply.drips):
            time.sleep(seconds)
            self.wfile.write(body[number : number + 1])
        self.wfile.write(body[len(reply.drips) :])

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: VoucherifyApi

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write nothing: clients break off."""


@contextmanager
def voucherify_api() -> Iterator[VoucherifyApi]:
    """A server that knows nobody yet."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.api = VoucherifyApi(port=server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.api
        server.shutdown()
        thread.join()
