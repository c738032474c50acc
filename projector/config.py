"""The settings, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

from attrs import frozen

DATABASE_URL_VARIABLE = "PROJECTOR_DATABASE_URL"
DATABASE_URL_DEFAULT = "sqlite:///projector.db"


@frozen(kw_only=True)
class Settings:
    """What the environment says."""

    database_url: str = DATABASE_URL_DEFAULT


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process; an empty variable counts as none."""
    return Settings(database_url=environment.get(DATABASE_URL_VARIABLE) or DATABASE_URL_DEFAULT)
