"""Rows that somebody wrote by plain SQL and that mean nothing: told in a sentence, and mended."""

import pytest

from tests.cli.conftest import Cli, Tamper

MEANINGLESS = {
    "no time": "UPDATE segment_membership SET entered_at = 'soon' WHERE customer_id = 'cust_2'",
    "a number for a time": "UPDATE segment_membership SET entered_at = 5.5 WHERE is_member",
    "no date": "UPDATE loyalty_tier SET expires_on = 'never' WHERE customer_id = 'cust_2'",
    "no text": "UPDATE customer SET name = CAST(x'ff' AS TEXT) WHERE customer_id = 'cust_2'",
}
COMMANDS = {
    "customer": ("customer", "cust_2"),
    "export": ("export", "customers"),
    "members of a segment": ("members", "--segment", "seg_5"),
    "segments": ("segments",),
}


@pytest.mark.parametrize("statement", MEANINGLESS.values(), ids=MEANINGLESS)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_an_unreadable_row_is_reported_in_a_sentence_and_repaired_by_a_rebuild(
    cli: Cli, tamper: Tamper, statement: str, command: tuple[str, ...]
) -> None:
    before = cli(*command, "--json")
    tamper(statement)
    done = cli(*command, "--json")
    # Not every question is about that row, and a list that breaks off has begun.
    if done.code:
        assert done.code == 1
        assert done.err.startswith("error: The table of ")
        assert "`projector rebuild`" in done.err
        assert "Traceback" not in done.err
    assert cli("rebuild").code == 0
    assert cli(*command, "--json") == before


@pytest.mark.parametrize("statement", MEANINGLESS.values(), ids=MEANINGLESS)
def test_nothing_is_answered_of_a_customer_with_such_a_row(
    cli: Cli, tamper: Tamper, statement: str
) -> None:
    tamper(statement)
    assert cli("customer", "cust_2").failed_in_a_sentence
    assert cli("export", "customers").code == 1
