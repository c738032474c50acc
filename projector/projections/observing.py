"""Relates events to observations: which events may be what an observation saw. PURE.

An observation is filed at the beginning of the window in which the source was read. An event of
that window is folded after it, although the observation may have seen it already.
"""

from __future__ import annotations

from datetime import datetime, timedelta

#: The time after an observation within which an event may be what the observation saw. It is the
#: longest window of an observation.
IN_FLIGHT = timedelta(minutes=15)


def is_in_flight(seen_at: datetime | None, instant: datetime) -> bool:
    """Return whether an event at an instant may be what an observation at `seen_at` saw.

    False if no observation set the value (None).
    """
    return seen_at is not None and instant - seen_at <= IN_FLIGHT
