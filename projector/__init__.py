"""Event-sourced customer state: which segments and loyalty tiers, since when, and how certain.

The packages, in the order in which data meets them: `text` (instants, JSON), `envelope` (what
arrived), `facts` (recorded event to fact), `projections` (facts to state), `store` (SQL), `intake`
(bytes into the log), `voucherify` and `backfill` (what was missed, from the vendor's API into the
log), `runner` (the log into the tables), `sealing` (the log's seal, in the formats of `tlog`),
`queries` (tables to answers), `operate` (quarantine, dead letters, tokens), `erasure` (forgets
customers), `app` (the library: all of it as one object), `server`, `cli`.
The package `replay` rebuilds and verifies. A module whose docstring says PURE has no I/O, no clock
and no environment.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from projector.app import Projector, open_projector
    from projector.envelope import DeliveryDefaults
    from projector.errors import ProjectorError
    from projector.intake.ingest import IngestReport
    from projector.queries.customer_state import CustomerState
    from projector.queries.status import Status

__all__ = [
    "CustomerState",
    "DeliveryDefaults",
    "IngestReport",
    "Projector",
    "ProjectorError",
    "Status",
    "open_projector",
]

_MODULES = {
    "CustomerState": "projector.queries.customer_state",
    "DeliveryDefaults": "projector.envelope",
    "IngestReport": "projector.intake.ingest",
    "Projector": "projector.app",
    "ProjectorError": "projector.errors",
    "Status": "projector.queries.status",
    "open_projector": "projector.app",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first used: one of them needs few of all."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
