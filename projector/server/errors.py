"""What only a server refuses: errors as in `projector.errors`, docstring and hint alike."""

from __future__ import annotations

from projector.errors import ProjectorError


class PathUnknown(ProjectorError):
    """There is nothing at {path}."""

    hint = "/openapi.json lists what there is."


class MethodUnknown(ProjectorError):
    """{method} is not possible there."""

    hint = "/openapi.json lists what is."


class BadQuery(ProjectorError):
    """The query cannot be understood: {reason}"""

    hint = "/docs has the parameters of each path."


class BadBody(ProjectorError):
    """The body cannot be understood: {reason}"""

    hint = "/docs has the body that belongs there."


class BadHeader(ProjectorError):
    """The header {name} cannot be understood: {reason}"""

    hint = "See /docs."


class SignatureWrong(ProjectorError):
    """The body is not signed with the secret of its project."""

    hint = "Nothing was stored. Compare the secret in Voucherify with PROJECTOR_WEBHOOK_SECRET."


class TokenMissing(ProjectorError):
    """This needs a token that is known here."""

    hint = "Send `Authorization: Bearer TOKEN`; `projector token create` makes one."


class ScopeNeeded(ProjectorError):
    """The token lacks the scope {scope!r}."""

    hint = "`projector token create NAME --scope SCOPE` makes one that has it."


class HostForeign(ProjectorError):
    """A server without tokens answers programs of this machine only."""

    hint = "Ask for it by localhost or 127.0.0.1, or make tokens: `projector token create`."


class BodyTooLarge(ProjectorError):
    """The body is larger than {bytes_max} bytes."""

    hint = "Send less at once."


class BodyTooSlow(ProjectorError):
    """The body did not come within {seconds_max} seconds."""

    hint = "Send it again."


class EncodingUnknown(ProjectorError):
    """A body in the encoding {encoding!r} cannot be read here."""

    hint = "Send it as it is, or to /events with gzip."


class ClientGone(ProjectorError):
    """The client closed the connection before its request was whole."""


class Overloaded(ProjectorError):
    """More is waiting here than the server takes at once."""

    hint = "Send it again later; what is in the log by then is not stored twice."


class Stopping(ProjectorError):
    """The server stops before this could be answered."""

    hint = "Send it again in a moment: what comes twice is kept once."


class PositionNotReached(ProjectorError):
    """The tables are at position {reached}, and {wanted} was asked for."""

    hint = "Ask again; /status tells how far each projection is."


class MetricsMissing(ProjectorError):
    """This server has no metrics."""

    hint = "Install the extra: pip install 'customer-state-projector[metrics]'."
