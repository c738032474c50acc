"""Says in plain sentences why something was put aside, and what helps. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen


@frozen
class Reason:
    """A reason in words."""

    #: A few words, as a title.
    title: str
    #: What to do, in a sentence.
    advice: str
    #: Whether a retry may supply what the delivery lacks.
    has_fields: bool = False


_SUPPLY = "Say it below, and try again."
_SENDER = "Only the sender can mend this: ask for the delivery again."

#: The reasons of the quarantine, by their code.
REASONS: Mapping[str, Reason] = {
    "conflict": Reason(
        "Contradicts an event that is in the log",
        "The first delivery stands. Compare the two in Voucherify before anything is promised.",
    ),
    "broken_json": Reason("Could not be read: damaged on its way", _SENDER),
    "not_utf8": Reason("Could not be read: not text in UTF-8", _SENDER),
    "too_large": Reason(
        "Too large: longer than 1 MB", "Ask for it in parts, or leave it where it is."
    ),
    "unknown_shape": Reason(
        "Of no known shape",
        "If it is only the data of an event, say below which event it was, and try again.",
        has_fields=True,
    ),
    "legacy_format": Reason(
        "Old webhook format v2018-08-01",
        "Migrate the webhook to v2024-01-01 in Voucherify's project settings. This delivery lacks "
        "values that an event needs.",
    ),
    "missing_id": Reason("Without the id of an event", _SENDER),
    "missing_type": Reason("Does not say what happened", _SUPPLY, has_fields=True),
    "missing_project": Reason("Does not say which project it is of", _SUPPLY, has_fields=True),
    "missing_time": Reason("Does not say when it happened", _SUPPLY, has_fields=True),
    "bad_id": Reason("An id in it cannot be stored", _SENDER),
    "bad_time": Reason("Its time cannot be read", _SENDER),
    "naive_time": Reason("Its time is of no known time zone", _SENDER),
    "other_customer": Reason(
        "About another customer than its sender said",
        "Find out which customer is meant; sent without a customer it can be read.",
    ),
    "reserved_type": Reason(
        "Of a type that only this program writes",
        "It was not taken for what it says. Find out who sends it.",
    ),
}


def quarantine_reason(code: str) -> Reason:
    """Return a reason of the quarantine in words; a code that is not known stands for itself."""
    return REASONS.get(code) or Reason(code.replace("_", " ").capitalize(), "Try again later.")


def detail(text: str) -> str:
    """Return the sentence of a quarantined delivery without its advice for the command line."""
    return re.sub(r" Give it with --[a-z-]+\.$", "", text)


#: The beginnings of the reasons of dead letters, and what they mean.
_FAILURES = (
    (
        "The data do not state",
        Reason(
            "It does not say what an event of its type must say",
            "A newer version of the program may be able to read it: try again after an update. "
            "Until then, look the customer up in Voucherify.",
        ),
    ),
    (
        "The customer object is unreadable",
        Reason(
            "Its customer could not be read",
            "Name or e-mail address may be out of date. Try again after an update.",
        ),
    ),
)
_FAILED = Reason(
    "The program failed at it",
    "This is an error of the program. Try again after an update.",
)


def failure_reason(text: str) -> Reason:
    """Return the reason of a dead letter in words."""
    return next((each for begin, each in _FAILURES if text.startswith(begin)), _FAILED)


#: The tables in words, by the name of their projection.
_TABLES: Mapping[str, str] = {
    "customer": "Customers",
    "loyalty_tier": "Tiers now",
    "loyalty_tier_history": "Tiers over time",
    "segment_membership": "Segments now",
    "segment_membership_history": "Segments over time",
}


def table_title(projection: str) -> str:
    """Return the name of a projection's table in words."""
    return _TABLES.get(projection) or projection.replace("_", " ").capitalize()
