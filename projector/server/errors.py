"""Errors that only the server raises.

As in `projector.errors`, a class's docstring is its message, and `hint` says what to do next.
"""

from __future__ import annotations

from projector.errors import ProjectorError


class PathUnknown(ProjectorError):
    """Unknown path: {path}"""

    hint = "/openapi.json lists the paths."


class MethodUnknown(ProjectorError):
    """The method {method} is not allowed for this path."""

    hint = "/openapi.json lists the methods of each path."


class BadQuery(ProjectorError):
    """Invalid query: {reason}"""

    hint = "/docs lists the parameters of each path."


class BadBody(ProjectorError):
    """Invalid body: {reason}"""

    hint = "/docs shows the body that this path expects."


class BadHeader(ProjectorError):
    """Invalid header {name}: {reason}"""

    hint = "See /docs."


class SignatureWrong(ProjectorError):
    """Invalid signature: the body is not signed with a secret of its project."""

    hint = "Nothing was stored. Compare the secret in Voucherify with PROJECTOR_WEBHOOK_SECRET."


class TokenMissing(ProjectorError):
    """Missing or unknown token."""

    hint = "Send `Authorization: Bearer TOKEN`; `projector token create` creates one."


class ScopeNeeded(ProjectorError):
    """The token lacks the scope {scope!r}."""

    hint = "`projector token create NAME --scope SCOPE` creates one that has it."


class HostForeign(ProjectorError):
    """A server without tokens answers only local programs."""

    hint = "Connect to localhost or 127.0.0.1, or create a token: `projector token create`."


class ConsoleOff(ProjectorError):
    """The console is switched off for other machines."""

    hint = (
        "Set PROJECTOR_CONSOLE_ORIGIN to the address in the browser, such as "
        "https://state.example.com, and start the server again."
    )


class FormForged(ProjectorError):
    """This form was not sent by a page of this console, or is too old."""

    hint = "Nothing was changed. Go back, load the page again and repeat."


class BadForm(ProjectorError):
    """Invalid form: {reason}."""

    hint = "Nothing was changed. Go back and correct it."


class BodyTooLarge(ProjectorError):
    """The body is larger than {bytes_max} bytes."""

    hint = "Split it into smaller requests."


class BodyTooSlow(ProjectorError):
    """The body did not arrive within {seconds_max} seconds."""

    hint = "Send it again."


class EncodingUnknown(ProjectorError):
    """Unsupported Content-Encoding {encoding!r}."""

    hint = "Send the body unencoded; deliveries may also be packed by gzip, once."


class BodyCorrupt(ProjectorError):
    """The body is not valid gzip: {reason}"""

    hint = "Nothing was stored. Send it again, whole, or unencoded."


class ClientGone(ProjectorError):
    """The client closed the connection before its request was complete."""


class Overloaded(ProjectorError):
    """The server is overloaded: its queue is full."""

    hint = "Retry later; an event that is already in the log is not stored twice."


class Stopping(ProjectorError):
    """The server is stopping and did not complete this request."""

    hint = "Retry in a moment; an event that arrives twice is stored once."


class PositionNotReached(ProjectorError):
    """The tables are at position {reached}, but {wanted} was requested."""

    hint = "Retry; /status shows the position of each projection."


class CredentialsUnnamed(ProjectorError):
    """The credentials of Voucherify's API do not say of which project they are."""

    hint = (
        "Write PROJECT=VALUE in PROJECTOR_VOUCHERIFY_APP_ID and PROJECTOR_VOUCHERIFY_APP_TOKEN, "
        "and start the server again."
    )


class MetricsMissing(ProjectorError):
    """Metrics are not installed on this server."""

    hint = "Install the extra: pip install 'customer-state-projector[metrics]'."
