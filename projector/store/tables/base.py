"""The metadata that all tables share, and the revision of the schema."""

from __future__ import annotations

from sqlalchemy import MetaData

#: The revision of the newest migration. Kept here so that opening a database needs no Alembic;
#: a test compares it with the migrations.
SCHEMA_REVISION = "0020"

#: The table with the revision of the schema: Alembic's, by a name of the program's own, because
#: another application in the same schema may have its `alembic_version`.
VERSION_TABLE = "projector_schema"

#: The key of an index's `info` that names the only dialect whose migrations create the index.
ONLY_ON = "dialect"

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)
