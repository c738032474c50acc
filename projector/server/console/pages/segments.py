"""The pages of segments: all of them, and one over time with its members."""

from __future__ import annotations

from starlette.responses import Response

from projector.errors import GroupNotFound
from projector.projections.groups import SEGMENT
from projector.queries.members import SegmentCount, list_segments
from projector.queries.sizes import (
    SegmentSizes,
    SegmentTrends,
    segment_sizes,
    segment_trends,
    size_bounds,
)
from projector.server.console import links
from projector.server.console.charts import size_charts, size_periods
from projector.server.console.charts.size_charts import Band
from projector.server.console.page import Page, PageRoute, Visit
from projector.server.console.pages import member_list
from projector.server.console.pages.member_list import ListedGroup
from projector.server.console.pages.spans import FACT_DAYS, Span, chosen_span, cross_hair


def _list(visit: Visit) -> Page:
    trends = segment_trends(visit.database, to_day=visit.now.date())
    recent = segment_trends(visit.database, to_day=visit.now.date(), days=FACT_DAYS)
    counts = list_segments(visit.database)
    return Page(
        template="segments.html",
        values={"segments": _rows(counts, trends, recent)},
    )


def _rows(
    counts: list[SegmentCount], trends: SegmentTrends, recent: SegmentTrends
) -> list[dict[str, object]]:
    """Return a row for each segment, the one with the most members first."""
    lines = {(each.project_id, each.segment_id): each for each in trends.segments}
    changes = {(each.project_id, each.segment_id): each for each in recent.segments}
    rows = []
    for each in sorted(counts, key=lambda each: (-each.members, each.name or each.segment_id)):
        key = each.project_id, each.segment_id
        if key not in lines or key not in changes:
            # It was named for the first time between the queries.
            continue
        rows.append(
            {
                "path": links.segment_path(*key),
                "name": each.name or each.segment_id,
                "segment_id": each.segment_id,
                "members": each.members,
                "spark": size_charts.sparkline(lines[key].members),
                "entered": changes[key].entered,
                "left": changes[key].left,
            }
        )
    return rows


def _show(visit: Visit) -> Page | Response:
    segment = _segment(visit)
    group = member_list.chosen_group(
        visit,
        project_id=segment.project_id,
        name=segment.name or segment.segment_id,
        segment_id=segment.segment_id,
    )
    if visit.parameter("format") == "csv":
        return member_list.as_csv(visit, group)
    bounds = size_bounds(visit.database, SEGMENT, segment.project_id, group_id=segment.segment_id)
    span = chosen_span(visit, bounds.first)
    sizes = segment_sizes(
        visit.database,
        segment.segment_id,
        project_id=segment.project_id,
        to_day=span.today,
        days=span.days,
    )
    recent = sizes.days[-FACT_DAYS:]
    entered, left = sum(each.entered for each in recent), sum(each.left for each in recent)
    return Page(
        template="segment.html",
        values={
            "segment": segment,
            "name": group.name,
            "entered": entered,
            "left": left,
            "span": span,
            "chart": _chart(sizes, group, span),
            "unknown": sizes.unknown,
            "list": member_list.read_page(visit, group),
            "last_left": bounds.last_left,
            "address": lambda **query: links.segment_path(
                segment.project_id, segment.segment_id, **{**_state(group, span), **query}
            ),
        },
    )


def _state(group: ListedGroup, span: Span) -> dict[str, object]:
    return {"span": span.name, "on": None if group.is_now else group.day}


def _chart(sizes: SegmentSizes, group: ListedGroup, span: Span) -> dict[str, object]:
    points = size_periods.points(sizes.days)
    unit, changes = size_periods.periods(sizes.days)
    members = [each.members for each in points]
    href = links.segment_path(group.project_id, sizes.segment_id, span=span.name) + "&on="
    return {
        "svg": size_charts.area(
            points,
            [Band(name="members", class_="area", values=members)],
            changes,
            title=f"Members of {group.name}",
            description=f"{members[0]:,} members at first, {members[-1]:,} at last.",
            chosen=None if group.is_now else group.day,
        ),
        "unit": unit,
        "rows": changes[::-1],
        "points": cross_hair(
            points,
            {
                "members": members,
                "entered": [each.entered for each in points],
                "left": [each.left for each in points],
            },
            href,
        ),
    }


def _segment(visit: Visit) -> SegmentCount:
    """Return the segment in the path, of the project in the query, or of the first; or raise."""
    project_id = visit.parameter("project")
    for each in list_segments(visit.database, project_id=project_id):
        if each.segment_id == visit.ids["id"]:
            return each
    raise GroupNotFound(kind=SEGMENT.kind, identifier=visit.ids["id"])


PAGES = (
    PageRoute(path="/segments", name="consoleSegments", run=_list),
    PageRoute(path="/segments/{id}", name="consoleSegment", run=_show),
)
