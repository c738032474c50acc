"""Errors of asking Voucherify's REST API: its address, credentials, quotas and answers.

No message may contain a credential.
"""

from __future__ import annotations

from projector.errors.base import ProjectorError


class CredentialsMissing(ProjectorError):
    """No credentials of Voucherify's API for {project}."""

    exit_code = 2
    hint = (
        "Set PROJECTOR_VOUCHERIFY_APP_ID and PROJECTOR_VOUCHERIFY_APP_TOKEN, or the same with "
        "_FILE to the names of files; several projects as PROJECT=VALUE,PROJECT=VALUE."
    )


class BadCredentials(ProjectorError):
    """Invalid credentials of Voucherify's API: {reason}."""

    exit_code = 2
    hint = (
        "PROJECTOR_VOUCHERIFY_APP_ID and PROJECTOR_VOUCHERIFY_APP_TOKEN have one value each, or "
        "both PROJECT=VALUE,PROJECT=VALUE for the same projects."
    )


class ProjectNotGiven(ProjectorError):
    """Which project is meant?"""

    exit_code = 2
    hint = "Give it with --project: what Voucherify's API answers does not name it."


class BadVoucherifyUrl(ProjectorError):
    """Invalid PROJECTOR_VOUCHERIFY_URL: {reason}."""

    exit_code = 2
    hint = (
        "Give the address of the project's cluster, such as https://api.voucherify.io, "
        "https://us1.api.voucherify.io or https://as1.api.voucherify.io."
    )


class VoucherifyRefused(ProjectorError):
    """{host} refuses the credentials: {status}{detail}"""

    exit_code = 2
    hint = (
        "Check PROJECTOR_VOUCHERIFY_APP_ID and PROJECTOR_VOUCHERIFY_APP_TOKEN, and that "
        "PROJECTOR_VOUCHERIFY_URL is the project's cluster."
    )


class VoucherifyRejected(ProjectorError):
    """{host} rejects the request {path}: {status}{detail}"""

    hint = "Nothing was lost. Check --types, --segment and the ids; else it is a fault of ours."


class VoucherifyUnexpected(ProjectorError):
    """{host} does not answer as Voucherify's API does: {reason}."""

    exit_code = 2
    hint = "Check that PROJECTOR_VOUCHERIFY_URL is the project's cluster."


class VoucherifyUnreachable(ProjectorError):
    """{host} does not answer: {reason}"""

    exit_code = 4
    hint = "Nothing was lost. Check PROJECTOR_VOUCHERIFY_URL and the network, and run it again."


class BudgetTooSmall(ProjectorError):
    """It needs {needed:,} requests or more, and may make {requests_max:,}."""

    exit_code = 2
    hint = (
        "Choose fewer customers, or raise --requests-max. A plan has a number of requests for "
        "each billing cycle, and beyond it Voucherify blocks the shop's own requests, too."
    )


class ListStuck(ProjectorError):
    """The list of customers cannot be read further: {reason}."""

    hint = "Nothing was lost. Name the customers in a file: --customers FILE."
