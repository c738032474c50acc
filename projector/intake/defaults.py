"""Parses delivery defaults from text: command line options or query parameters. PURE."""

from __future__ import annotations

from projector.envelope import DeliveryDefaults, id_problem, sent_id_problem
from projector.errors import BadIdentifier
from projector.text.instants import parse_option


def parse_defaults(
    project: str | None,
    type_: str | None,
    occurred_at: str | None,
    customer: str | None,
    *,
    prefix: str = "",
) -> DeliveryDefaults:
    """Parse and validate delivery defaults.

    `prefix` precedes option names in error messages (such as `--`). Raises BadIdentifier or
    BadInstant.
    """
    for name, value, find_problem in (
        ("project", project, id_problem),
        ("type", type_, id_problem),
        ("customer", customer, sent_id_problem),
    ):
        problem = None if value is None else find_problem(value)
        if problem:
            raise BadIdentifier(name=f"{prefix}{name}", text=value, reason=problem)
    return DeliveryDefaults(
        project_id=project,
        type=type_,
        occurred_at=parse_option(occurred_at),
        customer_id=customer,
    )
