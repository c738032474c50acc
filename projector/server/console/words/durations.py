"""Writes lengths of time as a person says them. PURE."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def duration_text(seconds: float) -> str:
    """Return a length of time such as `9 s`, `4 min`, `2 hours` or `3 days`."""
    if seconds < 100:
        return f"{max(round(seconds), 1)} s"
    if seconds < 100 * _MINUTE:
        return f"{round(seconds / _MINUTE)} min"
    if seconds < 2 * _DAY:
        return f"{round(seconds / _HOUR)} hours"
    return f"{round(seconds / _DAY):,} days"


def age_text(seconds: float) -> str:
    """Return how long ago something was, to the minute, such as `2 hours`."""
    if seconds < _MINUTE:
        return "less than a minute"
    return f"{round(seconds / _MINUTE)} min" if seconds < 100 else duration_text(seconds)
