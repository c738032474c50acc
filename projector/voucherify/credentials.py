"""Parses the credentials of Voucherify's API, of one project or of several. PURE.

`VALUE` is that of the only project; `PROJECT=VALUE,PROJECT=VALUE` are those of several. Ids and
tokens of applications are given separately, for the same projects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import field, frozen

from projector.envelope import id_problem
from projector.errors import BadCredentials, CredentialsMissing, ProjectNotGiven
from projector.voucherify.address import Address

_PAIR = re.compile(r"([^=]+)=(.+)", re.DOTALL)
#: What a header may contain: a line break in it would begin another header.
_VALUE = re.compile(r"[\x21-\x7e]+")


@frozen(kw_only=True)
class Credentials:
    """The credentials of one project; `repr` leaves them out, so that no traceback shows them."""

    #: None if the settings name no project.
    project_id: str | None
    app_id: str = field(repr=False)
    app_token: str = field(repr=False)


@frozen(kw_only=True)
class Access:
    """The way to one project's API."""

    project_id: str
    address: Address
    credentials: Credentials


def parse(app_ids: str, app_tokens: str) -> tuple[Credentials, ...]:
    """Parse the two settings; none if both are empty.

    Raises BadCredentials, whose message never contains a value.
    """
    ids, tokens = _parse("id", app_ids), _parse("token", app_tokens)
    if ids.keys() != tokens.keys():
        raise BadCredentials(reason=_mismatch(ids.keys(), tokens.keys()))
    return tuple(
        Credentials(project_id=project_id, app_id=app_id, app_token=tokens[project_id])
        for project_id, app_id in ids.items()
    )


def choose(known: Iterable[Credentials], project_id: str | None) -> tuple[str, Credentials]:
    """Return the project that is meant and its credentials.

    Raises CredentialsMissing; ProjectNotGiven unless the project follows from the settings.
    """
    by_project = {each.project_id: each for each in known}
    if not by_project:
        raise CredentialsMissing(project="any project" if project_id is None else project_id)
    if project_id is None:
        [first, *others] = by_project
        if first is None or others:
            raise ProjectNotGiven
        project_id = first
    found = by_project.get(project_id) or by_project.get(None)
    if found is None:
        raise CredentialsMissing(project=f"the project {project_id}")
    return project_id, found


def _parse(what: str, text: str) -> dict[str | None, str]:
    found: dict[str | None, str] = {}
    for part in filter(None, map(str.strip, re.split("[,\n]", text))):
        pair = _PAIR.fullmatch(part)
        project_id, value = (None, part) if pair is None else (pair[1].strip(), pair[2].strip())
        if _VALUE.fullmatch(value) is None:
            raise BadCredentials(reason=f"an application's {what} has a character that none has")
        problem = None if project_id is None else id_problem(project_id)
        if problem:
            raise BadCredentials(reason=f"a project's id {problem}")
        if project_id in found:
            whose = "without a project" if project_id is None else f"of the project {project_id}"
            raise BadCredentials(reason=f"there are two {what}s {whose}")
        found[project_id] = value
    if None in found and len(found) > 1:
        raise BadCredentials(reason="some name a project and some do not")
    return found


def _mismatch(ids: Iterable[str | None], tokens: Iterable[str | None]) -> str:
    without_token, without_id = set(ids) - set(tokens), set(tokens) - set(ids)
    for missing, projects in (("token", without_token), ("id", without_id)):
        for project_id in sorted(projects, key=str):
            whose = "" if project_id is None else f" of the project {project_id}"
            return f"the application's {missing}{whose} is missing"
    raise AssertionError("they differ")
