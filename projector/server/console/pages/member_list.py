"""The list of who is in a segment or on a tier: a page of it, and all of it as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from attrs import field, frozen
from starlette.responses import StreamingResponse

from projector.envelope import CustomerKey
from projector.errors import BadCursor
from projector.projections.groups import GroupKind
from projector.queries.campaigns import list_campaigns
from projector.queries.member_details import MemberDetails, describe_members
from projector.queries.members import Member, MemberPage, find_members
from projector.queries.why.case import Target
from projector.server.console import links
from projector.server.console.page import Visit
from projector.server.console.pages.tier_labels import TierLabel, TierLabels
from projector.server.console.words import csv_text
from projector.text.instants import to_text

#: The number of members on a page, and of those that are read at once for a file.
PAGE_MEMBERS = 25
_FILE_MEMBERS = 1_000


@frozen(kw_only=True)
class ListedMember:
    """A line of the list."""

    path: str
    why_path: str
    name: str
    email: str | None
    source_id: str | None
    tiers: tuple[TierLabel, ...]
    since: datetime | None


@frozen(kw_only=True)
class MemberList:
    """The members of a group on a day, of which one page is shown."""

    #: The day, and whether it is today: then the list is of now.
    day: date
    is_now: bool
    members: tuple[ListedMember, ...]
    next: str | None


@frozen(kw_only=True)
class ListedGroup:
    """A segment, or a tier of a campaign, and a day."""

    project_id: str
    segment_id: str | None = None
    campaign_id: str | None = None
    tier_id: str | None = None
    #: The name for a file.
    name: str = field(kw_only=True)
    day: date
    is_now: bool
    #: The instant as of which the members are listed; None for now.
    as_of: datetime | None

    def why_path(self, customer_id: str) -> str:
        """Return the path of the answer why a customer is in it."""
        if self.segment_id is not None:
            target = Target(kind=GroupKind.SEGMENT, group_id=self.segment_id)
        else:
            target = Target(
                kind=GroupKind.TIER, campaign_id=self.campaign_id, group_id=self.tier_id or ""
            )
        return links.customer_path(
            CustomerKey(self.project_id, customer_id),
            "why",
            what=links.to_what(target),
            on=None if self.is_now else self.day,
        )


def chosen_group(visit: Visit, *, project_id: str, name: str, **ids: str) -> ListedGroup:
    """Return the group on the day that was asked for; a day that is not over is now."""
    day = visit.day()
    is_now = day is None or day >= visit.today
    return ListedGroup(
        project_id=project_id,
        name=name,
        day=visit.today if day is None or is_now else day,
        is_now=is_now,
        as_of=None if day is None or is_now else visit.zone.end_of(day),
        **ids,
    )


def read_page(visit: Visit, group: ListedGroup) -> MemberList:
    """Return the page that was asked for; the first one if its cursor is none."""
    try:
        page = _find(visit, group, visit.parameter("after"), PAGE_MEMBERS)
    except BadCursor:
        page = _find(visit, group, None, PAGE_MEMBERS)
    labels = TierLabels(list_campaigns(visit.database, project_id=group.project_id))
    details = _describe(visit, group, page)
    return MemberList(
        day=group.day,
        is_now=group.is_now,
        members=tuple(_listed(each, details[_key(each)], group, labels) for each in page.members),
        next=page.next,
    )


def as_csv(visit: Visit, group: ListedGroup) -> StreamingResponse:
    """Return all members as a file, which is read page by page while it is sent."""
    name = f"{_file_name(group.name)}-{group.day.isoformat()}.csv"
    return StreamingResponse(
        _lines(visit, group),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


def _lines(visit: Visit, group: ListedGroup) -> Iterator[str]:
    yield csv_text.row(["customer_number", "voucherify_id", "name", "email", "tiers", "since"])
    after: str | None = None
    while True:
        page = _find(visit, group, after, _FILE_MEMBERS)
        details = _describe(visit, group, page)
        yield "".join(_line(each, details[_key(each)]) for each in page.members)
        after = page.next
        if after is None:
            return


def _line(member: Member, details: MemberDetails) -> str:
    tiers = ", ".join(each.name or each.tier_id for each in details.tiers)
    since = None if member.since is None else to_text(member.since)
    cells = [member.source_id, member.customer_id, member.name, details.email, tiers, since]
    return csv_text.row(cells)


def _find(visit: Visit, group: ListedGroup, after: str | None, limit: int) -> MemberPage:
    ids: dict[str, Any] = {"segment_id": group.segment_id, "tier_id": group.tier_id}
    return find_members(
        visit.database,
        **ids,
        project_id=group.project_id,
        as_of=group.as_of,
        after=after,
        limit=limit,
    )


def _describe(visit: Visit, group: ListedGroup, page: MemberPage) -> Any:
    return describe_members(visit.database, map(_key, page.members), at=group.as_of or visit.now)


def _key(member: Member) -> CustomerKey:
    return CustomerKey(member.project_id, member.customer_id)


def _listed(
    member: Member, details: MemberDetails, group: ListedGroup, labels: TierLabels
) -> ListedMember:
    return ListedMember(
        path=links.customer_path(CustomerKey(member.project_id, member.customer_id)),
        why_path=group.why_path(member.customer_id),
        name=member.name or member.source_id or member.customer_id,
        email=details.email,
        source_id=member.source_id,
        tiers=tuple(
            labels.label(each.campaign_id, each.tier_id, each.name) for each in details.tiers
        ),
        since=member.since,
    )


def _file_name(name: str) -> str:
    """Return a name of small ASCII letters, digits and hyphens, for any system and header."""
    words = "".join(each if each.isascii() and each.isalnum() else " " for each in name.lower())
    return "-".join(words.split())[:60] or "members"
