"""Reads the settings from the environment, once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import available_timezones

from attrs import field, frozen

from projector.errors import BadConsoleSetting, BadCredentials, BadSecrets
from projector.intake import webhook_secrets
from projector.intake.webhook_secrets import WebhookSecret
from projector.voucherify import credentials
from projector.voucherify.address import URL_DEFAULT, parse_url
from projector.voucherify.credentials import Access

DATABASE_URL_VARIABLE = "PROJECTOR_DATABASE_URL"
DATABASE_URL_DEFAULT = "sqlite:///projector.db"

#: The same database of Postgres without a connection pooler, or with more rights, for rebuilds.
DIRECT_DATABASE_URL_VARIABLE = "PROJECTOR_DIRECT_DATABASE_URL"

#: The archive of the commands `archive`, and of rebuilds that read one.
ARCHIVE_URL_VARIABLE = "PROJECTOR_ARCHIVE_URL"
#: The master of the Spark cluster on which rebuilds run.
SPARK_MASTER_VARIABLE = "PROJECTOR_SPARK_MASTER"
SPARK_MASTER_DEFAULT = "local[*]"

WEBHOOK_SECRET_VARIABLE = "PROJECTOR_WEBHOOK_SECRET"  # noqa: S105 - a name
#: The path of a file with the same value, because other users may read a process's environment.
WEBHOOK_SECRET_FILE_VARIABLE = "PROJECTOR_WEBHOOK_SECRET_FILE"  # noqa: S105 - a name

#: The credentials of Voucherify's API, each also as the path of a file, and the API's address.
VOUCHERIFY_APP_ID_VARIABLE = "PROJECTOR_VOUCHERIFY_APP_ID"
VOUCHERIFY_APP_TOKEN_VARIABLE = "PROJECTOR_VOUCHERIFY_APP_TOKEN"  # noqa: S105 - a name
VOUCHERIFY_URL_VARIABLE = "PROJECTOR_VOUCHERIFY_URL"
_FILE = "_FILE"

#: The variables of the credentials of Voucherify's API.
CREDENTIAL_VARIABLES = tuple(
    name + suffix
    for name in (VOUCHERIFY_APP_ID_VARIABLE, VOUCHERIFY_APP_TOKEN_VARIABLE)
    for suffix in ("", _FILE)
)

#: The variables whose values are secret, or lead to a secret.
SECRET_VARIABLES = (
    WEBHOOK_SECRET_VARIABLE,
    WEBHOOK_SECRET_FILE_VARIABLE,
    *CREDENTIAL_VARIABLES,
)

CONSOLE_TIMEZONE_VARIABLE = "PROJECTOR_CONSOLE_TIMEZONE"
CONSOLE_ORIGIN_VARIABLE = "PROJECTOR_CONSOLE_ORIGIN"
CONSOLE_NAME_VARIABLE = "PROJECTOR_CONSOLE_NAME"

#: The scheme, host and port of an URL, and nothing else.
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")


@frozen(kw_only=True)
class ConsoleSettings:
    """The settings of the console."""

    #: The title of its pages, such as the shop's name.
    name: str = "Customer state"
    #: The IANA time zone of its days and times, unless a browser chooses another.
    timezone: str = "UTC"
    #: The origin at which browsers reach it, such as `https://state.example.com`, or None if they
    #: reach it at the address that it listens on.
    origin: str | None = None


@frozen(kw_only=True)
class Settings:
    """The settings of a process."""

    database_url: str = field(default=DATABASE_URL_DEFAULT, repr=False)
    direct_database_url: str | None = field(default=None, repr=False)
    #: The folder or URL of the archive.
    archive_url: str | None = None
    #: The master of Spark: by default all cores of this machine.
    spark_master: str = SPARK_MASTER_DEFAULT


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of this process; an empty variable counts as missing."""
    return Settings(
        database_url=environment.get(DATABASE_URL_VARIABLE) or DATABASE_URL_DEFAULT,
        direct_database_url=environment.get(DIRECT_DATABASE_URL_VARIABLE) or None,
        archive_url=environment.get(ARCHIVE_URL_VARIABLE) or None,
        spark_master=environment.get(SPARK_MASTER_VARIABLE) or SPARK_MASTER_DEFAULT,
    )


def read_console_settings(environment: Mapping[str, str] = os.environ) -> ConsoleSettings:
    """Return the settings of the console; raise BadConsoleSetting."""
    default = ConsoleSettings()
    timezone = environment.get(CONSOLE_TIMEZONE_VARIABLE) or default.timezone
    if timezone not in available_timezones():
        raise BadConsoleSetting(
            variable=CONSOLE_TIMEZONE_VARIABLE,
            value=timezone,
            reason="it is no IANA time zone, such as Europe/Warsaw",
        )
    origin = (environment.get(CONSOLE_ORIGIN_VARIABLE) or "").lower().rstrip("/") or None
    if origin is not None and _ORIGIN.fullmatch(origin) is None:
        raise BadConsoleSetting(
            variable=CONSOLE_ORIGIN_VARIABLE,
            value=origin,
            reason="it is no origin, such as https://state.example.com",
        )
    name = environment.get(CONSOLE_NAME_VARIABLE) or default.name
    return ConsoleSettings(name=name, timezone=timezone, origin=origin)


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


def read_voucherify_access(
    project_id: str | None, environment: Mapping[str, str] = os.environ
) -> Access:
    """Return the way to a project's API; None stands for the only project that is set.

    Raises CredentialsMissing, BadCredentials, BadVoucherifyUrl or ProjectNotGiven; no message
    contains a credential.
    """
    known = credentials.parse(
        _read_setting(VOUCHERIFY_APP_ID_VARIABLE, environment),
        _read_setting(VOUCHERIFY_APP_TOKEN_VARIABLE, environment),
    )
    chosen, found = credentials.choose(known, project_id)
    address = parse_url(environment.get(VOUCHERIFY_URL_VARIABLE) or URL_DEFAULT)
    return Access(project_id=chosen, address=address, credentials=found)


def _read_setting(name: str, environment: Mapping[str, str]) -> str:
    """Return the value of a variable, or the content of the file that another one names."""
    text, path = environment.get(name) or "", environment.get(name + _FILE)
    if not path:
        return text
    if text:
        raise BadCredentials(reason=f"{name} and {name}{_FILE} are both set")
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadCredentials(reason=f"{path}: {reason}") from None
