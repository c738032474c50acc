"""The secrets that senders of webhooks sign with: one for all projects, or some for each. PURE.

`SECRET`, or `SECRET,SECRET` while one takes the place of another, opens every project;
`PROJECT=SECRET,PROJECT=SECRET` opens each project with its own ones, of which it may have several.
"""

from __future__ import annotations

import re

from attrs import field, frozen

from projector.envelope import id_problem
from projector.errors import BadSecrets

#: What stands before an equals sign is a project, unless only padding of Base64 follows.
_PAIR = re.compile(r"([^=]+)=(?!=*\Z)(.+)", re.DOTALL)


@frozen(kw_only=True)
class WebhookSecret:
    """A secret, and the project that it opens."""

    #: None for all of them.
    project_id: str | None
    #: Never shown.
    text: str = field(repr=False)


def parse(text: str) -> tuple[WebhookSecret, ...]:
    """The secrets that a setting names; none for an empty one. Raises BadSecrets.

    Parts are separated by commas or line ends; white space around them does not count.
    """
    parts = [part.strip() for part in re.split("[,\n]", text)]
    secrets = [_secret(part) for part in parts if part]
    if len({each.project_id is None for each in secrets}) > 1:
        raise BadSecrets(reason="some name a project and some do not")
    for each in secrets:
        problem = None if each.project_id is None else id_problem(each.project_id)
        if problem:
            raise BadSecrets(reason=f"a project's id {problem}")
    return tuple(secrets)


def _secret(part: str) -> WebhookSecret:
    pair = _PAIR.fullmatch(part)
    if pair is None:
        return WebhookSecret(project_id=None, text=part)
    return WebhookSecret(project_id=pair[1].strip(), text=pair[2].strip())
