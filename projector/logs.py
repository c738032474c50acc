"""Formats the logs of long-running processes: one JSON object per line, on stderr."""

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

#: The id of the current request, which every log record of its tasks and threads carries.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

#: The attributes of every record; any other one was passed as `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonLines(logging.Formatter):
    """A formatter that writes a record as one line of JSON: time, level, logger, message first."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line of JSON."""
        entry: dict[str, Any] = {
            "time": to_text(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        current_id = request_id.get()
        if current_id is not None:
            entry["request_id"] = current_id
        entry.update({key: value for key, value in vars(record).items() if key not in _OWN})
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        try:
            line = msgspec.json.encode(entry, enc_hook=str)
        except UnicodeEncodeError:
            # A lone surrogate, which a path or an argument may have.
            line = json.dumps(entry, default=str).encode()
        return escape_control_characters(line).decode()


def configure(level: int = logging.INFO) -> None:
    """Write all log records of this process to stderr in this format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Silence the pool's secondary error on an already broken connection; the original error is
    # logged.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


def silence() -> None:
    """Discard all log records of libraries; important ones are raised as errors as well."""
    logging.basicConfig(handlers=[logging.NullHandler()])
