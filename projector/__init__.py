"""Which segments is this customer in, which loyalty tier, since when, and can I trust the answer?

The modules, in the order in which data meets them: `files` and `framing` (bytes to deliveries),
`signature` (whether they come from the right sender), `sources` (a delivery to an `envelope`),
`ingest` and `store` (into the event log), `codec` and `events` (a recorded event to a fact), `fold`
and `projections` (facts to state; `stints` are part of some states), `batch` and `runner` (state to
tables), `follow` (again and again, as events come in), `answer`, `query`, `lookup`, `members`,
`streams`, `export` and `status` (tables to answers), `steps`, `verdict` and `explain` (the log to
reasons), `quarantine` and `dead_letters` (what was put aside, and trying it again), `tokens` (who
may come in by the network), `app` (all of it as one object), `server` and `cli`.
Beside them `instants`, `jsontext`, `paging`, `quick`, `webhook_secrets`, `config` and `errors`.
"""

from projector.answer import Answer
from projector.app import Projector, open_projector
from projector.envelope import Given
from projector.errors import ProjectorError
from projector.ingest import IngestReport
from projector.status import Status

__all__ = [
    "Answer",
    "Given",
    "IngestReport",
    "Projector",
    "ProjectorError",
    "Status",
    "open_projector",
]
