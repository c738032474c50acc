"""`token`: made, listed and revoked; its text is printed once, and its digest never."""

import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import make_url

from projector.app import open_projector
from projector.operate.tokens import authenticate, read_tokens
from tests.cli.conftest import Cli

pytestmark = pytest.mark.usefixtures("empty_database")

_FORM = r"pjt_([0-9a-f]{12})_[0-9a-f]{64}"


def _make(cli: Cli, name: str = "shop", *scopes: str) -> dict[str, Any]:
    options = [part for scope in scopes or ["read"] for part in ("--scope", scope)]
    made: dict[str, Any] = cli("token", "create", name, *options, "--json").json
    return made


def _comes_in(text: str, url: str = "sqlite:///projector.db") -> bool:
    with open_projector(url) as projector:
        return authenticate(read_tokens(projector.database), text) is not None


def test_a_token_is_made_for_programs(cli: Cli) -> None:
    made = _make(cli, "shop", "write", "read")
    assert list(made) == ["token_id", "name", "scopes", "token"]
    assert (made["name"], made["scopes"]) == ("shop", ["read", "write"])
    found = re.fullmatch(_FORM, made["token"])
    assert found
    assert made["token_id"] == found[1]
    assert _comes_in(made["token"])


def test_a_created_token_is_alone_on_stdout_with_the_advice_on_stderr(cli: Cli) -> None:
    done = cli("token", "create", "shop", "--scope", "read")
    assert done.code == 0
    found = re.fullmatch(_FORM + "\n", done.out)
    assert found
    assert f"token {found[1]} (read)" in done.err
    assert "not shown again" in done.err
    assert done.out.strip() not in done.err
    assert _comes_in(done.out.strip())


def test_a_token_is_in_one_line_however_narrow_the_terminal_is(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert re.fullmatch(_FORM + "\n", cli("token", "create", "shop", "--scope", "read").out)


def test_the_list_has_its_keys_in_their_order(cli: Cli) -> None:
    assert cli("token", "list", "--json").json == {"tokens": []}
    made = _make(cli, "shop", "read", "admin")
    [found] = cli("token", "list", "--json").json["tokens"]
    assert list(found) == ["token_id", "name", "scopes", "created_at", "revoked_at"]
    assert found["token_id"] == made["token_id"]
    assert (found["name"], found["scopes"], found["revoked_at"]) == (
        "shop",
        ["read", "admin"],
        None,
    )
    assert re.fullmatch(r"20..-..-..T..:..:..\.[0-9]+Z", found["created_at"])


def test_the_command_alone_lists(cli: Cli) -> None:
    _make(cli)
    assert cli("token").out == cli("token", "list").out
    assert cli("token", "--json").out == cli("token", "list", "--json").out


def test_people_see_the_tokens_and_since_when_they_are_revoked(cli: Cli) -> None:
    assert "There are no tokens." in cli("token").out
    made, other = _make(cli, "shop", "read", "write"), _make(cli, "till", "admin")
    cli("token", "revoke", other["token_id"])
    lines = {line.split()[1]: line for line in cli("token").out.splitlines() if "│" in line}
    assert "shop" in lines[made["token_id"]]
    assert "read, write" in lines[made["token_id"]]
    assert lines[made["token_id"]].count("Z") == 1, "created"
    assert lines[other["token_id"]].count("Z") == 2, "created and revoked"


def test_no_secret_and_no_digest_is_ever_listed(cli: Cli) -> None:
    made = _make(cli)
    with closing(sqlite3.connect("projector.db")) as connection:
        [[digest]] = connection.execute("SELECT digest FROM token").fetchall()
    cli("token", "revoke", made["token_id"])
    for command in (["list"], ["list", "--json"], ["revoke", made["token_id"], "--json"]):
        out = cli("token", *command).out
        assert made["token_id"] in out
        assert made["token"].split("_")[2] not in out
        assert digest not in out


def test_a_revoked_token_is_refused(cli: Cli) -> None:
    made, other = _make(cli), _make(cli)
    found = cli("token", "revoke", made["token_id"], "--json").json
    assert list(found) == ["token_id", "name", "scopes", "created_at", "revoked_at"]
    assert found["token_id"] == made["token_id"]
    assert found["revoked_at"] is not None
    assert not _comes_in(made["token"])
    assert _comes_in(other["token"])


def test_revoking_a_token_again_prints_when_it_was_first_revoked(cli: Cli) -> None:
    made = _make(cli)
    first = cli("token", "revoke", made["token_id"])
    at = cli("token", "--json").json["tokens"][0]["revoked_at"]
    assert f"{made['token_id']} (shop) was revoked at {at[:10]} {at[11:19]}Z." in first.out
    assert cli("token", "revoke", made["token_id"]).out == first.out
    again = cli("token", "revoke", made["token_id"], "--json")
    assert (again.code, again.json["revoked_at"]) == (0, at)


@pytest.mark.parametrize("token_id", ["nobody", "0" * 12, "", "\udcff", "x" * 300])
def test_an_unknown_token_ends_with_3(cli: Cli, token_id: str) -> None:
    _make(cli)
    for more in ([], ["--json"]):
        done = cli("token", "revoke", token_id, *more)
        assert done.code == 3
        assert done.failed_in_a_sentence
        assert "hint: `projector token list`" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["create"], id="nothing"),
        pytest.param(["create", "--scope", "read"], id="no name"),
        pytest.param(["create", "shop"], id="no scope"),
        pytest.param(["create", "shop", "--scope"], id="a scope without its value"),
        pytest.param(["create", "shop", "--scope", "all"], id="unknown scope"),
        pytest.param(["create", "shop", "--scope", "READ"], id="a scope in capitals"),
        pytest.param(["create", "shop", "--scope", "read,write"], id="two scopes in one"),
        pytest.param(["create", "shop", "--scope", "read", "write"], id="one option for two"),
        pytest.param(["create", "shop", "till", "--scope", "read"], id="two names"),
        pytest.param(["create", "", "--scope", "read"], id="empty name"),
        pytest.param(["create", "x" * 201, "--scope", "read"], id="long name"),
        pytest.param(["create", "a\nb", "--scope", "read"], id="a name of two lines"),
        pytest.param(["create", "\x1b[2J", "--scope", "read"], id="a name that steers"),
        pytest.param(["create", "\udcff", "--scope", "read"], id="a name that is no text"),
        pytest.param(["revoke"], id="revoke nothing"),
        pytest.param(["revoke", "a", "b"], id="revoke two"),
        pytest.param(["list", "extra"], id="argument too many"),
        pytest.param(["nonsense"], id="unknown command"),
    ],
)
def test_wrong_usage_ends_with_2_and_makes_nothing(cli: Cli, arguments: list[str]) -> None:
    done = cli("token", *arguments)
    assert done.code == 2, done.err
    assert done.failed_in_a_sentence
    assert "\x1b" not in done.err
    assert cli("token", "list", "--json").json == {"tokens": []}


def test_tokens_on_postgres(cli: Cli, postgres_url: str) -> None:
    url = str(make_url(postgres_url).set(drivername="postgresql"))
    cli("migrate", "--db", url)
    made = cli("token", "create", "shop", "--scope", "read", "--db", url, "--json").json
    assert _comes_in(made["token"], url)
    assert cli("token", "revoke", made["token_id"], "--db", url).code == 0
    assert not _comes_in(made["token"], url)
    [found] = cli("token", "--db", url, "--json").json["tokens"]
    assert found["revoked_at"] is not None
