"""What PROJECTOR_WEBHOOK_SECRET says, and that nothing shows it."""

import pytest

from projector.errors import BadSecrets
from projector.intake.webhook_secrets import parse

SAID = {
    "nothing": ("", []),
    "nothing but commas": (" , ,\n", []),
    "one secret": ("s3cret", [(None, "s3cret")]),
    "two secrets": ("old,new", [(None, "old"), (None, "new")]),
    "white space around them": ("  old , new \n", [(None, "old"), (None, "new")]),
    "a secret a line": ("old\nnew\r\n", [(None, "old"), (None, "new")]),
    "padding of Base64": ("c2VjcmV0cw==", [(None, "c2VjcmV0cw==")]),
    "a little of it": ("c2VjcmV0c3M=", [(None, "c2VjcmV0c3M=")]),
    "a pair": ("proj_1=s3cret", [("proj_1", "s3cret")]),
    "a pair with white space in it": (" proj_1 = s3cret ", [("proj_1", "s3cret")]),
    "a pair with padding": ("proj_1=c2VjcmV0cw==", [("proj_1", "c2VjcmV0cw==")]),
    "a secret with equals signs": ("proj_1=a=b=c", [("proj_1", "a=b=c")]),
    "several of one project": (
        "proj_1=old,proj_2=x,proj_1=new",
        [("proj_1", "old"), ("proj_2", "x"), ("proj_1", "new")],
    ),
    "characters that are not ASCII": ("é=ü", [("é", "ü")]),
    "a secret that begins with an equals sign": ("=x", [(None, "=x")]),
}


@pytest.mark.parametrize(("text", "secrets"), SAID.values(), ids=SAID)
def test_a_setting_names_secrets(text: str, secrets: list[tuple[str | None, str]]) -> None:
    assert [(each.project_id, each.text) for each in parse(text)] == secrets


UNREADABLE = {
    "some have a project and some do not": "proj_1=s3cret,s3cret2",
    "a project's id that is too long": f"{'p' * 201}=s3cret",
    "a project's id with a NUL": "p\0=s3cret",
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_one_that_cannot_be_read_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(BadSecrets) as raised:
        parse(text)
    assert "s3cret" not in str(raised.value)
    assert "s3cret" not in raised.value.hint


def test_a_secret_does_not_show_when_it_is_printed() -> None:
    assert "s3cret" not in repr(parse("proj_1=s3cret"))
