"""What is logged is one line of JSON a record, whatever a sender put into it."""

import json
import logging
import re

from projector.logs import JsonLines

_EVIL = 'a\n{"level":"error"}\r\x1b[2J\x9b31m\x7f\u2028"\ud800'


def test_nothing_that_is_logged_makes_a_line_of_its_own_or_steers_a_terminal() -> None:
    record = logging.makeLogRecord(
        {"name": "x", "levelname": "INFO", "msg": "a request failed: %s", "args": (_EVIL,)}
    )
    record.path = _EVIL
    line = JsonLines().format(record)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)
    told = json.loads(line)
    assert told["level"] == "info"
    assert told["message"].startswith('a request failed: a\n{"level":"error"}')
    assert told["path"] == told["message"].removeprefix("a request failed: ")
