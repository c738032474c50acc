"""Reads the settings from the environment, once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from projector.errors import BadSecrets
from projector.intake import webhook_secrets
from projector.intake.webhook_secrets import WebhookSecret

DATABASE_URL_VARIABLE = "PROJECTOR_DATABASE_URL"
DATABASE_URL_DEFAULT = "sqlite:///projector.db"

#: The same database of Postgres without a connection pooler, or with more rights, for rebuilds.
DIRECT_DATABASE_URL_VARIABLE = "PROJECTOR_DIRECT_DATABASE_URL"

WEBHOOK_SECRET_VARIABLE = "PROJECTOR_WEBHOOK_SECRET"  # noqa: S105 - a name
#: The path of a file with the same value, because other users may read a process's environment.
WEBHOOK_SECRET_FILE_VARIABLE = "PROJECTOR_WEBHOOK_SECRET_FILE"  # noqa: S105 - a name


@frozen(kw_only=True)
class Settings:
    """The settings of a process."""

    database_url: str = field(default=DATABASE_URL_DEFAULT, repr=False)
    direct_database_url: str | None = field(default=None, repr=False)


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of this process; an empty variable counts as missing."""
    return Settings(
        database_url=environment.get(DATABASE_URL_VARIABLE) or DATABASE_URL_DEFAULT,
        direct_database_url=environment.get(DIRECT_DATABASE_URL_VARIABLE) or None,
    )


def read_webhook_secrets(
    environment: Mapping[str, str] = os.environ,
) -> tuple[WebhookSecret, ...]:
    """Return the webhooks' secrets; raise BadSecrets, whose message never contains one."""
    path = environment.get(WEBHOOK_SECRET_FILE_VARIABLE)
    text = environment.get(WEBHOOK_SECRET_VARIABLE) or ""
    if not path:
        return webhook_secrets.parse(text)
    if text:
        raise BadSecrets(
            reason=f"{WEBHOOK_SECRET_VARIABLE} and {WEBHOOK_SECRET_FILE_VARIABLE} are both set"
        )
    try:
        return webhook_secrets.parse(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadSecrets(reason=f"{path}: {reason}") from None
