"""The address and the credentials of the API: what is accepted, and that no secret is shown."""

import pytest

from projector.config import read_voucherify_access
from projector.errors import (
    BadCredentials,
    BadVoucherifyUrl,
    CredentialsMissing,
    ProjectNotGiven,
    ProjectorError,
)
from projector.voucherify import credentials
from projector.voucherify.address import Address, parse_url

_SECRET = "s3cret"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://api.voucherify.io", Address(is_https=True, host="api.voucherify.io", port=None)),
        (" https://us1.api.voucherify.io/\n", "us1.api.voucherify.io"),
        ("https://gateway.test:8443", "gateway.test:8443"),
        ("http://127.0.0.1:4010", "127.0.0.1:4010"),
        ("http://localhost:4010", "localhost:4010"),
        ("http://[::1]:4010", "[::1]:4010"),
    ],
)
def test_an_address_is_parsed(text: str, address: object) -> None:
    parsed = parse_url(text)
    assert address in (parsed, str(parsed))
    assert parsed.is_https == ("https" in text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://api.voucherify.io", "unencrypted"),
        ("http://127.0.0.1.evil.test", "unencrypted"),
        ("ftp://api.voucherify.io", "does not begin"),
        ("api.voucherify.io", "does not begin"),
        ("https://", "does not begin"),
        ("https://api.voucherify.io/v1", "something follows"),
        ("https://api.voucherify.io?x=1", "something follows"),
        (f"https://user:{_SECRET}@api.voucherify.io", "do not belong"),
        (f"https://api.voucherify.io:{_SECRET}", "cannot be parsed"),
        ("https://[::1", "cannot be parsed"),
    ],
)
def test_a_wrong_address_is_refused_without_showing_it(text: str, reason: str) -> None:
    with pytest.raises(BadVoucherifyUrl, match=reason) as caught:
        parse_url(text)
    assert _SECRET not in str(caught.value)


def test_one_project_needs_no_name_and_several_do() -> None:
    [only] = credentials.parse("id\n", " token ")
    assert (only.project_id, only.app_id, only.app_token) == (None, "id", "token")
    assert credentials.choose([only], "proj_9") == ("proj_9", only)
    one, two = credentials.parse("proj_1=a,proj_2=b", "proj_2=y\nproj_1=x")
    assert [(each.project_id, each.app_id, each.app_token) for each in (one, two)] == [
        ("proj_1", "a", "x"),
        ("proj_2", "b", "y"),
    ]
    assert credentials.choose([one, two], "proj_2") == ("proj_2", two)
    assert credentials.choose([one], None) == ("proj_1", one)
    for known in ([only], [one, two]):
        with pytest.raises(ProjectNotGiven):
            credentials.choose(known, None)
    for none in ([], [one]):
        with pytest.raises(CredentialsMissing, match="proj_3"):
            credentials.choose(none, "proj_3")


@pytest.mark.parametrize(
    ("ids", "tokens", "reason"),
    [
        (_SECRET, "", "the application's token is missing"),
        ("", _SECRET, "the application's id is missing"),
        (f"proj_1={_SECRET}", f"proj_2={_SECRET}", "token of the project proj_1 is missing"),
        (f"{_SECRET},proj_1={_SECRET}", "x,proj_1=y", "some name a project"),
        (f"{_SECRET}1,{_SECRET}2", "x", "two ids without a project"),
        (f"p={_SECRET}1,p={_SECRET}2", "p=x", "two ids of the project p"),
        ("id", f"{_SECRET}\r{_SECRET}", "a character that none has"),
        ("id", f"{_SECRET} {_SECRET}", "a character that none has"),
        ("id", f"{_SECRET}\u00e9", "a character that none has"),
    ],
)
def test_wrong_credentials_are_refused_without_showing_them(
    ids: str, tokens: str, reason: str
) -> None:
    with pytest.raises(BadCredentials, match=reason) as caught:
        credentials.parse(ids, tokens)
    assert _SECRET not in str(caught.value)
    assert _SECRET not in caught.value.hint


def test_credentials_do_not_show_themselves() -> None:
    access = read_voucherify_access(
        "proj_1",
        {"PROJECTOR_VOUCHERIFY_APP_ID": _SECRET, "PROJECTOR_VOUCHERIFY_APP_TOKEN": _SECRET},
    )
    assert _SECRET not in repr(access)
    assert str(access.address) == "api.voucherify.io"


def test_credentials_may_come_from_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("secrets")
    for name in ("id", "token"):
        (folder / name).write_text(f"{name}-1\n")
    both = {
        "PROJECTOR_VOUCHERIFY_APP_ID_FILE": str(folder / "id"),
        "PROJECTOR_VOUCHERIFY_APP_TOKEN_FILE": str(folder / "token"),
    }
    found = read_voucherify_access("proj_1", both).credentials
    assert (found.app_id, found.app_token) == ("id-1", "token-1")
    for wrong, reason in (
        ({**both, "PROJECTOR_VOUCHERIFY_APP_ID": _SECRET}, "both set"),
        ({**both, "PROJECTOR_VOUCHERIFY_APP_ID_FILE": str(folder / "none")}, "No such file"),
    ):
        with pytest.raises(ProjectorError, match=reason) as caught:
            read_voucherify_access("proj_1", wrong)
        assert _SECRET not in str(caught.value)
