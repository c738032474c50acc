"""Generates what truly happens to customers, and how it is delivered: late, twice, or not at all.

A world has a server that always tells the truth of its own clock, and a database that is told of it
by deliveries and by comparisons. Times are minutes since its beginning.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from attrs import define, field, frozen

from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store.database import Database
from tests.support import given
from tests.support.given import Delivery, append_webhooks, in_shape
from tests.support.sources import Standing
from tests.support.voucherify_api import CampaignTruth, SegmentTruth, VoucherifyApi

#: When the source is asked; the last time, nothing has happened for a while.
LOOKS = (200.0, 420.0, 700.0)
_LAST = 600.0

#: How long before and after a look events are close to it.
CLOSE = (2.0, 16.0)

SEGMENTS = {"seg_0": "auto-update", "seg_1": "auto-update", "seg_2": "passive"}
#: The segments of which no event is ever sent.
SILENT = {each for each, kind in SEGMENTS.items() if kind == "passive"}
CAMPAIGNS = {"camp_1": ("ltr_a", "ltr_b", "ltr_c"), "camp_2": ("ltr_d", "ltr_e")}


@frozen(kw_only=True)
class Happened:
    """An event, when it is true, and when it is delivered."""

    at: float
    customer_id: str
    webhook: Delivery
    change: Callable[[VoucherifyApi], None]
    place: str
    #: When it arrives; None if it never does.
    arrives_at: float | None = None
    #: Whether it arrives once more in the end.
    twice: bool = False
    #: Whether the activity has it.
    remembered: bool = True


def is_close(at: float) -> bool:
    """Return whether an instant is about when the source is asked."""
    return any(look - CLOSE[0] <= at <= look + CLOSE[1] for look in LOOKS)


@define
class World:
    """The source, its history, and a database."""

    api: VoucherifyApi
    database: Database
    chance: random.Random
    #: Whether all that happens is delivered in the end.
    complete: bool
    customers: Sequence[str] = ()
    events: list[Happened] = field(factory=list)
    base: datetime = field(
        factory=lambda: (datetime.now(UTC) - timedelta(days=20)).replace(microsecond=0)
    )
    minute: float = 0.0

    def instant(self, minute: float) -> datetime:
        """Return an instant by its minutes."""
        return self.base + timedelta(minutes=minute)

    def text(self, minute: float) -> str:
        """Return an instant as events have it."""
        return self.instant(minute).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def live(self, customers: int, happenings: int) -> None:
        """Generate what happens."""
        for segment_id, kind in SEGMENTS.items():
            self.api.segments[segment_id] = SegmentTruth(f"Segment {segment_id}", kind)
        for campaign_id, tier_ids in CAMPAIGNS.items():
            tiers = {each: f"Tier {each}" for each in tier_ids}
            self.api.campaigns[campaign_id] = CampaignTruth(f"Campaign {campaign_id}", tiers)
        self.customers = [f"cust_{number}" for number in range(customers)]
        for number, customer_id in enumerate(self.customers):
            self._live_one(customer_id, 1 + number, happenings)
        self.events.sort(key=lambda each: each.at)

    def _live_one(self, customer_id: str, begin: float, happenings: int) -> None:
        chance = self.chance
        times = {chance.randrange(int(begin) + 10, int(_LAST)) + 0.5 for _ in range(happenings)}
        for look in LOOKS[:-1]:
            if chance.random() < 0.5:
                times.add(look + chance.choice([-8.5, -3.5, -0.5, -0.5, 2.5, 9.5, 14.5]))
        created = given.created(customer_id, at=self.text(begin))
        self._add(begin, customer_id, created, _create(customer_id, self.text(begin)), "")
        inside: set[str] = set()
        tiers: dict[str, str] = {}
        close: set[str] = set()
        for at in sorted(times):
            place = chance.choice([*SEGMENTS, *CAMPAIGNS])
            if is_close(at):
                # Of two events of one window the later one may not be lost alone.
                if place in close:
                    continue
                close.add(place)
            else:
                close = set()
            if place in SEGMENTS:
                self._turn(at, customer_id, place, inside)
            else:
                self._move(at, customer_id, place, tiers)
        if chance.random() < 0.15:
            at = max(times, default=begin) + 20
            webhook = given.deleted(customer_id, at=self.text(at))
            self._add(at, customer_id, webhook, _delete(customer_id), "")

    def _turn(self, at: float, customer_id: str, segment_id: str, inside: set[str]) -> None:
        is_in = segment_id in inside
        build = given.left if is_in else given.entered
        inside.symmetric_difference_update([segment_id])
        webhook = build(customer_id, segment_id, at=self.text(at))
        self._add(at, customer_id, webhook, _turned(customer_id, segment_id), segment_id)

    def _move(self, at: float, customer_id: str, campaign_id: str, tiers: dict[str, str]) -> None:
        before = tiers.get(campaign_id)
        options = [each for each in (None, *CAMPAIGNS[campaign_id]) if each != before]
        after = self.chance.choice(options)
        at_text = self.text(at)
        if before is None:
            webhook = given.joined(customer_id, str(after), campaign_id, at=at_text)
        elif after is None:
            webhook = given.tier_left(customer_id, before, campaign_id, at=at_text)
        else:
            move = given.upgraded if after > before else given.downgraded
            webhook = move(customer_id, before, after, campaign_id, at=at_text)
        if after is None:
            tiers.pop(campaign_id)
        else:
            tiers[campaign_id] = after
        self._add(at, customer_id, webhook, _moved(customer_id, campaign_id, after), campaign_id)

    def _add(
        self,
        at: float,
        customer_id: str,
        webhook: Delivery,
        change: Callable[[VoucherifyApi], None],
        place: str,
    ) -> None:
        chance = self.chance
        fate = chance.random()
        arrives_at: float | None = at
        if fate < 0.2:
            arrives_at = at + chance.choice([1, 4, 11, 30, 150, 400])
        elif fate < 0.5:
            arrives_at = 900.0 if self.complete else None
        if place in SILENT:
            arrives_at = None
        self.events.append(
            Happened(
                at=at,
                customer_id=customer_id,
                webhook=webhook,
                change=change,
                place=place,
                arrives_at=arrives_at,
                twice=chance.random() < 0.2,
                remembered=chance.random() < 0.4 and place not in SILENT,
            )
        )

    def go(self, until: float) -> None:
        """Let happen, and deliver, what happens and arrives after now and until then."""
        for each in self.events:
            if self.minute < each.at <= until:
                each.change(self.api)
                if each.remembered and each.customer_id in self.api.activity:
                    self.api.add(each.customer_id, in_shape("activity", each.webhook))
        arriving = [
            each
            for each in self.events
            if each.arrives_at is not None and self.minute < each.arrives_at <= until
        ]
        self.minute = until
        self.deliver(arriving)

    def deliver(self, arriving: Iterable[Happened]) -> None:
        """Deliver events in any order, in several batches, some of them twice."""
        webhooks = [each.webhook for each in arriving]
        webhooks += [each.webhook for each in arriving if each.twice]
        self.chance.shuffle(webhooks)
        while webhooks:
            size = self.chance.randint(1, len(webhooks))
            append_webhooks(self.database, *webhooks[:size])
            if self.chance.random() < 0.5:
                self.catch_up()
            webhooks = webhooks[size:]
        self.catch_up()

    def catch_up(self) -> None:
        """Bring the tables up to date."""
        catch_up(self.database, discover())

    def set_clock(self) -> None:
        """Set the clock of the source to now."""
        self.api.clock = (self.instant(self.minute) - datetime.now(UTC)).total_seconds()

    def truth(self, customer_id: str, *, at: float | None = None, silent: bool = False) -> Standing:
        """Return what is true of a customer at a time, by what happened."""
        inside: set[str] = set()
        tiers: dict[str, str] = {}
        for each in self.events:
            if each.customer_id == customer_id and each.at <= (self.minute if at is None else at):
                event = each.webhook["event"]["type"]
                data = each.webhook["data"]
                if event == "customer.deleted":
                    inside, tiers = set(), {}
                elif each.place in SEGMENTS:
                    inside.symmetric_difference_update([each.place])
                elif event == "customer.loyalty.tier.left":
                    tiers.pop(each.place)
                elif each.place in CAMPAIGNS:
                    tier = data.get("loyalty_tier") or data["loyalty_tier_to"]
                    tiers[each.place] = tier["id"]
        shown = [each for each in inside if silent or each not in SILENT]
        return tuple(sorted(shown)), dict(sorted(tiers.items()))


def _create(customer_id: str, at: str) -> Callable[[VoucherifyApi], None]:
    def change(api: VoucherifyApi) -> None:
        api.activity.setdefault(customer_id, [])
        api.created[customer_id] = at

    return change


def _delete(customer_id: str) -> Callable[[VoucherifyApi], None]:
    def change(api: VoucherifyApi) -> None:
        api.activity.pop(customer_id)
        api.created.pop(customer_id)
        for each in api.segments.values():
            each.members.discard(customer_id)
        for campaign in api.campaigns.values():
            campaign.held.pop(customer_id, None)

    return change


def _turned(customer_id: str, segment_id: str) -> Callable[[VoucherifyApi], None]:
    return lambda api: api.segments[segment_id].members.symmetric_difference_update([customer_id])


def _moved(
    customer_id: str, campaign_id: str, after: str | None
) -> Callable[[VoucherifyApi], None]:
    def change(api: VoucherifyApi) -> None:
        held = api.campaigns[campaign_id].held
        held[customer_id] = () if after is None else (after,)

    return change
