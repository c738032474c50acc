"""What was sent to the program, and what it said of it."""

import json

from attrs import field, frozen

from projector.envelope import DeliveryDefaults, Envelope
from projector.intake import sources


@frozen
class Acknowledged:
    """What the program said of a delivery before something happened to it."""

    outcome: str
    position: int | None
    body: str


@frozen
class Sent:
    """Everything that was sent, a delivery a line, and what is to become of each."""

    lines: tuple[bytes, ...]
    #: The first of each identity, which stands.
    first: dict[tuple[str, str], bytes] = field(factory=dict)
    repeated: list[bytes] = field(factory=list)
    conflicting: list[bytes] = field(factory=list)
    unreadable: list[bytes] = field(factory=list)

    @classmethod
    def of(cls, content: bytes) -> "Sent":
        """Told by the text alone, not by the program."""
        # White space around a delivery is no part of it.
        sent = cls(tuple(line.strip() for line in content.splitlines()))
        for line in sent.lines:
            try:
                told = json.loads(line)
            except ValueError:
                sent.unreadable.append(line)
                continue
            identity = told["project_id"], told["event"]["id"]
            known = sent.first.setdefault(identity, line)
            if known is not line:
                (sent.repeated if known == line else sent.conflicting).append(line)
        return sent

    @property
    def envelopes(self) -> list[Envelope]:
        """The events that are to be in the log."""
        return [each for line in self.first.values() for each in _read(line)]


def _read(line: bytes) -> list[Envelope]:
    return [each for each in sources.read(line, DeliveryDefaults()) if isinstance(each, Envelope)]
