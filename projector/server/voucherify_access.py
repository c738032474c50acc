"""Says whether this server may ask Voucherify's API about the customers of a project."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from projector.config import read_voucherify_access
from projector.errors import (
    BadCredentials,
    BadVoucherifyUrl,
    ExtraMissing,
    ProjectorError,
)
from projector.server.errors import CredentialsUnnamed

_log = logging.getLogger(__name__)


def check_access(project_id: str) -> None:
    """Raise an error unless the environment has the way to a project's API.

    Raises CredentialsMissing, CredentialsUnnamed, BadCredentials, BadVoucherifyUrl or ExtraMissing.
    """
    try:
        access = read_voucherify_access(project_id)
    except (BadCredentials, BadVoucherifyUrl) as error:
        # Its message may have the name of a file, which is for the operator alone.
        _log.warning("Voucherify's API cannot be asked: %s", error)
        raise
    # Those of another project would find no customer of this one, and end all memberships.
    if access.credentials.project_id is None:
        raise CredentialsUnnamed
    if find_spec("urllib3") is None:
        raise ExtraMissing(extra="voucherify", reason="urllib3 is not installed")


def find_access_problem(project_id: str) -> ProjectorError | None:
    """Return why a project's API cannot be asked; None if it can."""
    try:
        check_access(project_id)
    except ProjectorError as error:
        return error
    return None
