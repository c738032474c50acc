"""Parses the setting of webhook secrets: some for all projects, or some for each project. PURE.

`SECRET` is valid for every project, and so are both of `SECRET,SECRET` (for a rotation);
`PROJECT=SECRET,PROJECT=SECRET` gives each project secrets of its own, one or more.
"""

from __future__ import annotations

import re

from attrs import field, frozen

from projector.envelope import id_problem
from projector.errors import BadSecrets

#: `PROJECT=SECRET`. Equals signs at the end only are Base64 padding of a secret without project.
_PAIR = re.compile(r"([^=]+)=(?!=*\Z)(.+)", re.DOTALL)


@frozen(kw_only=True)
class WebhookSecret:
    """A secret, and the project for which it is valid."""

    #: None if it is valid for all projects.
    project_id: str | None
    #: The secret itself; left out of `repr`, so that no log or traceback shows it.
    text: str = field(repr=False)


def parse(text: str) -> tuple[WebhookSecret, ...]:
    """Parse the secrets of a setting; none if it is empty. Raises BadSecrets.

    Secrets are separated by commas or newlines; whitespace around them is ignored.
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
