"""What a process that goes on tells of itself: one JSON object a line, on stderr."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec

from projector.text.instants import to_text
from projector.text.jsontext import escape_control_characters

#: The id of the request that is being answered, for whatever is logged on its way.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

#: What a record has by itself; all else was given by who logged it.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger and message first."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry: dict[str, Any] = {
            "time": to_text(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        asked_by = request_id.get()
        if asked_by is not None:
            entry["request_id"] = asked_by
        entry.update({key: value for key, value in vars(record).items() if key not in _OWN})
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        try:
            written = msgspec.json.encode(entry, enc_hook=str)
        except UnicodeEncodeError:
            # Half of a character, which a path or an argument may have.
            written = json.dumps(entry, default=str).encode()
        return escape_control_characters(written).decode()


def configure(level: int = logging.INFO) -> None:
    """Let everything that is logged in this process come out in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # That a broken connection could not be tidied up either: what broke it is told by itself.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


def silence() -> None:
    """Let nothing come out that drivers log: what matters of it comes as an error as well."""
    logging.basicConfig(handlers=[logging.NullHandler()])
