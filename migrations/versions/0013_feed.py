"""Creates feed_hour: the deliveries of each feed by the hour in which they arrived.

What the log has already is counted as one row for each project, type and outcome, with the channel
`earlier`: how it came is not known. This reads the whole log once.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

# ruff: noqa: S608 - these statements are made of constants

revision = "0013"
down_revision = "0012"

_COUNTS = ("late_10s", "late_90s", "late_1h", "late_6h", "late_1d", "late_3d", "late_more", "early")

#: The types that are counted by name.
_TYPES = (
    "customer.created",
    "customer.updated",
    "customer.confirmed",
    "customer.deleted",
    "customer.segment.entered",
    "customer.segment.left",
    "customer.loyalty.tier.joined",
    "customer.loyalty.tier.left",
    "customer.loyalty.tier.prolonged",
    "customer.loyalty.tier.expiration.changed",
    "customer.loyalty.tier.upgraded",
    "customer.loyalty.tier.downgraded",
    "projector.offer.sent",
)

#: The beginning of the hour of an instant.
_HOUR = {
    "sqlite": "substr({at}, 1, 13) || ':00:00.000000Z'",
    "postgresql": "date_trunc('hour', {at} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'",
}


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "feed_hour",
        sa.Column("hour", Instant, nullable=False),
        sa.Column("project_id", Key, nullable=False),
        sa.Column("sender", Key, nullable=False),
        sa.Column("type", Key, nullable=False),
        sa.Column("channel", Key, nullable=False),
        sa.Column("outcome", Key, nullable=False),
        sa.Column("deliveries", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _COUNTS),
        sa.Column("last_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint(
            "hour", "project_id", "sender", "type", "channel", "outcome", name="feed_hour_pkey"
        ),
    )
    op.create_index("feed_hour_sender_idx", "feed_hour", ["project_id", "sender"])
    _count("appended", "count(*)", "received_at", "event")
    repeated = "duplicate JOIN event ON event.position = duplicate.position"
    _count("duplicate", "sum(count)", "last_received_at", repeated)


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("feed_hour")


def _count(outcome: str, deliveries: str, at: str, source: str) -> None:
    """Add the deliveries of one outcome."""
    last_at = f"max({at})"
    hour = _HOUR[op.get_bind().dialect.name].format(at=last_at)
    names = ", ".join(f"'{name}'" for name in _TYPES)
    type_ = f"CASE WHEN type IN ({names}) THEN type ELSE 'other' END"
    zeros = ", ".join("0" for _ in _COUNTS)
    op.execute(
        "INSERT INTO feed_hour (hour, project_id, sender, type, channel, outcome, deliveries, "
        f"{', '.join(_COUNTS)}, last_at) SELECT {hour}, project_id, '', {type_}, 'earlier',"
        f" '{outcome}', {deliveries}, {zeros}, {last_at} FROM {source} GROUP BY project_id, {type_}"
    )
